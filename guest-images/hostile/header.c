/* SPDX-License-Identifier: MIT */
/*
 * header: a virtio-net header whose offload fields make no sense.
 *
 * The tap may refuse the frame; nobody else suffers.  A checksum that would lie
 * behind the frame is as bad to vhost as a short-frame, where its 16 bits of
 * hdr_len do not wrap.
 *
 * expect csum-past vhost: spins
 * expect *: broken 0
 */
#include "hostile.h"

static void frame(struct card *c, const struct net_header *h, uint32_t bytes)
{
	const struct desc d[] = {
		{ (uintptr_t)scratch(), sizeof(*h) + bytes, 0, 0 },
	};

	memset(scratch(), 0xff, sizeof(*h) + bytes);
	memcpy(scratch(), h, sizeof(*h));
	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, 1);
}

static void gso(struct card *c, uint64_t type)
{
	for (unsigned int size = 0; size <= 0xffff; size += 0xffff) {
		const struct net_header h = {
			.flags = 1, .gso_type = type, .gso_size = size,
			.hdr_len = 54, .csum_start = 34, .csum_offset = 16,
		};

		frame(c, &h, 1000);
	}
}

static void csum(struct card *c, uint64_t start)
{
	const struct net_header h = {
		.flags = 1, .csum_start = start, .csum_offset = start >> 16,
	};

	frame(c, &h, 100);
}

static void hdr_len(struct card *c, uint64_t len)
{
	const struct net_header h = {
		.gso_type = 1, .gso_size = 100, .hdr_len = len,
	};

	frame(c, &h, 1000);
}

static void all_ones(struct card *c, uint64_t bytes)
{
	struct net_header h;

	memset(&h, 0xff, sizeof(h));
	frame(c, &h, bytes);
}

const struct misdeed misdeeds[] = {
	{ "gso-tcp4", gso, 1 }, { "gso-udp", gso, 3 }, { "gso-tcp6", gso, 4 },
	{ "gso-udp-l4", gso, 5 }, { "gso-2", gso, 2 }, { "gso-ecn", gso, 0x81 },
	{ "gso-255", gso, 255 },
	{ "csum-end", csum, 99 }, { "csum-past", csum, 200 },
	{ "csum-65535", csum, 0xffff }, { "csum-offset", csum, 0xffff0000 },
	{ "hdr-len-0", hdr_len, 0 }, { "hdr-len-65535", hdr_len, 0xffff },
	{ "all-ones", all_ones, 100 }, { "all-ones-16K", all_ones, 16384 },
	{ 0 }
};
