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

static void at(uint64_t gpa)
{
	for (unsigned int at = 0; at < 64; at++)
		for (unsigned int width = 1; width <= 8; width *= 2) {
			store(gpa + at, width, noise());
			if (load(gpa + at, width) << (64 - 8 * width) !=
			    ~0ULL << (64 - 8 * width))
				fail("%lx does not read ones", gpa + at);
		}
}

/* Behind RAM, far behind it, and before, between and behind what there is. */
static void commit(struct card *c, uint64_t unused)
{
	static const uint32_t places[] = {
		0x40000000, 0xcfffff80,
		0xd0000f00, 0xd0100000,	/* windows of cards */
		0xfec10000,		/* the IOAPIC's */
		0xfed00000,		/* a PC's HPET */
		0xffffff80,		/* and its BIOS */
	};

	(void)c;
	(void)unused;
	at(hw.ram_end);
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		at(places[i]);
}

const struct misdeed misdeeds[] = {
	{ "everywhere", commit, 0 }, { 0 }
};
