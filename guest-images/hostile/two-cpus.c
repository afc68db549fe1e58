/* SPDX-License-Identifier: MIT */
/*
 * two-cpus: one vCPU sets the card up, and another writes QueueSel and Status
 * all the while.
 *
 * Each of them breaks what the other has begun, in one of the ways there are to
 * do the steps out of order; a reset by one that is alone undoes it.  (A size
 * of none, because the other queue was selected when it was set.)
 *
 * run: --cpus 2
 * strict: fight
 * expect *: broken some ^(DRIVER_OK (without FEATURES_OK|before all rings are ready)|QueueReady changed after DRIVER_OK|features written after FEATURES_OK|a ring's size is not a power of 2.*)$
 */
#include "hostile.h"

static struct card *target;
static volatile bool stop, stopped;

static void fight(void)
{
	while (!stop) {
		put(target, QUEUE_SEL, noise() & 3);
		put(target, STATUS, noise() & 0xf);
	}
	stopped = true;
}

static void commit(struct card *c, uint64_t times)
{
	target = c;
	stop = stopped = false;
	if (!start_and_wait(1, fight))
		fail("CPU 1 does not start");
	while (times--) {
		put(c, STATUS, 0);
		card_hello(c);
		card_negotiate(c, ALL_FEATURES);
		queue_place(c, RX, 8, 0x200000, 0x210000, 0x220000);
		queue_place(c, TX, 8, 0x200000, 0x210000, 0x220000);
		put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
		put(c, QUEUE_NOTIFY, TX);
	}
	stop = true;
	while (!stopped)
		linger(100);
}

const struct misdeed misdeeds[] = { { "fight", commit, 300 }, { 0 } };
