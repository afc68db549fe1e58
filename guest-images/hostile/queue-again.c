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

static void again(struct card *c, uint64_t reg)
{
	card_up(c, ALL_FEATURES);
	put(c, QUEUE_SEL, TX);
	put(c, reg, 1);
	put(c, QUEUE_READY, 1);
	put(c, QUEUE_NOTIFY, TX);
}

static void not_ready(struct card *c, uint64_t unused)
{
	(void)unused;
	card_up(c, ALL_FEATURES);
	put(c, QUEUE_SEL, TX);
	put(c, QUEUE_READY, 0);
}

const struct misdeed misdeeds[] = {
	{ "ready", again, QUEUE_READY }, { "size", again, QUEUE_SIZE },
	{ "desc", again, QUEUE_DESC }, { "driver", again, QUEUE_DRIVER },
	{ "device-high", again, QUEUE_DEVICE + 4 },
	{ "not-ready", not_ready, 0 }, { 0 }
};
