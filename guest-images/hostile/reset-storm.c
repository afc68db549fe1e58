/* SPDX-License-Identifier: MIT */
/*
 * reset-storm: the card is reset in a tight loop, with its rings just handed to
 * the backend and frames under way in both directions.  That takes minutes for
 * all ten thousand times; run.t can ask for fewer.
 *
 * No frame is written after a reset has returned; nothing leaks or hangs.
 *
 * traffic: in
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t times)
{
	static uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	times = word_number("resets=", times);
	while (times--) {
		card_up(c, ALL_FEATURES);
		for (unsigned int i = 0; i < 4; i++)
			card_send(c, frame, sizeof(frame));
		put(c, STATUS, 0);
	}
}

/* The store alone, from every state that is on the way. */
static void bare(struct card *c, uint64_t times)
{
	while (times--) {
		if (times % 16 == 0)
			card_hello(c);
		put(c, STATUS, 0);
	}
}

const struct misdeed misdeeds[] = {
	{ "under-traffic", commit, 10000 }, { "bare", bare, 10000 }, { 0 }
};
