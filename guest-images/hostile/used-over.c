/* SPDX-License-Identifier: MIT */
/*
 * used-over: the used ring lies where the device finds its descriptors, the
 * avail ring, or the frame.
 *
 * The guest spoils its own memory, and only this card has the harm.  Over
 * descriptors that nobody offers, and over the frame, there is none.  Else it
 * depends on whether the device's store, or the driver's next one, comes last
 * before the device looks: it finds what the driver meant, or a descriptor that
 * leads nowhere, or an avail index that went back.
 *
 * expect descriptors: broken any TX ring broken
 * expect avail: broken any TX ring broken
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t over)
{
	struct ring *r = &c->ring[TX];
	uint8_t *p = scratch();
	const struct desc frame = { (uintptr_t)p + 0x3000, 64, 0, 0 };

	memset(p, 0, 0x4000);
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_make(c, RX);
	*r = (struct ring) {
		.num = RING_MAX,
		.desc = (struct desc *)p,
		.avail = (struct avail *)(p + 0x1000),
		.used = (struct used *)(p + over),
	};
	queue_place(c, TX, RING_MAX, (uintptr_t)p, (uintptr_t)r->avail,
		    (uintptr_t)r->used);
	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	rx_fill(c);
	for (unsigned int i = 0; i < 8; i++)
		tx_chain_kick(c, &frame, 1);
}

const struct misdeed misdeeds[] = {
	{ "descriptors", commit, 0 }, { "descriptor-2", commit, 0x20 },
	{ "avail", commit, 0x1000 }, { "frame", commit, 0x3000 }, { 0 }
};
