/* SPDX-License-Identifier: MIT */
/*
 * register-writes: every byte of the window is written, in every width, aligned
 * and not, with nothing, one, all ones, and noise.
 *
 * Only what is 32 bits wide and aligned is a write to a register.  Of those the
 * last that counts is ~0 to Status, which asks for DRIVER_OK, with the features
 * just cleared by 0; behind it no queue is selected but those that are idle.
 *
 * expect width-4: broken 1 DRIVER_OK without FEATURES_OK
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t width)
{
	for (uint32_t at = 0; at < 0x200; at++) {
		store(c->base + at, width, 0);
		store(c->base + at, width, 1);
		store(c->base + at, width, ~0ULL);
		store(c->base + at, width, (uint64_t)noise() << 32 | noise());
	}
}

/* No register is so wide, not even those of which there are two halves. */
static void others(struct card *c, uint64_t unused)
{
	(void)unused;
	commit(c, 1);
	commit(c, 2);
	commit(c, 8);
}

const struct misdeed misdeeds[] = {
	{ "width-4", commit, 4 }, { "width-1-2-8", others, 0 }, { 0 }
};
