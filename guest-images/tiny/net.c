/* SPDX-License-Identifier: MIT */
/*
 * Just enough of the Internet: ARP (RFC 826), ICMP echo (792), UDP (768), each
 * frame built and taken apart where it lies.
 */
#include "tiny.h"

#define TYPE_IP		0x0008		/* as they are on the wire */
#define TYPE_ARP	0x0608
#define PROTO_ICMP	1
#define PROTO_UDP	17
#define ECHO_REPLY	0
#define ECHO_REQUEST	8

struct ether {
	uint8_t to[6], from[6];
	uint16_t type;
} PACKED;

struct arp {
	struct ether ether;
	uint16_t hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	uint16_t op;
	uint8_t from_mac[6];
	uint32_t from_ip;
	uint8_t to_mac[6];
	uint32_t to_ip;
} PACKED;

struct ip {
	struct ether ether;
	uint8_t version, tos;
	uint16_t bytes, id, fragment;
	uint8_t ttl, protocol;
	uint16_t sum;
	uint32_t from, to;
} PACKED;

struct icmp {
	struct ip ip;
	uint8_t type, code;
	uint16_t sum, id, seq;
} PACKED;

struct udp {
	struct ip ip;
	uint16_t from, to, bytes, sum;
} PACKED;

#define IP_BYTES	(sizeof(struct ip) - sizeof(struct ether))
#define PING_BYTES	56
#define PATIENCE	SECONDS(5)

static uint16_t swap(uint16_t n)
{
	return n << 8 | n >> 8;
}

/* RFC 1071 */
static uint16_t checksum(const void *bytes, unsigned int n)
{
	const uint8_t *p = bytes;
	uint32_t sum = 0;

	for (; n > 1; n -= 2, p += 2)
		sum += p[0] | p[1] << 8;
	if (n)
		sum += p[0];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

uint32_t parse_ip(const char *s)
{
	uint32_t ip = 0, byte = 0;
	unsigned int shift = 0;

	for (; s && *s && *s != ' ' && *s != '/'; s++)
		if (*s == '.') {
			ip |= byte << shift;
			shift += 8;
			byte = 0;
		} else {
			byte = byte * 10 + *s - '0';
		}
	if (!s || shift != 24)
		fail("an address is needed, as in ip=10.0.0.2");
	return ip | byte << 24;
}

void say_ip(uint32_t ip)
{
	say("%u.%u.%u.%u", ip & 0xff, ip >> 8 & 0xff, ip >> 16 & 0xff,
	    ip >> 24);
}

/* ---- answering ---- */

static bool answer_arp(struct card *c, struct arp *a, unsigned int len)
{
	if (len < sizeof(*a) || a->op != swap(1) || a->to_ip != c->ip)
		return false;
	memcpy(a->ether.to, a->from_mac, 6);
	memcpy(a->to_mac, a->from_mac, 6);
	a->to_ip = a->from_ip;
	memcpy(a->ether.from, c->mac, 6);
	memcpy(a->from_mac, c->mac, 6);
	a->from_ip = c->ip;
	a->op = swap(2);
	return card_send(c, a, sizeof(*a));
}

/* The frame goes back where it came from; the sum does not care who is who. */
static bool send_back(struct card *c, struct ip *ip, unsigned int len)
{
	memcpy(ip->ether.to, ip->ether.from, 6);
	memcpy(ip->ether.from, c->mac, 6);
	ip->to = ip->from;
	ip->from = c->ip;
	return card_send(c, ip, len);
}

static bool answer_icmp(struct card *c, struct icmp *m, unsigned int len)
{
	unsigned int bytes = swap(m->ip.bytes) - IP_BYTES;

	if (len < sizeof(*m) || m->type != ECHO_REQUEST ||
	    bytes > len - sizeof(m->ip) || checksum(&m->ip + 1, bytes))
		return false;
	m->type = ECHO_REPLY;
	m->sum = 0;
	m->sum = checksum(&m->ip + 1, bytes);
	return send_back(c, &m->ip, len);
}

static bool answer_udp(struct card *c, struct udp *u, unsigned int len)
{
	uint16_t from = u->from;

	if (len < sizeof(*u))
		return false;
	u->from = u->to;
	u->to = from;
	return send_back(c, &u->ip, len);
}

static bool is_ip(const struct card *c, const struct ip *ip, unsigned int len)
{
	return len >= sizeof(*ip) && ip->ether.type == TYPE_IP &&
	       ip->version == 0x45 && ip->to == c->ip &&
	       swap(ip->bytes) >= IP_BYTES &&
	       swap(ip->bytes) <= len - sizeof(struct ether) &&
	       checksum(&ip->ether + 1, IP_BYTES) == 0;
}

/* Who asks for us, pings us, or sends us UDP, gets an answer.  Did it? */
bool net_answer(struct card *c, void *frame, unsigned int len)
{
	struct ip *ip = frame;

	if (len >= sizeof(struct ether) && ip->ether.type == TYPE_ARP)
		return answer_arp(c, frame, len);
	if (!is_ip(c, ip, len))
		return false;
	if (ip->protocol == PROTO_ICMP)
		return answer_icmp(c, frame, len);
	return ip->protocol == PROTO_UDP && answer_udp(c, frame, len);
}

/* ---- asking ---- */

static uint8_t inbox[FRAME_MAX];

/* The next frame that is none of the above; 0 if none comes until @deadline. */
static unsigned int wait_frame(struct card *c, uint64_t deadline)
{
	unsigned int seen = events;

	for (;;) {
		unsigned int len = card_receive(c, inbox);

		if (len && !net_answer(c, inbox, len))
			return len;
		if (!len) {
			if (!wait_event(seen, deadline))
				return 0;
			seen = events;
		}
	}
}

/* Whose is @ip?  NULL, and @mac is filled in; or what went wrong. */
const char *net_resolve(struct card *c, uint32_t ip, uint8_t mac[6])
{
	uint64_t deadline = ticks + PATIENCE;
	struct arp a = {
		.ether.type = TYPE_ARP, .hardware = swap(1),
		.protocol = TYPE_IP, .hardware_bytes = 6, .protocol_bytes = 4,
		.op = swap(1), .from_ip = c->ip, .to_ip = ip,
	};
	const struct arp *reply = (const struct arp *)inbox;
	unsigned int len;

	memset(a.ether.to, 0xff, 6);
	memcpy(a.ether.from, c->mac, 6);
	memcpy(a.from_mac, c->mac, 6);
	if (!card_send(c, &a, sizeof(a)))
		return "no room to send an ARP request";
	while ((len = wait_frame(c, deadline)))
		if (len >= sizeof(*reply) && reply->ether.type == TYPE_ARP &&
		    reply->op == swap(2) && reply->from_ip == ip) {
			memcpy(mac, reply->from_mac, 6);
			return NULL;
		}
	return "nobody answers our ARP request";
}

static void ip_build(struct card *c, struct ip *ip, const uint8_t mac[6],
		     uint32_t to, uint8_t protocol, unsigned int bytes)
{
	*ip = (struct ip) {
		.ether.type = TYPE_IP, .version = 0x45, .ttl = 64,
		.bytes = swap(IP_BYTES + bytes), .protocol = protocol,
		.from = c->ip, .to = to,
	};
	memcpy(ip->ether.to, mac, 6);
	memcpy(ip->ether.from, c->mac, 6);
	ip->sum = checksum(&ip->ether + 1, IP_BYTES);
}

/* Ping @to, @count times, one after the other.  NULL if all came back. */
const char *net_ping(struct card *c, uint32_t to, unsigned int count)
{
	static struct { struct icmp m; uint8_t data[PING_BYTES]; } out;
	const struct icmp *in = (const struct icmp *)inbox;
	uint8_t mac[6];
	const char *why = net_resolve(c, to, mac);

	for (unsigned int i = 0; i < count && !why; i++) {
		uint64_t deadline = ticks + PATIENCE;
		unsigned int len;

		ip_build(c, &out.m.ip, mac, to, PROTO_ICMP,
			 sizeof(out) - sizeof(struct ip));
		out.m.type = ECHO_REQUEST;
		out.m.seq = swap(i);
		for (unsigned int n = 0; n < PING_BYTES; n++)
			out.data[n] = n + i;
		out.m.sum = 0;
		out.m.sum = checksum(&out.m.ip + 1,
				     sizeof(out) - sizeof(struct ip));
		if (!card_send(c, &out, sizeof(out)))
			return "no room to send a ping";
		do {
			len = wait_frame(c, deadline);
			if (!len)
				return "a ping got no answer";
		} while (!is_ip(c, &in->ip, len) || len < sizeof(out) ||
			 in->ip.protocol != PROTO_ICMP ||
			 in->type != ECHO_REPLY || in->seq != out.m.seq);
		if (memcmp(in + 1, out.data, PING_BYTES) != 0)
			return "a ping came back with other bytes";
	}
	return why;
}

/* A datagram of @bytes, to be filled in.  Returns the length of the frame. */
unsigned int udp_build(struct card *c, void *frame, const uint8_t mac[6],
		       uint32_t to, uint16_t port, unsigned int bytes)
{
	struct udp *u = frame;

	ip_build(c, &u->ip, mac, to, PROTO_UDP, 8 + bytes);
	u->from = u->to = swap(port);
	u->bytes = swap(8 + bytes);
	u->sum = 0;			/* RFC 768: none */
	return sizeof(*u) + bytes;
}

/* What is in a datagram for us from @port (0: any)?  NULL if it is not one. */
uint8_t *udp_payload(void *frame, unsigned int len, uint16_t port,
		     unsigned int *bytes)
{
	struct udp *u = frame;

	if (len < sizeof(*u) || u->ip.ether.type != TYPE_IP ||
	    u->ip.protocol != PROTO_UDP || swap(u->bytes) < 8 ||
	    swap(u->bytes) - 8U > len - sizeof(*u) ||
	    (port && u->from != swap(port)))
		return NULL;
	*bytes = swap(u->bytes) - 8;
	return (uint8_t *)(u + 1);
}
