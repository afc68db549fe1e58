/* SPDX-License-Identifier: MIT */
/*
 * flip: another vCPU rewrites descriptors while the device uses them.
 *
 * What was checked is what is used: no byte outside of RAM is touched, whatever
 * the descriptor says a moment later.
 *
 * run: --cpus 2
 * expect *: broken any
 */
#include "hostile.h"

static volatile struct desc *target;
static volatile bool stop, stopped;

static void flip(void)
{
	while (!stop) {
		target->addr = 0x200000;
		target->len = 64;
		target->flags = 0;
		target->addr = 0x40000000;
		target->len = ~0U;
		target->flags = noise() & 7;
		target->next = noise() & 0x7f;
	}
	stopped = true;
}

static void commit(struct card *c, uint64_t times)
{
	const struct desc d = { 0x200000, 64, 0, 0 };

	for (; times; times--) {
		card_up(c, ALL_FEATURES);
		target = c->ring[TX].desc;
		stop = stopped = false;
		if (!start_and_wait(1, flip))
			fail("CPU 1 does not start");
		for (unsigned int i = 0; i < 20; i++)
			tx_chain_kick(c, &d, 1);
		stop = true;
		while (!stopped)
			linger(100);
	}
}

const struct misdeed misdeeds[] = { { "flip", commit, 20 }, { 0 } };
