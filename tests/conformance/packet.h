/* SPDX-License-Identifier: MIT */
/*
 * IP packets for the offloads: made whole, or as the one large segment that a
 * sender with offloads hands down, and checked after somebody cut them up.
 *
 * Each byte of data tells its place in the stream, so a segment that was cut in
 * the wrong place, or given the wrong sequence number, shows.
 */
#ifndef CONFORMANCE_PACKET_H
#define CONFORMANCE_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_net.h>

#define PACKET_MAX	(65536U + 128)

enum packet_kind { TCP4, TCP6, UDP4, UDP6, PACKET_KINDS };

struct packet {
	enum packet_kind kind;
	unsigned int l3, l4, data;	/* offsets into bytes[] */
	unsigned int len;		/* of the whole frame */
	uint8_t bytes[PACKET_MAX];
};

extern const char *const packet_name[PACKET_KINDS];
/* As in virtio_net_hdr.gso_type, and as TUNSETOFFLOAD knows it. */
extern const uint8_t packet_gso[PACKET_KINDS];
extern const unsigned int packet_tun[PACKET_KINDS];

/* An Ethernet frame with @bytes of data, checksums complete. */
void packet_make(struct packet *p, enum packet_kind kind, unsigned int bytes);
/* The L4 checksum that NEEDS_CSUM wants: that of the pseudo header alone. */
void packet_partial(struct packet *p);
/* The header that says so, and with @gso_size that it has to be cut. */
struct virtio_net_hdr_v1 packet_header(const struct packet *p,
				       unsigned int gso_size);
unsigned int packet_csum_offset(enum packet_kind kind);

/* What is left of 1 + the one's complement sum of @p, after folding: 0xffff or
 * 0 if a checksum is part of what is summed and right. */
uint16_t sum16(const void *p, unsigned int len, uint32_t start);
/* The sum of the pseudo header for the packet at @ip, of @l4_len bytes. */
uint32_t pseudo_sum(const uint8_t *ip, uint8_t protocol, unsigned int l4_len);

/* Into how many segments of @size bytes of data it is cut. */
unsigned int packet_segments(const struct packet *p, unsigned int size);
/*
 * Is @frame the @nth of these segments?  All the lengths, checksums and numbers
 * in it are EXPECTed to be right.  @partial: the L4 checksum is not complete
 * yet, as NEEDS_CSUM has it.
 */
bool packet_check(const struct packet *whole, const uint8_t *frame,
		  unsigned int len, unsigned int nth, unsigned int size,
		  bool partial);

#endif
