/* SPDX-License-Identifier: MIT */
/*
 * flip: another vCPU rewrites descriptors while the device uses them.
 *
 * What was checked is what is used: no byte outside of RAM is touched, whatever
 * the descriptor says a moment later.  What the device meets first is chance, a
 * frame or any of the ways in which a descriptor is wrong; in 400 it meets one
 * of those.
 *
 * run: --cpus 2
 * expect *: broken some TX ring broken
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
	for (; times; times--) {
		card_up(c, ALL_FEATURES);
		target = c->ring[TX].desc;
		target->addr = 0x200000;
		target->len = 64;
		stop = stopped = false;
		if (!start_and_wait(1, flip))
			fail("CPU 1 does not start");
		for (unsigned int i = 0; i < 20; i++) {
			offer(&c->ring[TX], 0);
			put(c, QUEUE_NOTIFY, TX);
			linger(100);
		}
		stop = true;
		while (!stopped)
			linger(100);
	}
}

const struct misdeed misdeeds[] = { { "flip", commit, 20 }, { 0 } };
