/* SPDX-License-Identifier: MIT */
/*
 * queue-size: a ring is made ready with a size that no ring can have.
 *
 * The device must want a reset, and say why.
 *
 * expect *: broken 1 size is not a power of 2 up to QueueSizeMax
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t size)
{
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_place(c, TX, size, 0x200000, 0x210000, 0x220000);
}

const struct misdeed misdeeds[] = {
	{ "size-0", commit, 0 }, { "size-3", commit, 3 },
	{ "size-2^15", commit, 1 << 15 }, { "size-2^16", commit, 1 << 16 },
	{ "size-~0", commit, ~0U }, { 0 }
};
