/* SPDX-License-Identifier: MIT */
/*
 * kick-storm: every vCPU kicks as fast as it can, with nothing in the rings.
 *
 * The other card has its turn all the same.
 *
 * run: --cpus 3
 * expect *: broken 0
 */
#include "hostile.h"

#define KICKS	2000

static struct card *target;
static volatile unsigned int done;

static void storm(void)
{
	for (unsigned int i = 0; i < KICKS; i++)
		put(target, QUEUE_NOTIFY, i & 1);
	__sync_fetch_and_add(&done, 1);
}

static void commit(struct card *c, uint64_t unused)
{
	(void)unused;
	card_up(c, ALL_FEATURES);
	target = c;
	done = 0;
	for (unsigned int cpu = 1; cpu < hw.cpus; cpu++)
		if (!start_and_wait(cpu, storm))
			fail("CPU %u does not start", cpu);
	storm();
	while (done < hw.cpus)
		linger(100);
}

const struct misdeed misdeeds[] = { { "storm", commit, 0 }, { 0 } };
