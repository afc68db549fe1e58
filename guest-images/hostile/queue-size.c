/* SPDX-License-Identifier: MIT */
/*
 * queue-size: a ring is made ready with a size that no ring can have.
 *
 * The device must want a reset, and say why.
 *
 * expect *: broken 5 size is not a power of 2 up to QueueSizeMax
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t unused)
{
	static const uint32_t sizes[] = { 0, 3, 1 << 15, 1 << 16, ~0U };

	(void)unused;
	for (unsigned int i = 0; i < 5; i++) {
		card_reset(c);
		card_hello(c);
		card_negotiate(c, ALL_FEATURES);
		queue_place(c, TX, sizes[i], 0x200000, 0x210000, 0x220000);
	}
}

const struct misdeed misdeeds[] = { { "sizes", commit, 0 }, { 0 } };
