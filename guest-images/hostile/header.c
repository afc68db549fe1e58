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

/* One more frame; the device is done with those before. */
static void frame(struct card *c, const struct net_header *h, uint32_t bytes)
{
	const struct desc d[] = {
		{ (uintptr_t)scratch(), sizeof(*h) + bytes, 0, 0 },
	};

	memset(scratch(), 0xff, sizeof(*h) + bytes);
	memcpy(scratch(), h, sizeof(*h));
	tx_chain_kick(c, d, 1);
}

static void frames(struct card *c, const struct net_header *h, uint32_t bytes)
{
	frame(c, h, bytes);
	tx_wait(c);
}

/* TCP over IPv4, UDP, TCP over IPv6, UDP cut by the other side; and no such. */
static void gso(struct card *c, uint64_t unused)
{
	static const uint8_t types[] = { 1, 3, 4, 5, 2, 0x81, 255 };

	(void)unused;
	card_up(c, ALL_FEATURES);
	for (unsigned int i = 0; i < sizeof(types); i++)
		for (unsigned int size = 0; size <= 0xffff; size += 0xffff) {
			const struct net_header h = {
				.flags = 1, .gso_type = types[i],
				.gso_size = size, .hdr_len = 54,
				.csum_start = 34, .csum_offset = 16,
			};

			frames(c, &h, 1000);
		}
}

static struct net_header sum_at(uint16_t start, uint16_t offset)
{
	return (struct net_header) {
		.flags = 1, .csum_start = start, .csum_offset = offset,
	};
}

/* In and at the end; so far behind it that 16 bits wrap; both at 65535. */
static void csum(struct card *c, uint64_t unused)
{
	const struct net_header h[] = {
		sum_at(98, 0), sum_at(99, 0), sum_at(0xffff, 0),
		sum_at(0, 0xffff), sum_at(0xffff, 0xffff),
	};

	(void)unused;
	card_up(c, ALL_FEATURES);
	for (unsigned int i = 0; i < sizeof(h) / sizeof(h[0]); i++)
		frames(c, &h[i], 100);
}

static void csum_past(struct card *c, uint64_t start)
{
	const struct net_header h = sum_at(start, 0);

	card_up(c, ALL_FEATURES);
	frame(c, &h, 100);
}

static void hdr_len(struct card *c, uint64_t unused)
{
	(void)unused;
	card_up(c, ALL_FEATURES);
	for (unsigned int len = 0; len <= 0xffff; len += 0xffff) {
		const struct net_header h = {
			.gso_type = 1, .gso_size = 100, .hdr_len = len,
		};

		frames(c, &h, 1000);
	}
}

static void all_ones(struct card *c, uint64_t unused)
{
	struct net_header h;

	(void)unused;
	memset(&h, 0xff, sizeof(h));
	card_up(c, ALL_FEATURES);
	frames(c, &h, 100);
	frames(c, &h, 16384);
}

const struct misdeed misdeeds[] = {
	{ "gso", gso, 0 }, { "csum", csum, 0 }, { "csum-past", csum_past, 200 },
	{ "hdr-len", hdr_len, 0 }, { "all-ones", all_ones, 0 }, { 0 }
};
