/* SPDX-License-Identifier: MIT */
/*
 * msi: messages to local APICs, as a device with MSI would write them.
 *
 * There is no such device here, and a CPU's stores there go nowhere.
 *
 * cards: 1
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t width)
{
	(void)c;
	for (unsigned int dest = 1; dest < 256; dest++) {
		store(0xfee00000ULL + (dest << 12), width, noise());
		store(0xfee00004ULL + (dest << 12), width, 0x45);
	}
}

const struct misdeed misdeeds[] = {
	{ "width-1", commit, 1 }, { "width-4", commit, 4 },
	{ "width-8", commit, 8 }, { 0 }
};
