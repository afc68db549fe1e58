/* SPDX-License-Identifier: MIT */
/*
 * B4, B5: what a ring can be with besides a tap.  Below it is always a tap of
 * another name, whose user is the wire: what the guest sends, it reads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "tests/conformance/backends.h"
#include "tests/conformance/links.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"

#define PATIENCE	5000	/* ms until something will never come */
#define A_WHILE		200	/* ms in which what must not come would have */
#define BELOW_HDR	10	/* the header of the tap below */

static uint8_t buf[PACKET_MAX];		/* a scenario has a process of its own */

/* What the guest of @r sends comes out of the tap @below, at its user's. */
static bool comes_out(struct rig *r, int below, unsigned int len, uint32_t seq)
{
	struct virtio_net_hdr_v1 none = { 0 };
	int n;

	frame_fill(buf, len, seq);
	if (!raw_send(r, &none, buf, len))
		return false;
	n = read_tap(below, BELOW_HDR, buf, PATIENCE);
	return EXPECT(n == (int)len, "TX: frame %u: %d bytes, not %u", seq, n,
		      len) && frame_check(buf, n, seq);
}

static void write_below(int below, const void *frame, unsigned int len)
{
	static uint8_t out[BELOW_HDR + PACKET_MAX];
	ssize_t n;

	memcpy(out + BELOW_HDR, frame, len);
	n = write(below, out, BELOW_HDR + len);
	REQUIRE(n == (ssize_t)(BELOW_HDR + len), "write to a tap: %zd: %s", n,
		strerror(errno));
}

/*
 * What that user writes comes to the guest: to everybody if @to is NULL.  The
 * header says nothing, and that it is one buffer where it says that at all.
 */
static bool comes_in(struct rig *r, int below, unsigned int len, uint32_t seq,
		     const uint8_t *to)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *got;
	uint8_t *frame = buf;
	int n;

	frame_fill(frame, len, seq);
	if (to)
		memcpy(frame, to, 6);
	raw_offer(r, 1);
	write_below(below, frame, len);
	n = raw_take(r, &h, &got, PATIENCE);
	return EXPECT(n == (int)len, "RX: frame %u: %d bytes, not %u", seq, n,
		      len) &&
	       EXPECT(memcmp(got, frame, n) == 0, "RX: frame %u changed",
		      seq) &&
	       EXPECT(h.flags == 0 && h.gso_type == 0 && h.hdr_len == 0 &&
		      h.gso_size == 0 && h.csum_start == 0 &&
		      h.csum_offset == 0 && (h.num_buffers == 1 ||
		      !(r->features & FEATURE(VIRTIO_NET_F_MRG_RXBUF))),
		      "RX: frame %u: a header with flags %#x gso_type %#x "
		      "num_buffers %u", seq, h.flags, h.gso_type,
		      h.num_buffers);
}

static const unsigned int lens[] = { 60, 256, 1514, 4096, 9000, 60000 };
#define LENS	(sizeof(lens) / sizeof(lens[0]))

/* Some of all sizes in both directions. */
static void both_ways(struct rig *r, int below, const uint8_t *to)
{
	for (unsigned int i = 0; i < LENS; i++)
		if (!comes_out(r, below, lens[i], i) ||
		    !comes_in(r, below, lens[i], 100 + i, to))
			return;
}

/*
 * ---- B4 ----
 */

static int packet_socket(const char *name, int type)
{
	struct sockaddr_ll on = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(FRAME_TYPE),
		.sll_ifindex = link_index(name),
	};
	int fd = socket(AF_PACKET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&on, sizeof(on)) == 0,
		"AF_PACKET: %s", strerror(errno));
	return fd;
}

static void on_packet_socket(uint64_t features, int below)
{
	struct virtio_net_hdr_v1 none = { 0 };
	uint64_t before, spent;
	struct rig r;
	int fd, err;

	rig_make(&r, features | FEATURE(VHOST_NET_F_VIRTIO_NET_HDR), 256);
	rig_start(&r);
	fd = packet_socket("below", SOCK_DGRAM);
	err = rig_backend(&r, TX, fd);
	EXPECT(err == -ENOTSOCK, "SET_BACKEND with SOCK_DGRAM: %s",
	       strerror(-err));
	close(fd);

	fd = packet_socket("below", SOCK_RAW);
	set_backend(&r, RX, fd);
	set_backend(&r, TX, fd);
	both_ways(&r, below, NULL);

	/* Longer than the interface takes: used up, and nothing comes. */
	frame_fill(buf, 65535 + 14, 1);
	raw_send(&r, &none, buf, 65535 + 14);
	EXPECT(read_tap(below, BELOW_HDR, buf, A_WHILE) < 0,
	       "a frame came that the interface is too small for");
	both_ways(&r, below, NULL);

	/* Down: sent frames are used up, nobody spins; and up again. */
	if_up("below", false);
	raw_send(&r, &none, buf, 60);
	raw_offer(&r, 1);
	before = worker_cpu(worker_pid(&r));
	usleep(500000);
	spent = worker_cpu(worker_pid(&r)) - before;
	EXPECT(spent < 100000000, "interface down: the worker was busy for "
	       "%llu ms of 500", (unsigned long long)spent / 1000000);
	if_up("below", true);
	usleep(A_WHILE * 1000);		/* as for any that comes up */
	/* That it was down, the socket tells whoever sends next. */
	raw_send(&r, &none, buf, 60);
	read_tap(below, BELOW_HDR, buf, A_WHILE);
	both_ways(&r, below, NULL);
	EXPECT(events(r.ring[RX].err) == 0 && events(r.ring[TX].err) == 0,
	       "a ring was called broken");
	close(fd);
	rig_free(&r);
}

/*
 * B4: an AF_PACKET socket, which has no virtio-net header: with feature bit 27
 * (VHOST_NET_F_VIRTIO_NET_HDR) vhost takes it off and puts an empty one before
 * what is received.  With headers of 10 and 12 bytes, and where num_buffers is
 * in use.  SOCK_DGRAM is ENOTSOCK.  What the interface does not take is used
 * up; with the interface down the worker sleeps.
 */
void packet_backend(void)
{
	int below = tap_open("below", 0);

	set_header(below, BELOW_HDR);
	on_packet_socket(0, below);
	on_packet_socket(FEATURE(VIRTIO_NET_F_MRG_RXBUF), below);
	on_packet_socket(FEATURE(VIRTIO_F_VERSION_1), below);
	on_packet_socket(FEATURE(VIRTIO_F_VERSION_1) |
			 FEATURE(VIRTIO_NET_F_MRG_RXBUF), below);
}

/*
 * ---- B5 ----
 */

static void set_sndbuf(int tap, int bytes)
{
	REQUIRE(ioctl(tap, TUNSETSNDBUF, &bytes) == 0, "TUNSETSNDBUF %d: %s",
		bytes, strerror(errno));
}

static void on_macvtap(int below)
{
	static const uint8_t mac[6] = { 0x02, 0, 0, 0, 0, 0x55 };
	struct rig r;
	int fd;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	fd = tap_on_link("macvtap", "above", "below", MACVLAN_MODE_BRIDGE, mac,
			 r.hdr_len);
	set_backend(&r, RX, fd);
	set_backend(&r, TX, fd);
	both_ways(&r, below, NULL);
	both_ways(&r, below, mac);
	/* Only with this is TX handed over in batches. */
	set_sndbuf(fd, INT_MAX);
	both_ways(&r, below, mac);

	/* What is for somebody else does not get here. */
	frame_fill(buf, 60, 0);
	memcpy(buf, mac, 6);
	buf[5]++;
	raw_offer(&r, 1);
	write_below(below, buf, 60);
	raw_quiet(&r, A_WHILE);
	set_backend(&r, RX, -1);
	set_backend(&r, TX, -1);
	close(fd);
	REQUIRE(link_delete("above") == 0, "macvtap cannot be deleted");
	rig_free(&r);
}

/* An ipvtap knows its frames by their IP address. */
static void on_ipvtap(int below)
{
	static struct packet p;
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct virtio_net_hdr_v1 h;
	const uint8_t *got;
	struct ifreq ifr;
	struct rig r;
	int fd, err;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	fd = tap_on_link("ipvtap", "above", "below", IPVLAN_MODE_L2, NULL,
			 r.hdr_len);
	packet_make(&p, UDP4, 100);
	memcpy(&address.sin_addr, p.bytes + p.l3 + 16, 4);
	memset(&ifr, 0, sizeof(ifr));
	memcpy(&ifr.ifr_addr, &address, sizeof(address));
	err = link_ioctl(SIOCSIFADDR, "above", &ifr);
	REQUIRE(!err, "address of an ipvtap: %s", strerror(-err));
	set_backend(&r, RX, fd);
	set_backend(&r, TX, fd);
	for (unsigned int turn = 0; turn < 2; turn++) {
		for (unsigned int i = 0; i < LENS; i++) {
			int n;

			if (!comes_out(&r, below, lens[i], i))
				return;
			packet_make(&p, UDP4, lens[i]);
			raw_offer(&r, 1);
			write_below(below, p.bytes, p.len);
			n = raw_take(&r, &h, &got, PATIENCE);
			if (!EXPECT(n == (int)p.len, "RX: %d bytes, not %u", n,
				    p.len))
				return;
			packet_check(&p, got, n, 0, lens[i], false);
		}
		set_sndbuf(fd, INT_MAX);
	}
	/* What is for another address does not get here. */
	p.bytes[p.l3 + 19]++;
	raw_offer(&r, 1);
	write_below(below, p.bytes, p.len);
	raw_quiet(&r, A_WHILE);
	rig_free(&r);
}

/*
 * B5: macvtap and ipvtap, which are taps to vhost but have a driver of their
 * own (drivers/net/tap.c).  Frames in both directions, to everybody and to the
 * card's own address, one by one as is their default, and in batches.
 */
void macvtap_backend(void)
{
	int below = tap_open("below", 0);

	set_header(below, BELOW_HDR);
	on_macvtap(below);
	on_ipvtap(below);
}
