/* SPDX-License-Identifier: MIT */
/*
 * nowhere: loads and stores where nobody is.
 *
 * Loads read ones, stores are lost.
 *
 * cards: 1
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t gpa)
{
	(void)c;
	if (!gpa)
		gpa = hw.ram_end;
	for (unsigned int at = 0; at < 64; at++)
		for (unsigned int width = 1; width <= 8; width *= 2) {
			store(gpa + at, width, noise());
			if (load(gpa + at, width) << (64 - 8 * width) !=
			    ~0ULL << (64 - 8 * width))
				fail("%lx does not read ones", gpa + at);
		}
}

const struct misdeed misdeeds[] = {
	{ "end-of-ram", commit, 0 }, { "middle", commit, 0x40000000 },
	{ "before-the-windows", commit, 0xcfffff80 },
	{ "before-a-window", commit, 0xd0000f00 },
	{ "after-the-windows", commit, 0xd0100000 },
	{ "after-the-ioapic", commit, 0xfec10000 },
	{ "hpet", commit, 0xfed00000 }, { "bios", commit, 0xffffff80 }, { 0 }
};
