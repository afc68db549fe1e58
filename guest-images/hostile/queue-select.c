/* SPDX-License-Identifier: MIT */
/*
 * queue-select: a queue that the card has not is selected, and then set up as
 * if it were there.
 *
 * Nothing comes of it; the queues that are there are not touched.
 *
 * expect *: broken 0
 */
#include "hostile.h"

/* A frame is sent in between: the ring is where it was. */
static void commit(struct card *c, uint64_t unused)
{
	static const uint32_t queues[] = { 2, 255, 1U << 31, ~0U };
	const struct desc d = { (uintptr_t)scratch(), 76, 0, 0 };

	(void)unused;
	memset(scratch(), 0, 76);
	card_up(c, ALL_FEATURES);
	for (unsigned int i = 0; i < 4; i++) {
		queue_place(c, queues[i], 8, 0x200000, 0x210000, 0x220000);
		put(c, QUEUE_READY, 0);
		put(c, QUEUE_READY, 1);
		tx_chain_kick(c, &d, 1);
		tx_wait(c);
	}
}

const struct misdeed misdeeds[] = { { "no-such-queue", commit, 0 }, { 0 } };
