/* SPDX-License-Identifier: MIT */
/*
 * ring-chain: a chain of TX descriptors that leads nowhere, or for ever.
 *
 * The ring is broken: the device must want a reset, and name the ring.
 *
 * expect head vhost: broken 1 TX ring broken: avail entry 0 names descriptor 64
 * expect *: broken 1 TX ring broken
 */
#include "hostile.h"

#define FRAME(next)	{ 0x200000, 64, NEXT, next }

static void head(struct card *c, uint64_t index)
{
	card_up(c, ALL_FEATURES);
	offer(&c->ring[TX], index);
	put(c, QUEUE_NOTIFY, TX);
}

static void chain(struct card *c, uint64_t next)
{
	const struct desc d[] = { FRAME(1), FRAME(next) };

	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, 2);
}

const struct misdeed misdeeds[] = {
	{ "head", head, RING_MAX }, { "head-~0", head, 0xffff },
	{ "loop", chain, 1 }, { "loop-of-2", chain, 0 },
	{ "next", chain, RING_MAX }, { "next-~0", chain, 0xffff }, { 0 }
};
