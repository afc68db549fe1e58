/* SPDX-License-Identifier: MIT */
/*
 * register-writes: every byte of the window is written, in every width, aligned
 * and not, with nothing, one, all ones, and noise.
 *
 * What it comes to depends on the order; whatever it is, a reset undoes it.
 *
 * expect *: broken any
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

const struct misdeed misdeeds[] = {
	{ "width-1", commit, 1 }, { "width-2", commit, 2 },
	{ "width-4", commit, 4 }, { "width-8", commit, 8 }, { 0 }
};
