/* SPDX-License-Identifier: MIT */
/*
 * buffer-address: a buffer that is not, or not wholly, in RAM.
 *
 * The ring is broken, and nothing is read from there.
 *
 * expect * user: broken 1 TX ring broken: a buffer is not in RAM
 * expect * vhost: broken 1 TX ring broken: .* addr 0x
 */
#include "hostile.h"

static void buffer(struct card *c, uint64_t addr, uint32_t len)
{
	const struct desc d[] = { { addr, len, 0, 0 } };

	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, 1);
}

static void at(struct card *c, uint64_t addr)
{
	buffer(c, addr, 64);
}

static void straddle(struct card *c, uint64_t inside)
{
	buffer(c, hw.ram_end - inside, 64);
}

static void length(struct card *c, uint64_t len)
{
	buffer(c, 0x200000, len);
}

const struct misdeed misdeeds[] = {
	{ "no-ram", at, 0x40000000 }, { "hole", at, 0xd0001000 },
	{ "ioapic", at, 0xfec00000 }, { "top", at, 0x8000000000000000 },
	{ "wrap", at, -32ULL }, { "all-ones", at, ~0ULL },
	{ "straddle", straddle, 32 }, { "end-of-ram", straddle, 0 },
	{ "length-2^32-1", length, ~0U }, { "length-2^31", length, 1U << 31 },
	{ 0 }
};
