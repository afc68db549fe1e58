/* SPDX-License-Identifier: MIT */
/*
 * ack: interrupts are acknowledged that there were not, and again and again.
 *
 * Nothing comes of it.
 *
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t bits)
{
	put(c, INTERRUPT_ACK, bits);
	card_up(c, ALL_FEATURES);
	put(c, INTERRUPT_ACK, bits);
}

static void storm(struct card *c, uint64_t times)
{
	card_up(c, ALL_FEATURES);
	while (times--)
		put(c, INTERRUPT_ACK, times & 3);
}

const struct misdeed misdeeds[] = {
	{ "none", commit, 0 }, { "config", commit, 2 }, { "bit-2", commit, 4 },
	{ "all", commit, ~0U }, { "storm", storm, 4000 }, { 0 }
};
