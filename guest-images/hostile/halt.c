/* SPDX-License-Identifier: MIT */
/*
 * halt: the one vCPU sleeps with interrupts off, or spins with them off.
 *
 * That is a guest that hangs, which is its right; the launcher takes SIGTERM.
 *
 * cards: 1
 * expect halt: hang
 * expect spin: hang
 */
#include "hostile.h"

static void halt(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void spin(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	for (;;)
		__asm__ volatile("cli");
}

const struct misdeed misdeeds[] = {
	{ "halt", halt, 0 }, { "spin", spin, 0 }, { 0 }
};
