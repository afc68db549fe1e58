/* SPDX-License-Identifier: MIT */
/*
 * direction: a buffer to write in the TX ring, one to read in the RX ring.
 *
 * The ring is broken, and named.
 *
 * strict: rx-read
 * expect tx-write: broken 1 TX ring broken
 * expect tx-both: broken 1 TX ring broken
 * expect rx-read: broken 1 RX ring broken
 * expect rx-both: broken 1 RX ring broken
 */
#include "hostile.h"

static void tx(struct card *c, uint64_t n)
{
	const struct desc d[] = {
		{ 0x200000, 64, n == 2 ? NEXT : WRITE, 1 },
		{ 0x200000, 64, WRITE, 0 },
	};

	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, n);
}

/* As card_up() does, but for what it offers. */
static void rx(struct card *c, uint64_t n)
{
	struct ring *r = &c->ring[RX];

	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_make(c, RX);
	queue_make(c, TX);
	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	r->desc[0].addr = r->desc[1].addr = (uintptr_t)scratch();
	r->desc[0].len = r->desc[1].len = 2048;
	r->desc[0].flags = n == 2 ? NEXT | WRITE : 0;
	r->desc[0].next = 1;
	r->desc[1].flags = 0;
	offer(r, 0);
	put(c, QUEUE_NOTIFY, RX);
}

const struct misdeed misdeeds[] = {
	{ "tx-write", tx, 1 }, { "tx-both", tx, 2 },
	{ "rx-read", rx, 1 }, { "rx-both", rx, 2 }, { 0 }
};
