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

static void commit(struct card *c, uint64_t queue)
{
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_place(c, queue, 8, 0x200000, 0x210000, 0x220000);
	put(c, QUEUE_READY, 0);
	put(c, QUEUE_READY, 1);
}

const struct misdeed misdeeds[] = {
	{ "queue-2", commit, 2 }, { "queue-255", commit, 255 },
	{ "queue-2^31", commit, 1U << 31 }, { "queue-~0", commit, ~0U }, { 0 }
};
