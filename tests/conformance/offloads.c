/* SPDX-License-Identifier: MIT */
/*
 * O: offloads.  What vhost itself does for them is to pass the virtio-net
 * header on unchanged, and to know how long it is; what it says is the tap's
 * business, drivers/net/tun.c.  So a frame is followed through both, and where
 * it must come out as it went in, from one guest to another over a bridge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

#include "machine/uapi.h"
#include "tests/conformance/bpf.h"
#include "tests/conformance/links.h"
#include "tests/conformance/offloads.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"
#include "tests/conformance/rig.h"

#define PATIENCE	5000	/* ms until something will never come */
#define A_WHILE		200	/* ms in which what must not come would have */

/* Too large for a stack; a scenario has a process of its own. */
static uint8_t wire_frame[PACKET_MAX];
static struct rig from, to;
static int wire;

/*
 * ---- taps ----
 */

static int set_offload(int tap, unsigned int flags)
{
	return ioctl(tap, TUNSETOFFLOAD, (unsigned long)flags) < 0 ? -errno : 0;
}

void accept_offload(const struct rig *r, unsigned int flags)
{
	int err = set_offload(r->tap, flags);

	REQUIRE(!err, "%s: TUNSETOFFLOAD %#x: %s", r->name, flags,
		strerror(-err));
}

bool has_uso(int tap)
{
	bool uso = set_offload(tap, TUN_F_CSUM | USO) == 0;

	REQUIRE(set_offload(tap, 0) == 0, "TUNSETOFFLOAD 0: %s",
		strerror(errno));
	return uso;
}

void pair_make(struct rig *a, struct rig *b, uint64_t features)
{
	bridge_make("br");
	rig_make(a, features, 256);
	rig_start(a);
	rig_make(b, features, 256);
	rig_start(b);
	bridge_add("br", a->name);
	bridge_add("br", b->name);
}

/*
 * ---- O1 ----
 */

/* What a tap takes: what TUNSETOFFLOAD's bits depend on, in words of ours. */
static bool takes(unsigned int flags, bool uso, bool tunnel)
{
	bool segments = flags & TSO;

	if (!(flags & TUN_F_CSUM))
		return flags == 0;	/* all else needs it */
	flags &= ~(TUN_F_CSUM | TUN_F_UFO);
	if (segments)
		flags &= ~(TSO | TUN_F_TSO_ECN);
	if (uso && (flags & USO) == USO) {	/* or none of the two */
		flags &= ~USO;
		segments = true;
	}
	if (tunnel && segments && (flags & TUN_F_UDP_TUNNEL_GSO))
		flags &= ~(TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM);
	return flags == 0;
}

static bool device_has(const char *name, uint32_t cmd)
{
	struct ethtool_value value = { .cmd = cmd };
	struct ifreq ifr;
	int err;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_data = (char *)&value;
	err = link_ioctl(SIOCETHTOOL, name, &ifr);
	REQUIRE(!err, "ethtool %s %#x: %s", name, cmd, strerror(-err));
	return value.data;
}

/*
 * O1: TUNSETOFFLOAD with each combination of its bits.  All need CSUM; ECN
 * needs TSO; USO4 and USO6 only go together; a tunnel needs something to put
 * into it; a bit that is not known is EINVAL.  What was refused changes
 * nothing, what was accepted shows in the device.  USO from 6.2, tunnels from
 * 6.17: both probed.
 */
static void offload_bits(void)
{
	int tap = tap_open("offl", 0);
	bool uso = has_uso(tap);
	bool tunnel = set_offload(tap, TUN_F_CSUM | TSO |
				  TUN_F_UDP_TUNNEL_GSO) == 0;
	unsigned int set = 0;

	note("USO: %s, UDP tunnels: %s", uso ? "yes" : "no",
	     tunnel ? "yes" : "no");
	REQUIRE(set_offload(tap, 0) == 0, "TUNSETOFFLOAD 0");
	for (unsigned int flags = 0; flags < 0x400; flags++) {
		int want = takes(flags, uso, tunnel) ? 0 : -EINVAL;
		int err = set_offload(tap, flags);

		EXPECT(err == want, "TUNSETOFFLOAD %#x: %s, not %s", flags,
		       strerror(-err), strerror(-want));
		if (!err)
			set = flags;
		EXPECT(device_has("offl", ETHTOOL_GTXCSUM) ==
		       !!(set & TUN_F_CSUM) &&
		       device_has("offl", ETHTOOL_GTSO) == !!(set & TSO),
		       "TUNSETOFFLOAD %#x: CSUM %u TSO %u, where %#x is set",
		       flags, device_has("offl", ETHTOOL_GTXCSUM),
		       device_has("offl", ETHTOOL_GTSO), set);
	}
	for (unsigned int bit = 10; bit < 32; bit++) {
		int err = set_offload(tap, TUN_F_CSUM | TUN_F_TSO4 | 1U << bit);

		EXPECT(err == -EINVAL, "TUNSETOFFLOAD bit %u: %s", bit,
		       strerror(-err));
	}
}

/*
 * ---- O5 ----
 */

/* What a frame of the guest becomes: with @more zeros in front, or @less. */
static void sends_shifted(struct rig *r, unsigned int len, unsigned int more,
			  unsigned int less)
{
	static const uint8_t zeros[32];
	static uint8_t sent[PACKET_MAX];
	struct virtio_net_hdr_v1 h = { 0 };
	struct virtio_net_hdr seen = { 0 };
	int n;

	frame_fill(sent, len, len);
	if (!raw_send(r, &h, sent, len))
		return;
	n = raw_wire_recv(wire, &seen, wire_frame, sizeof(wire_frame),
			  PATIENCE);
	EXPECT(n == (int)(len + more - less) &&
	       memcmp(wire_frame, zeros, more) == 0 &&
	       memcmp(wire_frame + more, sent + less, len - less) == 0,
	       "frame of %u bytes: %d came, %02x %02x ..., where %u more and %u "
	       "less in front were due", len, n, wire_frame[0], wire_frame[1],
	       more, less);
}

/*
 * A frame for the guest is dropped where the headers differ, and the buffer
 * stays: the next one, after they agree again, gets it.
 */
static void mismatch(unsigned int vhost_bytes, unsigned int tap_bytes)
{
	uint64_t features = vhost_bytes == 12 ? FEATURE(VIRTIO_F_VERSION_1) : 0;
	unsigned int more = vhost_bytes > tap_bytes ? vhost_bytes - tap_bytes : 0;
	unsigned int less = tap_bytes > vhost_bytes ? tap_bytes - vhost_bytes : 0;
	int size = tap_bytes;
	static const struct rig none;
	uint8_t frame[200];
	struct rig r = none;

	rig_make(&r, features, 64);
	rig_start(&r);
	wire = raw_wire(r.name, true);
	REQUIRE(ioctl(r.tap, TUNSETVNETHDRSZ, &size) == 0,
		"TUNSETVNETHDRSZ %d: %s", size, strerror(errno));
	/* A batch carries headers apart from frames: nothing to mix up. */
	sends_shifted(&r, 64, 0, 0);
	sends_shifted(&r, 1500, 0, 0);
	sends_shifted(&r, 5000, more, less);
	if (more || less) {
		raw_offer(&r, 1);
		frame_fill(frame, sizeof(frame), 1);
		wire_send(r.wire, frame, sizeof(frame));
		raw_quiet(&r, A_WHILE);
		size = vhost_bytes;
		REQUIRE(ioctl(r.tap, TUNSETVNETHDRSZ, &size) == 0,
			"TUNSETVNETHDRSZ %d: %s", size, strerror(errno));
	}
	if (EXPECT(ring_used(&r.ring[RX]) == 0, "RX: a buffer was used")) {
		struct virtio_net_hdr_v1 h;
		const uint8_t *got;
		int n;

		raw_offer(&r, 1);
		frame_fill(frame, sizeof(frame), 2);
		wire_send(r.wire, frame, sizeof(frame));
		n = raw_take(&r, &h, &got, PATIENCE);
		if (EXPECT(n == sizeof(frame), "RX: %d bytes came", n))
			frame_check(got, n, 2);
	}
	EXPECT(events(r.ring[RX].err) == 0 && events(r.ring[TX].err) == 0,
	       "a ring was called broken");
	close(wire);
	rig_free(&r);
}

/*
 * O5: vhost and the tap do not agree on the header: 10, 12 or 24 bytes.  Nobody
 * checks that they do.  A frame that TX hands over by itself comes out shifted
 * by the difference, one in a batch does not; RX drops frames, keeps their
 * buffers, and goes on once both agree.  No ring is called broken.
 */
static void header_mismatch(void)
{
	static const unsigned int tap_bytes[] = { 10, 12, 24 };

	for (unsigned int i = 0; i < 3; i++) {
		mismatch(10, tap_bytes[i]);
		mismatch(12, tap_bytes[i]);
	}
}

/*
 * ---- O6 ----
 */

#define TAG	{ 0x81, 0x00, 0x20, 0x7b }	/* 802.1Q, VLAN 123, priority 1 */

/* Frame @seq of @len bytes without, len + 4 with the tag. */
static void fill_tagged(uint8_t *frame, unsigned int len, uint32_t seq)
{
	static const uint8_t tag[] = TAG;

	frame_fill(frame, len, seq);
	memmove(frame + 16, frame + 12, len - 12);
	memcpy(frame + 12, tag, sizeof(tag));
}

static void check_tagged(const uint8_t *frame, int n, unsigned int len,
			 uint32_t seq)
{
	static uint8_t want[PACKET_MAX];

	fill_tagged(want, len, seq);
	EXPECT(n == (int)len + 4 && memcmp(frame, want, n) == 0,
	       "tagged frame of %u bytes: %d came, %02x%02x %02x%02x at 12",
	       len + 4, n, n > 16 ? frame[12] : 0, n > 16 ? frame[13] : 0,
	       n > 16 ? frame[14] : 0, n > 16 ? frame[15] : 0);
}

/* Was the tag of the next frame that leaves by @fd's interface beside it? */
static bool tag_was_beside(int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} room;
	struct iovec iov = { wire_frame, sizeof(wire_frame) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room.buf, .msg_controllen = sizeof(room),
	};
	struct tpacket_auxdata aux;
	struct cmsghdr *c;

	if (!wait_readable(fd, PATIENCE) || recvmsg(fd, &msg, 0) < 0)
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != PACKET_AUXDATA)
		return false;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	return aux.tp_status & TP_STATUS_VLAN_VALID && aux.tp_vlan_tci == 0x207b;
}

/*
 * O6: a frame with an 802.1Q tag.  Between two guests the kernel takes the tag
 * out of the frame and keeps it beside; the receiver must get it back in its
 * place, a length that counts it, and as many buffers as that takes, also where
 * the 4 bytes just fit, and just do not.
 */
static void vlan(void)
{
	static const unsigned int lens[] = { 60, 252, 1514, 5000 };
	uint8_t sent[5004];
	struct virtio_net_hdr_v1 h = { 0 };
	const uint8_t *got;
	int yes = 1, n;

	pair_make(&from, &to, FEATURE(VIRTIO_F_VERSION_1) |
			      FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	wire = raw_wire(to.name, false);
	REQUIRE(setsockopt(wire, SOL_PACKET, PACKET_AUXDATA, &yes,
			   sizeof(yes)) == 0, "PACKET_AUXDATA");
	for (unsigned int i = 0; i < 4; i++) {
		raw_offer(&to, 1);
		fill_tagged(sent, lens[i], i);
		if (!raw_send(&from, &h, sent, lens[i] + 4))
			continue;
		n = raw_take(&to, &h, &got, PATIENCE);
		check_tagged(got, n, lens[i], i);
		EXPECT(h.num_buffers == 1, "num_buffers %u", h.num_buffers);
		EXPECT(tag_was_beside(wire), "the tag went inside the frame: "
		       "the point of this is not tried");
	}
	h.num_buffers = 0;

	/* In two buffers: the first is full, the second has the rest. */
	for (unsigned int spare = 0; spare < 6; spare++) {
		unsigned int first = to.hdr_len + 100 + spare, want = spare < 4;
		struct ring *rx = &to.ring[RX];
		uint32_t id[2], len[2] = { 0, 0 };

		id[0] = rig_offer_rx(&to, first);
		id[1] = rig_offer_rx(&to, 256);
		ring_kick(rx);
		fill_tagged(sent, 100, 50 + spare);
		if (!raw_send(&from, &h, sent, 104))
			continue;
		if (!EXPECT(ring_wait(rx, 1 + want, PATIENCE) &&
			    ring_used(rx) == 1 + want,
			    "104 bytes, room for %u: %u buffers used",
			    first - to.hdr_len, ring_used(rx)))
			return;
		for (unsigned int i = 0; i <= want; i++)
			ring_pop(rx, &id[i], &len[i]);
		EXPECT(len[0] + len[1] == to.hdr_len + 104 &&
		       len[1] == (want ? 4 - spare : 0),
		       "104 bytes, room for %u: %u and %u bytes used",
		       first - to.hdr_len, len[0], len[1]);
		memcpy(wire_frame, rig_ptr(&to, rig_buffer(&to, RX, id[0])),
		       len[0]);
		if (want)
			memcpy(wire_frame + len[0],
			       rig_ptr(&to, rig_buffer(&to, RX, id[1])),
			       len[1]);
		check_tagged(wire_frame + to.hdr_len, 104, 100, 50 + spare);
		if (want)
			continue;
		/* The second is still out: use it up. */
		wire_send(to.wire, sent, 104);
		if (EXPECT(ring_wait(rx, 1, PATIENCE), "nothing came"))
			ring_pop(rx, &id[0], &len[0]);
	}
}

/*
 * ---- O7 ----
 */

/* A frame of the guest, large or small, and what the program lets through. */
static void through_program(uint32_t action, bool out, bool back)
{
	static const unsigned int lens[] = { 60, 1500, 5000 };
	int link = xdp_attach(xdp_program(action, 0), from.name);
	struct virtio_net_hdr_v1 h = { 0 };
	const uint8_t *got;
	uint8_t sent[5000];

	for (unsigned int i = 0; i < 3; i++) {
		int n;

		raw_offer(&from, 1);
		frame_fill(sent, lens[i], i);
		if (!raw_send(&from, &h, sent, lens[i]))
			continue;
		n = wire_recv(from.wire, wire_frame, sizeof(wire_frame),
			      out ? PATIENCE : A_WHILE);
		if (EXPECT(n == (out ? (int)lens[i] : -1), "action %u: %d of "
			   "%u bytes came out of the tap", action, n,
			   lens[i]) && out)
			frame_check(wire_frame, n, i);
		if (!back) {
			raw_quiet(&from, 0);
			continue;
		}
		n = raw_take(&from, &h, &got, PATIENCE);
		if (EXPECT(n == (int)lens[i], "action %u: %d of %u bytes came "
			   "back", action, n, lens[i]))
			frame_check(got, n, i);
		memset(&h, 0, sizeof(h));
	}
	close(link);
}

/* 100 frames, handed over at once, appear at the other tap's guest in order. */
static void redirected(void)
{
	int link = xdp_attach(xdp_program(XDP_REDIRECT, link_index(to.name)),
			      from.name);
	struct ring *tx = &from.ring[TX];
	struct virtio_net_hdr_v1 h;
	const uint8_t *got;

	raw_offer(&to, 100);
	for (unsigned int i = 0; i < 100; i++)
		rig_offer_tx(&from, 60 + i, i);
	ring_kick(tx);
	for (unsigned int i = 0; i < 100; i++) {
		int n = raw_take(&to, &h, &got, PATIENCE);

		if (!EXPECT(n == 60 + (int)i, "redirected frame %u: %d bytes",
			    i, n))
			break;
		frame_check(got, n, i);
		EXPECT(h.flags == 0 && h.gso_type == 0, "redirected frame %u: "
		       "flags %#x gso_type %#x", i, h.flags, h.gso_type);
	}
	EXPECT(ring_wait(tx, 100, PATIENCE), "TX: %u of 100 used",
	       ring_used(tx));
	while (ring_pop(tx, &(uint32_t){ 0 }, &(uint32_t){ 0 }))
		;
	close(link);
}

/*
 * O7: an XDP program on the tap sees what the guest sends before anybody else,
 * in batches or not.  PASS lets it out, DROP uses it up, TX sends it back into
 * the same guest's RX, REDIRECT into another's; each byte stays, and the header
 * is all zeros.  Without the program all is as before.
 */
static void xdp(void)
{
	rig_make(&from, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&from);
	rig_make(&to, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&to);
	through_program(XDP_PASS, true, false);
	through_program(XDP_DROP, false, false);
	through_program(XDP_TX, false, true);
	redirected();
	through_program(XDP_PASS, true, false);
	raw_quiet(&to, A_WHILE);
}

/*
 * ---- O9 ----
 */

/*
 * To everybody, and to one whom the bridge does not know: both get to the other
 * tap, but what goes to everybody is a copy, and no longer its sender's.
 */
static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t somebody[6] = { 0x02, 0xff, 0xff, 0xff, 0xff, 0xff };

#define HELD	16U	/* frames, each of 1000 bytes */
#define SNDBUF	8192

/*
 * O9: TUNSETSNDBUF is small, and what the guest sent stays in the queue of the
 * interface it leaves by.  Then the tap is full and vhost waits: some frames
 * are used and the rest are not, its worker sleeps, and once the queue runs
 * again all come out, each once and in order.  Catches a lost wakeup, a frame
 * dropped for EAGAIN, and a worker that spins until there is room.
 */
static void small_sndbuf(void)
{
	int size = SNDBUF;
	unsigned int used;
	uint64_t before, spent;

	pair_make(&from, &to, FEATURE(VIRTIO_F_VERSION_1));
	plug_make(to.name);
	REQUIRE(ioctl(from.tap, TUNSETSNDBUF, &size) == 0, "TUNSETSNDBUF: %s",
		strerror(errno));
	raw_offer(&to, HELD);
	for (unsigned int i = 0; i < HELD; i++) {
		unsigned int desc = rig_offer_tx(&from, 1000, i);
		uint8_t *p = rig_ptr(&from, rig_buffer(&from, TX, desc));

		memcpy(p + from.hdr_len, somebody, 6);
	}
	ring_kick(&from.ring[TX]);

	REQUIRE(ring_wait(&from.ring[TX], 1, PATIENCE), "TX: none used");
	usleep(A_WHILE * 1000);
	used = ring_used(&from.ring[TX]);
	before = worker_cpu(worker_pid(&from));
	sleep(1);
	spent = worker_cpu(worker_pid(&from)) - before;
	note("%u of %u frames fit; the worker waited a second with %llu us",
	     used, HELD, (unsigned long long)spent / 1000);
	EXPECT(used < HELD, "a full tap took all %u frames", HELD);
	EXPECT(used == ring_used(&from.ring[TX]), "frames went nowhere");
	EXPECT(spent < 200000000, "the worker was busy for %llu ms of a second",
	       (unsigned long long)spent / 1000000);
	raw_quiet(&to, 0);

	plug_release(to.name);
	for (unsigned int i = 0; i < HELD; i++) {
		struct virtio_net_hdr_v1 h;
		const uint8_t *got;
		int n = raw_take(&to, &h, &got, PATIENCE);

		if (!EXPECT(n == 1000, "frame %u: %d bytes", i, n))
			return;
		memcpy(wire_frame, got, n);
		memcpy(wire_frame, everybody, 6);
		frame_check(wire_frame, n, i);
	}
	EXPECT(ring_wait(&from.ring[TX], HELD, PATIENCE), "TX: %u of %u used",
	       ring_used(&from.ring[TX]), HELD);
	EXPECT(events(from.ring[TX].err) == 0, "TX was called broken");
	raw_quiet(&to, A_WHILE);
}

const struct scenario offloads[] = {
	{ "O1", "TUNSETOFFLOAD takes what its bits allow, and no more",
	  offload_bits, 60 },
	{ "O2", "host to guest: large segments whole, or cut, as accepted",
	  large_to_guest, 60 },
	{ "O3", "guest to host: large segments keep their kind and size",
	  large_from_guest, 60 },
	{ "O4", "checksums: completed, passed on, verified",
	  checksums, 60 },
	{ "O5", "header of 10, 12 and 24 bytes: what a mismatch does",
	  header_mismatch, 60 },
	{ "O6", "VLAN tags come back into their frame, and count",
	  vlan, 0 },
	{ "O7", "XDP on the tap: PASS, DROP, TX, REDIRECT",
	  xdp, 0 },
	{ "O8", "UDP tunnels: large segments with an inner and an outer header",
	  udp_tunnel, 60 },
	{ "O9", "a full tap: vhost waits, loses nothing, and does not spin",
	  small_sndbuf, 0 },
	{ "O10", "offloads are taken back while large segments wait in the tap",
	  offload_taken_back, 0 },
	{ 0 }
};
