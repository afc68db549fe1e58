/* SPDX-License-Identifier: MIT */
/*
 * notify: kicks for a queue that does not run, or does not exist.
 *
 * Nothing comes of it.
 *
 * expect *: broken 0
 */
#include "hostile.h"

static void both(struct card *c)
{
	put(c, QUEUE_NOTIFY, RX);
	put(c, QUEUE_NOTIFY, TX);
}

static void early(struct card *c, uint64_t unused)
{
	(void)unused;
	both(c);
	card_hello(c);
	both(c);
	card_negotiate(c, ALL_FEATURES);
	queue_make(c, RX);
	queue_make(c, TX);
	both(c);
}

/* The second is 1 in its low half. */
static void no_such(struct card *c, uint64_t unused)
{
	(void)unused;
	card_up(c, ALL_FEATURES);
	put(c, QUEUE_NOTIFY, 2);
	put(c, QUEUE_NOTIFY, 0x10001);
	put(c, QUEUE_NOTIFY, ~0U);
}

/* A kick in the wrong width matches no ioeventfd. */
static void widths(struct card *c, uint64_t unused)
{
	(void)unused;
	card_up(c, ALL_FEATURES);
	store(c->base + QUEUE_NOTIFY, 1, TX);
	store(c->base + QUEUE_NOTIFY, 2, TX);
	store(c->base + QUEUE_NOTIFY, 8, TX);
}

const struct misdeed misdeeds[] = {
	{ "early", early, 0 }, { "no-such-queue", no_such, 0 },
	{ "widths", widths, 0 }, { 0 }
};
