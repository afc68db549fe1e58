/* SPDX-License-Identifier: MIT */
/*
 * O2, O3, O4: large segments, and checksums that somebody else completes, on
 * their way from the host to a guest, and from one guest to another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/links.h"
#include "tests/conformance/offloads.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"

#define PATIENCE	5000	/* ms until something will never come */
#define A_WHILE		200	/* ms in which what must not come would have */
#define GSO_SIZE	1400U
#define ROOM		64U	/* buffers: more than any packet has segments */

/* Too large for a stack; a scenario has a process of its own. */
static struct packet packet;
static uint8_t wire_frame[PACKET_MAX];
static struct rig from, to;
static int wire;

/*
 * ---- segments ----
 */

/* The guest of @r gets @p as it is, to be cut up by whoever needs it. */
static bool gets_whole(struct rig *r, const struct packet *p, unsigned int size,
		       uint8_t gso_type)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame;
	int n = raw_take(r, &h, &frame, PATIENCE);

	return EXPECT(n >= 0, "%s: nothing came", packet_name[p->kind]) &&
	       EXPECT(h.gso_type == gso_type && h.gso_size == size,
		      "%s of %u bytes: gso_type %#x size %u, not %#x size %u",
		      packet_name[p->kind], n, h.gso_type, h.gso_size, gso_type,
		      size) &&
	       EXPECT(h.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM &&
		      h.csum_start == p->l4 &&
		      h.csum_offset == packet_csum_offset(p->kind),
		      "%s: flags %#x, checksum from %u at %u, not from %u at "
		      "%u", packet_name[p->kind], h.flags, h.csum_start,
		      h.csum_offset, p->l4, packet_csum_offset(p->kind)) &&
	       EXPECT(h.hdr_len >= p->data, "%s: hdr_len %u, less than the "
		      "headers' %u", packet_name[p->kind], h.hdr_len,
		      p->data) &&
	       packet_check(p, frame, n, 0, p->len - p->data, true);
}

/* It gets @p in segments of @size; @partial: without their checksums. */
static bool gets_cut(struct rig *r, const struct packet *p, unsigned int size,
		     bool partial)
{
	unsigned int flags = partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;

	for (unsigned int i = 0; i < packet_segments(p, size); i++) {
		struct virtio_net_hdr_v1 h;
		const uint8_t *frame;
		int n = raw_take(r, &h, &frame, PATIENCE);

		if (!EXPECT(n >= 0, "%s: segment %u of %u did not come",
			    packet_name[p->kind], i,
			    packet_segments(p, size)) ||
		    !EXPECT(h.flags == flags && h.gso_type == 0 &&
			    h.gso_size == 0 &&
			    (!partial || (h.csum_start == p->l4 &&
					  h.csum_offset ==
					  packet_csum_offset(p->kind))),
			    "%s: segment %u: flags %#x gso_type %#x size %u, "
			    "checksum from %u at %u", packet_name[p->kind], i,
			    h.flags, h.gso_type, h.gso_size, h.csum_start,
			    h.csum_offset) ||
		    !packet_check(p, frame, n, i, size, partial))
			return false;
	}
	return true;
}

/* A large segment, with or without TCP's "congestion window reduced". */
static struct virtio_net_hdr_v1 large(enum packet_kind kind, bool ecn,
				      unsigned int bytes)
{
	struct virtio_net_hdr_v1 h;

	packet_make(&packet, kind, bytes);
	if (ecn)
		packet.bytes[packet.l4 + 13] |= 0x80;
	packet_partial(&packet);
	h = packet_header(&packet, GSO_SIZE);
	if (ecn)
		h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	return h;
}

/* What the tap of one guest is told before @kind may come to it whole. */
static unsigned int own_flags(enum packet_kind kind, bool ecn)
{
	return TUN_F_CSUM | packet_tun[kind] | (ecn ? TUN_F_TSO_ECN : 0);
}

/*
 * For each sort of large segment, short (vhost hands it over in a batch) and
 * long (it does not).  UDP only if the kernel knows it.  The first that fails is
 * the last: what it left behind would be taken for the next.
 */
static void each_large(bool uso, bool (*run)(enum packet_kind kind, bool ecn,
					     unsigned int bytes))
{
	static const unsigned int bytes[] = { 3000, 60000 };
	bool ok = true;

	for (unsigned int i = 0; i < 2 && ok; i++) {
		ok = run(TCP4, false, bytes[i]) && run(TCP6, false, bytes[i]) &&
		     run(TCP4, true, bytes[i]);
		if (uso)
			ok = ok && run(UDP4, false, bytes[i]) &&
			     run(UDP6, false, bytes[i]);
	}
	if (!uso)
		note("no USO here: TCP only");
}

/* The host sends @h and packet to a guest that accepts @flags. */
static void to_guest(unsigned int flags, const struct virtio_net_hdr_v1 *h)
{
	raw_offer(&to, ROOM);
	accept_offload(&to, flags);
	raw_wire_send(wire, h, packet.bytes, packet.len);
}

static bool host_sends_large(enum packet_kind kind, bool ecn,
			     unsigned int bytes)
{
	struct virtio_net_hdr_v1 h = large(kind, ecn, bytes);

	to_guest(own_flags(kind, ecn), &h);
	if (!gets_whole(&to, &packet, GSO_SIZE, h.gso_type))
		return false;
	to_guest(TUN_F_CSUM, &h);
	if (!gets_cut(&to, &packet, GSO_SIZE, true))
		return false;
	to_guest(0, &h);
	return gets_cut(&to, &packet, GSO_SIZE, false);
}

/*
 * O2: the host sends a large segment to the guest.  A guest that accepted this
 * sort of it gets it whole, with a header that says how to cut it; one that
 * accepted checksums only gets segments that lack theirs, and one that accepted
 * nothing, segments that are complete.  UDP from 6.2, probed.
 */
void large_to_guest(void)
{
	rig_make(&to, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&to);
	wire = raw_wire(to.name, true);
	each_large(has_uso(to.tap), host_sends_large);
	raw_quiet(&to, A_WHILE);
}

static bool guest_sends_large(enum packet_kind kind, bool ecn,
			      unsigned int bytes)
{
	struct virtio_net_hdr_v1 h = large(kind, ecn, bytes);
	struct virtio_net_hdr seen = { 0 };
	int n;

	raw_offer(&to, ROOM);
	accept_offload(&to, own_flags(kind, ecn));
	if (!raw_send(&from, &h, packet.bytes, packet.len))
		return false;
	n = raw_wire_recv(wire, &seen, wire_frame, sizeof(wire_frame),
			  PATIENCE);
	if (!EXPECT(n == (int)packet.len && seen.gso_type == h.gso_type &&
		    seen.gso_size == GSO_SIZE &&
		    seen.flags == VIRTIO_NET_HDR_F_NEEDS_CSUM &&
		    seen.csum_start == h.csum_start &&
		    seen.csum_offset == h.csum_offset,
		    "%s of %u bytes: the host sees %d, gso_type %#x size %u",
		    packet_name[kind], packet.len, n, seen.gso_type,
		    seen.gso_size) ||
	    !gets_whole(&to, &packet, GSO_SIZE, h.gso_type))
		return false;

	raw_offer(&to, ROOM);
	accept_offload(&to, 0);
	return raw_send(&from, &h, packet.bytes, packet.len) &&
	       gets_cut(&to, &packet, GSO_SIZE, false) &&
	       EXPECT(raw_wire_recv(wire, &seen, wire_frame, sizeof(wire_frame),
				    PATIENCE) == (int)packet.len,
		      "%s: the host does not see what a guest gets",
		      packet_name[kind]);
}

/*
 * O3: a guest sends a large segment.  The host sees its kind and its size (with
 * PACKET_VNET_HDR), a guest on the same bridge that accepts this gets it as it
 * was sent, and one that does not, as many segments as it takes, in order.  The
 * header is right for the batched and for the single path of TX.
 */
void large_from_guest(void)
{
	pair_make(&from, &to, FEATURE(VIRTIO_F_VERSION_1));
	wire = raw_wire(from.name, true);
	each_large(has_uso(to.tap), guest_sends_large);
	raw_quiet(&to, A_WHILE);
}

/*
 * ---- O4 ----
 */

/* A small packet of @from, its checksum left to others, arrives at @to. */
static void sends_unsummed(enum packet_kind kind, unsigned int bytes)
{
	struct virtio_net_hdr_v1 h;

	packet_make(&packet, kind, bytes);
	packet_partial(&packet);
	h = packet_header(&packet, 0);

	raw_offer(&to, ROOM);
	accept_offload(&to, 0);
	if (raw_send(&from, &h, packet.bytes, packet.len))
		gets_cut(&to, &packet, bytes, false);
	raw_offer(&to, ROOM);
	accept_offload(&to, TUN_F_CSUM);
	if (raw_send(&from, &h, packet.bytes, packet.len))
		gets_cut(&to, &packet, bytes, true);
}

/* Data for which UDP's sum is 0, which has to be sent as ffff. */
static void sends_zero_sum(void)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame;
	uint16_t sum, be;
	int n;

	packet_make(&packet, UDP4, 2);
	packet_partial(&packet);
	memset(packet.bytes + packet.data, 0, 2);
	sum = ~sum16(packet.bytes + packet.l4, packet.len - packet.l4, 0);
	be = htons(sum);
	memcpy(packet.bytes + packet.data, &be, 2);
	h = packet_header(&packet, 0);

	raw_offer(&to, ROOM);
	accept_offload(&to, 0);
	if (!raw_send(&from, &h, packet.bytes, packet.len))
		return;
	n = raw_take(&to, &h, &frame, PATIENCE);
	EXPECT(n == (int)packet.len && frame[packet.l4 + 6] == 0xff &&
	       frame[packet.l4 + 7] == 0xff, "UDP whose sum is 0: %d bytes, "
	       "checksum %02x%02x", n, n > 0 ? frame[packet.l4 + 6] : 0,
	       n > 0 ? frame[packet.l4 + 7] : 0);
}

/* A checksum of no protocol: from anywhere, to anywhere. */
static void sends_odd_sum(void)
{
	struct virtio_net_hdr_v1 h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 37, .csum_offset = 10,
	};
	uint8_t sent[202];
	const uint8_t *got;
	int n;

	frame_fill(sent, sizeof(sent), 7);
	memset(sent + 47, 0, 2);
	raw_offer(&to, ROOM);
	accept_offload(&to, 0);
	if (!raw_send(&from, &h, sent, sizeof(sent)))
		return;
	n = raw_take(&to, &h, &got, PATIENCE);
	REQUIRE(n == sizeof(sent), "%d bytes of %zu came", n, sizeof(sent));
	EXPECT(sum16(got + 37, n - 37, 0) == 0xffff,
	       "checksum from 37 at 47: %02x%02x", got[47], got[48]);
	EXPECT(memcmp(got, sent, 47) == 0 &&
	       memcmp(got + 49, sent + 49, n - 49) == 0,
	       "more than the checksum changed");
}

/* What a NAPI tap gets from its user goes through GRO. */
static void write_tap(int tap, unsigned int hdr_len)
{
	static uint8_t buf[PACKET_MAX + 12];
	ssize_t n;

	memset(buf, 0, hdr_len);
	memcpy(buf + hdr_len, packet.bytes, packet.len);
	n = write(tap, buf, hdr_len + packet.len);
	REQUIRE(n == (ssize_t)(hdr_len + packet.len), "write to a tap: %zd: %s",
		n, strerror(errno));
}

/* GRO has summed a packet: it says so, and only if the sum was right. */
static void receives_valid(void)
{
	const unsigned int hdr_len = sizeof(struct virtio_net_hdr);
	int tap = tap_open("napi", IFF_NAPI);
	struct virtio_net_hdr_v1 h = { 0 };
	const uint8_t *frame;
	int n;

	bridge_add("br", "napi");
	accept_offload(&to, TUN_F_CSUM);
	packet_make(&packet, TCP4, 100);
	raw_offer(&to, ROOM);
	write_tap(tap, hdr_len);
	n = raw_take(&to, &h, &frame, PATIENCE);
	EXPECT(n == (int)packet.len &&
	       h.flags == VIRTIO_NET_HDR_F_DATA_VALID,
	       "summed by GRO: %d bytes, flags %#x", n, h.flags);
	if (n >= 0)
		packet_check(&packet, frame, n, 0, 100, false);

	packet.bytes[packet.data + 50] ^= 1;
	raw_offer(&to, ROOM);
	write_tap(tap, hdr_len);
	n = raw_take(&to, &h, &frame, PATIENCE);
	EXPECT(n == (int)packet.len && h.flags == 0 &&
	       memcmp(frame, packet.bytes, packet.len) == 0,
	       "a wrong checksum: %d bytes, flags %#x", n, h.flags);
}

/*
 * O4: checksums.  What a guest leaves to be summed, another one on the same
 * bridge gets complete, or with the same request if it accepts that; for a UDP
 * sum of 0 that is ffff; any place will do.  What the host has verified comes
 * with DATA_VALID, and what it found wrong, without.
 */
void checksums(void)
{
	pair_make(&from, &to, FEATURE(VIRTIO_F_VERSION_1));
	for (enum packet_kind kind = TCP4; kind < PACKET_KINDS; kind++) {
		sends_unsummed(kind, 1);
		sends_unsummed(kind, 777);
		sends_unsummed(kind, 9000);	/* not in a batch */
	}
	sends_zero_sum();
	sends_odd_sum();
	receives_valid();
	raw_quiet(&to, A_WHILE);
}
