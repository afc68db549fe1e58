/* SPDX-License-Identifier: MIT */
/*
 * ports: I/O ports are read and written, in every width: all of them, or, where
 * run.t has less time, all of the first 2048, where a PC has its devices and so
 * have we, and every 61st above.
 *
 * Ports that nobody owns read as ones and swallow what is written.  (The value
 * written is 0, which is no request to power off, and none to reset.)
 *
 * cards: 1
 * expect *: broken 0
 */
#include "hostile.h"

#define ACCESS(letter, reg)						\
	__asm__ volatile("in" letter " %%dx, %%" reg "\n\t"		\
			 "xor %%eax, %%eax\n\t"				\
			 "out" letter " %%" reg ", %%dx"		\
			 : : "d"((uint16_t)port) : "eax", "memory")

static void commit(struct card *c, uint64_t width)
{
	const uint32_t step = word_number("step=", 1);

	(void)c;
	for (uint32_t port = 0; port < 0x10000; port += port < 0x800 ? 1 : step)
		if (width == 1)
			ACCESS("b", "al");
		else if (width == 2)
			ACCESS("w", "ax");
		else
			ACCESS("l", "eax");
	serial_start();			/* it was among them */
}

const struct misdeed misdeeds[] = {
	{ "width-1", commit, 1 }, { "width-2", commit, 2 },
	{ "width-4", commit, 4 }, { 0 }
};
