/* SPDX-License-Identifier: MIT */
/*
 * avail-index: the index of the avail ring jumps, or goes back, or is another
 * each time one looks.
 *
 * More than the ring has entries is a broken ring; within that, the entries
 * are taken for what they are.  One that changes all the time is soon more, or
 * offers descriptors that vhost will not have.
 *
 * run: --cpus 2
 * strict: rx-jump
 * expect jump: broken 1 TX ring broken: avail idx
 * expect back: broken 1 TX ring broken: avail idx
 * expect rx-jump: broken 1 RX ring broken: avail idx
 * expect changing: broken 1 TX ring broken
 */
#include "hostile.h"

static volatile struct avail *target;
static volatile bool stop, stopped, changed;

static void move(struct card *c, unsigned int index, uint16_t by)
{
	card_up(c, ALL_FEATURES);
	c->ring[index].avail->idx += by;
	barrier();
	put(c, QUEUE_NOTIFY, index);
}

static void tx(struct card *c, uint64_t by)
{
	move(c, TX, by);
}

static void rx(struct card *c, uint64_t by)
{
	move(c, RX, by);
}

static void change(void)
{
	while (!stop) {
		target->idx = noise();
		changed = true;
	}
	stopped = true;
}

static void changing(struct card *c, uint64_t times)
{
	card_up(c, ALL_FEATURES);
	target = c->ring[TX].avail;
	stop = stopped = changed = false;
	if (!start_and_wait(1, change))
		fail("CPU 1 does not start");
	while (!changed)
		linger(10);
	while (times--)
		put(c, QUEUE_NOTIFY, TX);
	stop = true;
	while (!stopped)
		linger(100);
}

const struct misdeed misdeeds[] = {
	{ "jump", tx, RING_MAX + 1 }, { "back", tx, -1 },
	{ "rx-jump", rx, RING_MAX + 1 }, { "changing", changing, 50 }, { 0 }
};
