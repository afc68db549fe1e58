/* SPDX-License-Identifier: MIT */
/*
 * IP packets, made and checked; see packet.h.  RFC 791, 768, 8200, 9293, and
 * RFC 1071 for the sum.
 */
#include <arpa/inet.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include "machine/uapi.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/suite.h"

#define ETH_BYTES	14U
#define TCP_SEQ		0x10203040U	/* of the first byte of data */
#define IP_ID		0x0102U

const char *const packet_name[] = { "TCPv4", "TCPv6", "UDPv4", "UDPv6" };
const uint8_t packet_gso[] = {
	VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
	VIRTIO_NET_HDR_GSO_UDP_L4, VIRTIO_NET_HDR_GSO_UDP_L4,
};
const unsigned int packet_tun[] = {
	TUN_F_TSO4, TUN_F_TSO6,		/* USO is both or none */
	TUN_F_USO4 | TUN_F_USO6, TUN_F_USO4 | TUN_F_USO6,
};

static bool is_tcp(enum packet_kind kind)
{
	return kind == TCP4 || kind == TCP6;
}

static bool is_v4(enum packet_kind kind)
{
	return kind == TCP4 || kind == UDP4;
}

static uint8_t pattern(unsigned int at)
{
	return (uint8_t)(at * 3 + (at >> 8));
}

uint16_t sum16(const void *p, unsigned int len, uint32_t start)
{
	const uint8_t *b = p;
	uint64_t sum = start;

	for (; len > 1; len -= 2, b += 2)
		sum += (unsigned int)b[0] << 8 | b[1];
	if (len)
		sum += (unsigned int)b[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint32_t pseudo_sum(const uint8_t *ip, uint8_t protocol, unsigned int l4_len)
{
	bool v4 = ip[0] >> 4 == 4;
	uint32_t rest = protocol + (l4_len >> 16) + (l4_len & 0xffff);

	/* The addresses lie side by side in both. */
	return sum16(ip + (v4 ? 12 : 8), v4 ? 8 : 32, rest);
}

static uint8_t protocol_of(enum packet_kind kind)
{
	return is_tcp(kind) ? IPPROTO_TCP : IPPROTO_UDP;
}

unsigned int packet_csum_offset(enum packet_kind kind)
{
	return is_tcp(kind) ? 16 : 6;
}

static void put_sum(struct packet *p, uint16_t sum)
{
	uint16_t be = htons(sum);

	memcpy(p->bytes + p->l4 + packet_csum_offset(p->kind), &be, 2);
}

void packet_partial(struct packet *p)
{
	put_sum(p, pseudo_sum(p->bytes + p->l3, protocol_of(p->kind),
			      p->len - p->l4));
}

static void complete_sum(struct packet *p)
{
	uint16_t sum;

	put_sum(p, 0);
	sum = 0xffff - sum16(p->bytes + p->l4, p->len - p->l4,
			     pseudo_sum(p->bytes + p->l3, protocol_of(p->kind),
					p->len - p->l4));
	/* With UDP, 0 is for "there is none". */
	put_sum(p, sum || is_tcp(p->kind) ? sum : 0xffff);
}

static void make_v4(struct packet *p)
{
	struct iphdr ip = {
		.version = 4, .ihl = 5, .ttl = 64, .id = htons(IP_ID),
		.tot_len = htons(p->len - p->l3),
		.protocol = protocol_of(p->kind),
		/* 198.18.0.0/15 is for benchmarks, RFC 2544. */
		.saddr = htonl(0xc6120001), .daddr = htonl(0xc6120002),
	};

	ip.check = htons(~sum16(&ip, sizeof(ip), 0));
	memcpy(p->bytes + p->l3, &ip, sizeof(ip));
}

static void make_v6(struct packet *p)
{
	struct ip6_hdr ip = {
		.ip6_flow = htonl(6U << 28), .ip6_hlim = 64,
		.ip6_plen = htons(p->len - p->l4),
		.ip6_nxt = protocol_of(p->kind),
		/* 2001:2::/48 is for benchmarks, RFC 5180. */
		.ip6_src.s6_addr = { 0x20, 1, 0, 2, [15] = 1 },
		.ip6_dst.s6_addr = { 0x20, 1, 0, 2, [15] = 2 },
	};

	memcpy(p->bytes + p->l3, &ip, sizeof(ip));
}

static void make_tcp(struct packet *p)
{
	struct tcphdr tcp = {
		.source = htons(40000), .dest = htons(50000),
		.seq = htonl(TCP_SEQ), .ack_seq = htonl(1), .doff = 5,
		.ack = 1, .psh = 1, .window = htons(0x1234),
	};

	memcpy(p->bytes + p->l4, &tcp, sizeof(tcp));
}

static void make_udp(struct packet *p)
{
	struct udphdr udp = {
		.source = htons(40000), .dest = htons(50000),
		.len = htons(p->len - p->l4),
	};

	memcpy(p->bytes + p->l4, &udp, sizeof(udp));
}

void packet_make(struct packet *p, enum packet_kind kind, unsigned int bytes)
{
	static const uint8_t ethernet[ETH_BYTES] = {
		0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1,
	};
	uint16_t type = htons(is_v4(kind) ? 0x0800 : 0x86dd);

	p->kind = kind;
	p->l3 = ETH_BYTES;
	p->l4 = p->l3 + (is_v4(kind) ? 20 : 40);
	p->data = p->l4 + (is_tcp(kind) ? 20 : 8);
	p->len = p->data + bytes;
	REQUIRE(p->len - p->l3 <= 65535, "a packet with %u bytes", bytes);

	memcpy(p->bytes, ethernet, ETH_BYTES);
	memcpy(p->bytes + ETH_BYTES - 2, &type, 2);
	if (is_v4(kind))
		make_v4(p);
	else
		make_v6(p);
	if (is_tcp(kind))
		make_tcp(p);
	else
		make_udp(p);
	for (unsigned int i = 0; i < bytes; i++)
		p->bytes[p->data + i] = pattern(i);
	complete_sum(p);
}

struct virtio_net_hdr_v1 packet_header(const struct packet *p,
				       unsigned int gso_size)
{
	return (struct virtio_net_hdr_v1) {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = p->l4,
		.csum_offset = packet_csum_offset(p->kind),
		.gso_type = gso_size ? packet_gso[p->kind] :
				       VIRTIO_NET_HDR_GSO_NONE,
		.gso_size = gso_size,
		.hdr_len = gso_size ? p->data : 0,
	};
}

unsigned int packet_segments(const struct packet *p, unsigned int size)
{
	return (p->len - p->data + size - 1) / size;
}

/*
 * ---- and back ----
 */

static bool check_ip(const struct packet *w, const uint8_t *f, unsigned int len,
		     unsigned int nth)
{
	const uint8_t *ip = f + w->l3;
	unsigned int said;

	if (!is_v4(w->kind)) {
		said = (unsigned int)ip[4] << 8 | ip[5];
		return EXPECT(said == len - w->l4, "IPv6 says that %u bytes "
			      "follow, not %u", said, len - w->l4) &&
		       EXPECT(memcmp(ip + 8, w->bytes + w->l3 + 8, 32) == 0,
			      "IPv6 addresses changed");
	}
	said = (unsigned int)ip[2] << 8 | ip[3];
	return EXPECT(said == len - w->l3, "IPv4 says %u bytes, not %u", said,
		      len - w->l3) &&
	       EXPECT(sum16(ip, 20, 0) == 0xffff, "IPv4 checksum wrong") &&
	       EXPECT(((unsigned int)ip[4] << 8 | ip[5]) == IP_ID + nth,
		      "IPv4 id %#x, not %#x",
		      (unsigned int)ip[4] << 8 | ip[5], IP_ID + nth) &&
	       EXPECT(memcmp(ip + 12, w->bytes + w->l3 + 12, 8) == 0,
		      "IPv4 addresses changed");
}

static bool check_tcp(const struct packet *w, const uint8_t *f, unsigned int at,
		      bool last)
{
	struct tcphdr tcp, whole;

	memcpy(&tcp, f + w->l4, sizeof(tcp));
	memcpy(&whole, w->bytes + w->l4, sizeof(whole));
	/* CWR, the one flag of the first segment alone, is bit 7 of byte 13. */
	return EXPECT(ntohl(tcp.seq) == TCP_SEQ + at, "TCP seq %#x, not %#x",
		      ntohl(tcp.seq), TCP_SEQ + at) &&
	       EXPECT(tcp.psh == last, "TCP PSH is %u", tcp.psh) &&
	       EXPECT(f[w->l4 + 13] >> 7 == (at ? 0 :
					     w->bytes[w->l4 + 13] >> 7),
		      "TCP CWR is %u, %u bytes into the segment",
		      f[w->l4 + 13] >> 7, at) &&
	       EXPECT(tcp.ack_seq == whole.ack_seq &&
		      tcp.window == whole.window, "TCP header changed");
}

static bool check_udp(const struct packet *w, const uint8_t *f,
		      unsigned int len)
{
	unsigned int said = (unsigned int)f[w->l4 + 4] << 8 | f[w->l4 + 5];

	return EXPECT(said == len - w->l4, "UDP says %u bytes, not %u", said,
		      len - w->l4);
}

static bool check_sum(const struct packet *w, const uint8_t *f,
		      unsigned int len, bool partial)
{
	uint32_t pseudo = pseudo_sum(f + w->l3, protocol_of(w->kind),
				     len - w->l4);
	unsigned int at = w->l4 + packet_csum_offset(w->kind);
	unsigned int said = (unsigned int)f[at] << 8 | f[at + 1];

	if (partial)
		return EXPECT(said == pseudo, "checksum %#x, not the pseudo "
			      "header's, %#x", said, pseudo);
	return EXPECT(said || is_tcp(w->kind), "UDP without a checksum") &&
	       EXPECT(sum16(f + w->l4, len - w->l4, pseudo) == 0xffff,
		      "L4 checksum %#x wrong", said);
}

bool packet_check(const struct packet *whole, const uint8_t *frame,
		  unsigned int len, unsigned int nth, unsigned int size,
		  bool partial)
{
	const struct packet *w = whole;
	unsigned int at = nth * size, left = w->len - w->data - at;
	unsigned int bytes = left < size ? left : size, i;

	if (!EXPECT(len == w->data + bytes, "%s: %u bytes of data, not %u",
		    packet_name[w->kind], len < w->data ? 0 : len - w->data,
		    bytes) ||
	    !EXPECT(memcmp(frame, w->bytes, ETH_BYTES) == 0,
		    "%s: Ethernet header changed", packet_name[w->kind]) ||
	    !check_ip(w, frame, len, nth))
		return false;
	for (i = 0; i < bytes && frame[w->data + i] == pattern(at + i); i++)
		;
	return EXPECT(i == bytes, "%s: byte %u is %#x, not %#x",
		      packet_name[w->kind], at + i, frame[w->data + i],
		      pattern(at + i)) &&
	       (is_tcp(w->kind) ? check_tcp(w, frame, at, bytes == left) :
				  check_udp(w, frame, len)) &&
	       check_sum(w, frame, len, partial);
}
