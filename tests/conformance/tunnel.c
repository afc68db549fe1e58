/* SPDX-License-Identifier: MIT */
/*
 * Large segments inside a UDP tunnel (virtio 1.4, section 5.1.6.2.1): O8, O10.
 *
 *	Ethernet  IP  UDP  VXLAN | Ethernet  IP  TCP  data
 *	outer_th_offset ^                    ^   ^ csum_start
 *	                       inner_nh_offset
 *
 * The two offsets are what the header of 24 bytes has more than that of 12, and
 * 24 bytes are what vhost has to skip.  Its two feature bits are above 63, so
 * they come by VHOST_SET_FEATURES_ARRAY.
 */
#include <arpa/inet.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include "tests/conformance/offloads.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"
#include "tests/conformance/uapi.h"
#include "vhost/vhost.h"

#define PATIENCE	5000	/* ms until something will never come */
#define A_WHILE		200	/* ms in which what must not come would have */
#define GSO_SIZE	1350U
#define ROOM		64U	/* buffers: more than a packet has segments */
#define ETH_BYTES	14U
#define VXLAN_BYTES	8U
#define OUTER_ID	0x0a0bU

#define TUNNEL_IPV4	0x20	/* VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 */
#define TUNNEL_IPV6	0x40
#define TUNNEL_CSUM	8	/* VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM */
/* In the second word of features: GUEST_UDP_TUNNEL_GSO, 65, and HOST_, 67. */
#define TUNNEL_WORD	(FEATURE(65 - 64) | FEATURE(67 - 64))

struct tunnel_header {			/* struct virtio_net_hdr_v1_hash_tunnel */
	struct virtio_net_hdr_v1 h;
	uint32_t hash_value;
	uint16_t hash_report, padding;
	uint16_t outer_th_offset, inner_nh_offset;
};

static struct rig from, to;
static struct packet inner;
static uint8_t outer[PACKET_MAX];

/*
 * ---- two cards with a header of 24 bytes ----
 */

static int set_features(const struct rig *r, uint64_t second)
{
	struct {
		uint64_t count, word[2];
	} set = { 2, { r->features, second } };

	return vhost_ioctl(r->vhost, VHOST_SET_FEATURES_ARRAY, &set);
}

static bool has_tunnels(const struct rig *r)
{
	struct {
		uint64_t count, word[2];
	} has = { .count = 2 };

	return vhost_ioctl(r->vhost, VHOST_GET_FEATURES_ARRAY, &has) == 0 &&
	       (has.word[1] & TUNNEL_WORD) == TUNNEL_WORD;
}

static void restart_with_tunnels(struct rig *r)
{
	int err;

	rig_stop(r);
	rig_rewind(r, 0);
	r->hdr_len = sizeof(struct tunnel_header);
	rig_set_tables(r);
	err = set_features(r, TUNNEL_WORD);
	REQUIRE(!err, "SET_FEATURES_ARRAY: %s", strerror(-err));
	for (unsigned int i = 0; i < 2; i++)
		rig_set_ring(r, i);
	for (unsigned int i = 0; i < 2; i++) {
		err = rig_backend(r, i, r->tap);
		REQUIRE(!err, "SET_BACKEND: %s", strerror(-err));
	}
}

/*
 * ---- packets in packets ----
 */

static unsigned int outer_th(bool v6)
{
	return ETH_BYTES + (v6 ? 40 : 20);
}

/* Where the packet inside begins, with its own Ethernet header. */
static unsigned int inner_at(bool v6)
{
	return outer_th(v6) + sizeof(struct udphdr) + VXLAN_BYTES;
}

/* The headers around @bytes of inner frame.  @csum: UDP has one, partial. */
static void make_outer(bool v6, unsigned int bytes, bool csum)
{
	static const uint8_t ethernet[ETH_BYTES] = {
		0x02, 0, 0, 0, 0, 4, 0x02, 0, 0, 0, 0, 3,
	};
	static const uint8_t vxlan[VXLAN_BYTES] = { 0x08, 0, 0, 0, 0, 0, 42 };
	unsigned int udp_len = sizeof(struct udphdr) + VXLAN_BYTES + bytes;
	struct udphdr udp = {
		.source = htons(50000), .dest = htons(4789),
		.len = htons(udp_len),
	};
	struct iphdr v4 = {
		.version = 4, .ihl = 5, .ttl = 64, .id = htons(OUTER_ID),
		.tot_len = htons(sizeof(v4) + udp_len),
		.protocol = IPPROTO_UDP,
		.saddr = htonl(0xc6130001), .daddr = htonl(0xc6130002),
	};
	struct ip6_hdr ip6 = {
		.ip6_flow = htonl(6U << 28), .ip6_hlim = 64,
		.ip6_plen = htons(udp_len), .ip6_nxt = IPPROTO_UDP,
		.ip6_src.s6_addr = { 0x20, 1, 0, 2, [15] = 3 },
		.ip6_dst.s6_addr = { 0x20, 1, 0, 2, [15] = 4 },
	};
	uint16_t type = htons(v6 ? 0x86dd : 0x0800);
	uint8_t *at = outer + outer_th(v6);

	v4.check = htons(~sum16(&v4, sizeof(v4), 0));
	memcpy(outer, ethernet, ETH_BYTES);
	memcpy(outer + ETH_BYTES - 2, &type, 2);
	if (v6)
		memcpy(outer + ETH_BYTES, &ip6, sizeof(ip6));
	else
		memcpy(outer + ETH_BYTES, &v4, sizeof(v4));
	if (csum)
		udp.check = htons(pseudo_sum(outer + ETH_BYTES, IPPROTO_UDP,
					     udp_len));
	memcpy(at, &udp, sizeof(udp));
	memcpy(at + sizeof(udp), vxlan, sizeof(vxlan));
}

/* outer[]: a large segment of @kind in a tunnel.  Its length. */
static unsigned int make(struct tunnel_header *t, enum packet_kind kind,
			 bool v6, bool csum)
{
	packet_make(&inner, kind, 40000);
	packet_partial(&inner);
	make_outer(v6, inner.len, csum);
	memcpy(outer + inner_at(v6), inner.bytes, inner.len);

	memset(t, 0, sizeof(*t));
	t->h = packet_header(&inner, GSO_SIZE);
	t->h.gso_type |= v6 ? TUNNEL_IPV6 : TUNNEL_IPV4;
	t->h.flags |= csum ? TUNNEL_CSUM : 0;
	t->h.csum_start += inner_at(v6);
	t->h.hdr_len += inner_at(v6);
	t->outer_th_offset = outer_th(v6);
	t->inner_nh_offset = inner_at(v6) + ETH_BYTES;
	return inner_at(v6) + inner.len;
}

static bool send_whole(const struct tunnel_header *t, unsigned int len)
{
	struct ring *tx = &from.ring[TX];
	unsigned int desc = rig_offer_tx(&from, len, 0);
	uint8_t *p = rig_ptr(&from, rig_buffer(&from, TX, desc));
	uint32_t id, used;

	memcpy(p, t, from.hdr_len);
	memcpy(p + from.hdr_len, outer, len);
	ring_kick(tx);
	return EXPECT(ring_wait(tx, 1, PATIENCE), "TX: nothing used") &&
	       ring_pop(tx, &id, &used);
}

/*
 * ---- and how they arrive ----
 */

static void gets_whole(const struct tunnel_header *sent, unsigned int len)
{
	struct tunnel_header t;
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame;
	int n = raw_take(&to, &h, &frame, PATIENCE);

	if (!EXPECT(n == (int)len, "whole: %d bytes of %u came", n, len))
		return;
	memcpy(&t, frame - sizeof(t), sizeof(t));
	EXPECT(t.h.gso_type == sent->h.gso_type && t.h.gso_size == GSO_SIZE &&
	       t.h.flags == sent->h.flags,
	       "whole: gso_type %#x size %u flags %#x, not %#x size %u flags "
	       "%#x", t.h.gso_type, t.h.gso_size, t.h.flags, sent->h.gso_type,
	       GSO_SIZE, sent->h.flags);
	EXPECT(t.h.csum_start == sent->h.csum_start &&
	       t.h.csum_offset == sent->h.csum_offset &&
	       t.outer_th_offset == sent->outer_th_offset &&
	       t.inner_nh_offset == sent->inner_nh_offset,
	       "whole: checksum from %u at %u, outer UDP %u, inner IP %u, not "
	       "%u, %u, %u and %u", t.h.csum_start, t.h.csum_offset,
	       t.outer_th_offset, t.inner_nh_offset, sent->h.csum_start,
	       sent->h.csum_offset, sent->outer_th_offset,
	       sent->inner_nh_offset);
	EXPECT(t.hash_value == 0 && t.hash_report == 0 && t.padding == 0,
	       "whole: hash %#x report %#x padding %#x", t.hash_value,
	       t.hash_report, t.padding);
	EXPECT(memcmp(frame, outer, len) == 0, "whole: the frame changed");
}

/* The outer headers of the @nth segment, for @udp_len bytes from UDP on. */
static bool outer_is_right(const uint8_t *f, bool v6, unsigned int udp_len,
			   unsigned int nth, bool csum)
{
	const uint8_t *ip = f + ETH_BYTES, *udp = f + outer_th(v6);
	unsigned int said = v6 ? ip[4] << 8 | ip[5] : ip[2] << 8 | ip[3];
	unsigned int sum = udp[6] << 8 | udp[7];
	unsigned int id = ip[4] << 8 | ip[5];

	return EXPECT(said == udp_len + (v6 ? 0 : 20), "segment %u: outer IP "
		      "says %u bytes, with %u from UDP on", nth, said,
		      udp_len) &&
	       EXPECT(v6 || (sum16(ip, 20, 0) == 0xffff &&
			     id == OUTER_ID + nth), "segment %u: outer IPv4 id "
		      "%#x, checksum %04x", nth, id, sum16(ip, 20, 0)) &&
	       EXPECT((unsigned int)(udp[4] << 8 | udp[5]) == udp_len,
		      "segment %u: outer UDP says %u bytes, not %u", nth,
		      udp[4] << 8 | udp[5], udp_len) &&
	       EXPECT(csum ? sum && sum16(udp, udp_len, pseudo_sum(ip,
					  IPPROTO_UDP, udp_len)) == 0xffff :
			     sum == 0, "segment %u: outer UDP checksum %#x",
		      nth, sum) &&
	       EXPECT(memcmp(udp + 8, outer + outer_th(v6) + 8, VXLAN_BYTES)
		      == 0, "segment %u: VXLAN header changed", nth);
}

static void gets_cut(bool v6, bool csum)
{
	for (unsigned int i = 0; i < packet_segments(&inner, GSO_SIZE); i++) {
		unsigned int at = inner_at(v6);
		struct virtio_net_hdr_v1 h;
		const uint8_t *frame;
		int n = raw_take(&to, &h, &frame, PATIENCE);

		if (!EXPECT(n > (int)at, "segment %u: %d bytes", i, n) ||
		    !EXPECT(h.flags == 0 && h.gso_type == 0, "segment %u: "
			    "flags %#x gso_type %#x", i, h.flags, h.gso_type) ||
		    !outer_is_right(frame, v6, n - outer_th(v6), i, csum) ||
		    !packet_check(&inner, frame + at, n - at, i, GSO_SIZE,
				  false))
			return;
	}
}

static void through_tunnel(enum packet_kind kind, bool v6, bool csum)
{
	const unsigned int tunnel = TUN_F_UDP_TUNNEL_GSO |
		(csum ? TUN_F_UDP_TUNNEL_GSO_CSUM : 0);
	struct tunnel_header t;
	unsigned int len = make(&t, kind, v6, csum);

	accept_offload(&to, TUN_F_CSUM | TSO | USO | tunnel);
	raw_offer(&to, ROOM);
	if (send_whole(&t, len))
		gets_whole(&t, len);
	accept_offload(&to, 0);
	raw_offer(&to, ROOM);
	if (send_whole(&t, len))
		gets_cut(v6, csum);
}

/* What is no tunnel, with a header as long: from one guest to the other. */
static void plain_frame(unsigned int len)
{
	struct virtio_net_hdr_v1 h = { 0 };
	const uint8_t *frame;
	int n;

	raw_offer(&to, 1);
	frame_fill(outer, len, len);
	if (!raw_send(&from, &h, outer, len))
		return;
	n = raw_take(&to, &h, &frame, PATIENCE);
	if (EXPECT(n == (int)len, "%d bytes of %u came", n, len))
		frame_check(frame, n, len);
}

/*
 * O8: a guest sends a large segment inside VXLAN.  Another one on the same
 * bridge gets it as it was sent, offsets and all, if its tap accepts tunnels;
 * or else in segments, each with both of its headers right.  Outer IPv4 and
 * IPv6, inner TCP and UDP, without an outer checksum and with.  The sender's
 * tap needs to be told of nothing but the header of 24 bytes, with which other
 * frames pass as ever.  From 6.17, probed.
 */
void udp_tunnel(void)
{
	pair_make(&from, &to, FEATURE(VIRTIO_F_VERSION_1));
	if (!has_tunnels(&from))
		skip("vhost offers no UDP tunnels");
	restart_with_tunnels(&from);
	restart_with_tunnels(&to);
	plain_frame(100);
	plain_frame(5000);
	for (unsigned int i = 0; i < PACKET_KINDS; i++) {
		through_tunnel(i, false, false);
		through_tunnel(i, true, false);
		through_tunnel(i, false, true);
		through_tunnel(i, true, true);
	}
}

/*
 * A large segment waits in the tap of @to while its offloads are taken back.
 * How it comes then, if it does; afterwards all is as ever.
 */
static void take_back(unsigned int flags, const struct tunnel_header *t,
		      unsigned int len)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame;
	int n, err;

	accept_offload(&to, flags);
	raw_offer(&to, ROOM);
	err = rig_backend(&to, RX, -1);
	REQUIRE(!err, "SET_BACKEND: %s", strerror(-err));
	if (!send_whole(t, len) ||
	    !EXPECT(wait_readable(to.tap, PATIENCE), "nothing in the tap"))
		return;
	accept_offload(&to, 0);
	err = rig_backend(&to, RX, to.tap);
	REQUIRE(!err, "SET_BACKEND: %s", strerror(-err));

	n = raw_take(&to, &h, &frame, A_WHILE);
	note("gso_type %#x: %s", t->h.gso_type, n < 0 ? "dropped" :
	     n == (int)len ? "whole, though no longer accepted" : "cut");
	while (n >= 0)
		n = raw_take(&to, &h, &frame, A_WHILE);
	EXPECT(events(to.ring[RX].err) == 0, "the ring was called broken");
	plain_frame(100);
	plain_frame(5000);
}

/*
 * O10: offloads are taken back (TUNSETOFFLOAD 0, as a card's reset does) while
 * large segments wait in its tap.  Whether they come, and how, is nobody's
 * promise; but the ring goes on, and the host does not complain.  It does from
 * 6.17 for a segment in a UDP tunnel, which is dropped: WARN_ON_ONCE() in
 * tun_vnet_hdr_tnl_from_skb(), seen on 7.2.13.  To see it: a tap with a header
 * of 24 bytes and TUN_F_UDP_TUNNEL_GSO, such a segment for it from another tap
 * on the same bridge, TUNSETOFFLOAD 0, read().
 */
void offload_taken_back(void)
{
	struct tunnel_header t = { 0 };
	unsigned int len;

	pair_make(&from, &to, FEATURE(VIRTIO_F_VERSION_1));
	packet_make(&inner, TCP4, 40000);
	packet_partial(&inner);
	t.h = packet_header(&inner, GSO_SIZE);
	memcpy(outer, inner.bytes, inner.len);
	take_back(TUN_F_CSUM | TUN_F_TSO4, &t, inner.len);
	if (!has_tunnels(&from))
		return;
	restart_with_tunnels(&from);
	restart_with_tunnels(&to);
	len = make(&t, TCP4, false, false);
	take_back(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_UDP_TUNNEL_GSO, &t, len);
}
