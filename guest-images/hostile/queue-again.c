/* SPDX-License-Identifier: MIT */
/*
 * queue-again: a ring that is ready is made ready again, changed, or taken back
 * while the device runs.
 *
 * Size and addresses stand while a ring is ready; taking one from under a
 * running device breaks the card.
 *
 * expect not-ready: broken 1 QueueReady changed after DRIVER_OK
 * expect *: broken 0
 */
#include "hostile.h"

/* The kick sends a frame: the ring is still where it was. */
static void again(struct card *c, uint64_t unused)
{
	static const uint32_t regs[] = {
		QUEUE_READY, QUEUE_SIZE, QUEUE_DESC, QUEUE_DRIVER,
		QUEUE_DEVICE + 4,
	};
	const struct desc d = { (uintptr_t)scratch(), 76, 0, 0 };

	(void)unused;
	memset(scratch(), 0, 76);
	card_up(c, ALL_FEATURES);
	put(c, QUEUE_SEL, TX);
	for (unsigned int i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		put(c, regs[i], 1);
		put(c, QUEUE_READY, 1);
		tx_chain_kick(c, &d, 1);
		tx_wait(c);
	}
}

static void not_ready(struct card *c, uint64_t unused)
{
	(void)unused;
	card_up(c, ALL_FEATURES);
	put(c, QUEUE_SEL, TX);
	put(c, QUEUE_READY, 0);
}

const struct misdeed misdeeds[] = {
	{ "again", again, 0 },
	{ "not-ready", not_ready, 0 }, { 0 }
};
