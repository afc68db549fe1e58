/* SPDX-License-Identifier: MIT */
/*
 * ack: interrupts are acknowledged that there were not, and again and again.
 *
 * Nothing comes of it.
 *
 * expect *: broken 0
 */
#include "hostile.h"

/* None, the one for changes, one that there is not, and all. */
static void bits(struct card *c, uint64_t unused)
{
	static const uint32_t values[] = { 0, 2, 4, ~0U };

	(void)unused;
	for (unsigned int i = 0; i < 4; i++)
		put(c, INTERRUPT_ACK, values[i]);
	card_up(c, ALL_FEATURES);
	for (unsigned int i = 0; i < 4; i++)
		put(c, INTERRUPT_ACK, values[i]);
}

static void storm(struct card *c, uint64_t times)
{
	card_up(c, ALL_FEATURES);
	while (times--)
		put(c, INTERRUPT_ACK, times & 3);
}

const struct misdeed misdeeds[] = {
	{ "bits", bits, 0 }, { "storm", storm, 4000 }, { 0 }
};
