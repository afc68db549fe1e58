/* SPDX-License-Identifier: MIT */
/*
 * crash: the one vCPU does what it cannot come back from.
 *
 * The launcher ends with status 4, and says what happened.
 *
 * cards: 1
 * expect triple-fault: end 4 triple fault
 * expect jump-nowhere: end 4 KVM internal error
 * expect jump-registers: end 4 KVM internal error
 * expect jump-ioapic: end 4 KVM internal error
 */
#include "hostile.h"

static void triple_fault(struct card *c, uint64_t unused)
{
	static const struct { uint16_t limit; uint64_t base; } PACKED none;

	(void)c;
	(void)unused;
	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void jump(struct card *c, uint64_t gpa)
{
	(void)c;
	((void (*)(void))gpa)();
}

const struct misdeed misdeeds[] = {
	{ "triple-fault", triple_fault, 0 },
	{ "jump-nowhere", jump, 0x40000000 },
	{ "jump-registers", jump, 0xd0000fa0 },
	{ "jump-ioapic", jump, 0xfec00000 }, { 0 }
};
