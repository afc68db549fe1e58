/* SPDX-License-Identifier: MIT */
/*
 * short-frame: a TX chain that is shorter than a header, or no more than one.
 *
 * Nothing is sent, nobody else suffers.  A chain with no bytes at all is a
 * broken ring to vhost, get_tx_bufs(); one shorter than a header it may take up
 * and put back for ever, vhost_net_build_xdp().
 *
 * expect bytes-0 vhost: broken 1 TX ring broken
 * expect empty-64 vhost: broken 1 TX ring broken
 * expect bytes-1 vhost: spins
 * expect bytes-11 vhost: spins
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t bytes)
{
	const struct desc d[] = { { (uintptr_t)scratch(), bytes, 0, 0 } };

	memset(scratch(), 0, 64);
	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, 1);
}

/* Descriptors of no length, up to all of the ring. */
static void empty(struct card *c, uint64_t n)
{
	struct desc d[RING_MAX];

	for (unsigned int i = 0; i < n; i++)
		d[i] = (struct desc) { (uintptr_t)scratch(), 0,
				       i + 1 < n ? NEXT : 0, i + 1 };
	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, n);
}

const struct misdeed misdeeds[] = {
	{ "bytes-0", commit, 0 }, { "bytes-1", commit, 1 },
	{ "bytes-11", commit, 11 }, { "bytes-12", commit, 12 },
	{ "bytes-13", commit, 13 }, { "bytes-25", commit, 25 },
	{ "empty-64", empty, RING_MAX }, { 0 }
};
