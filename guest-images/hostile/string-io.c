/* SPDX-License-Identifier: MIT */
/*
 * string-io: string instructions with counts that never end, from another vCPU.
 *
 * Each comes to the launcher in pieces, and between these everybody has a turn.
 * The vCPU is still at it when the guest powers off.
 *
 * cards: 1
 * run: --cpus 2
 * expect *: broken 0
 */
#include "hostile.h"

static volatile uint64_t port;

static void out_for_ever(void)
{
	const void *from = (const void *)0x200000;
	uint64_t count = 1ULL << 40;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count)
			 : "d"((uint16_t)port) : "memory");
}

static void in_for_ever(void)
{
	for (;;) {
		void *to = scratch();
		uint64_t count = SCRATCH_BYTES;

		__asm__ volatile("rep insb" : "+D"(to), "+c"(count)
				 : "d"((uint16_t)port) : "memory");
	}
}

static void out(struct card *c, uint64_t where)
{
	(void)c;
	port = where;
	if (!start_and_wait(1, out_for_ever))
		fail("CPU 1 does not start");
}

static void in(struct card *c, uint64_t where)
{
	(void)c;
	port = where;
	if (!start_and_wait(1, in_for_ever))
		fail("CPU 1 does not start");
}

const struct misdeed misdeeds[] = {
	{ "out-nobody", out, 0x80 }, { "out-scratch-register", out, 0x3ff },
	{ "in-line-status", in, 0x3fd }, { "in-nobody", in, 0x80 }, { 0 }
};
