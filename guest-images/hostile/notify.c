/* SPDX-License-Identifier: MIT */
/*
 * notify: kicks for a queue that does not run, or does not exist.
 *
 * Nothing comes of it.
 *
 * expect *: broken 0
 */
#include "hostile.h"

static void early(struct card *c, uint64_t queue)
{
	put(c, QUEUE_NOTIFY, queue);
	card_hello(c);
	put(c, QUEUE_NOTIFY, queue);
	card_negotiate(c, ALL_FEATURES);
	queue_make(c, RX);
	queue_make(c, TX);
	put(c, QUEUE_NOTIFY, queue);
}

static void running(struct card *c, uint64_t queue)
{
	card_up(c, ALL_FEATURES);
	put(c, QUEUE_NOTIFY, queue);
}

/* A kick in the wrong width matches no ioeventfd. */
static void wide(struct card *c, uint64_t width)
{
	card_up(c, ALL_FEATURES);
	store(c->base + QUEUE_NOTIFY, width, TX);
}

const struct misdeed misdeeds[] = {
	{ "early-rx", early, RX }, { "early-tx", early, TX },
	{ "queue-2", running, 2 }, { "queue-2^16+1", running, 0x10001 },
	{ "queue-~0", running, ~0U },
	{ "width-1", wide, 1 }, { "width-2", wide, 2 }, { "width-8", wide, 8 },
	{ 0 }
};
