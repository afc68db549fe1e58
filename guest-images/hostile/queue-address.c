/* SPDX-License-Identifier: MIT */
/*
 * queue-address: a ring is made ready where none can be.
 *
 * What is not RAM, or not aligned, breaks the card at once: vhost would not
 * notice.  Rings that are nowhere in particular (address 0 is RAM) or lie upon
 * one another are the guest's own trouble, and only its.  Where they lie upon
 * noise its avail index is more than they have entries; whichever of the two
 * is looked at first says so.
 *
 * expect unset: broken 0
 * expect overlap: broken 0
 * expect overlap-noise: broken 1 (RX|TX) ring broken: avail idx
 * expect odd: broken 3 a ring's address is not aligned
 * expect *: broken 3 a ring is not in RAM
 */
#include "hostile.h"

#define DESC	0x200000ULL
#define DRIVE	0x210000ULL
#define DEVICE	0x220000ULL

static void rings(struct card *c, uint64_t desc, uint64_t driver,
		  uint64_t device)
{
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_place(c, RX, RING_MAX, desc, driver, device);
	queue_place(c, TX, RING_MAX, desc, driver, device);
	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	put(c, QUEUE_NOTIFY, RX);
	put(c, QUEUE_NOTIFY, TX);
}

/* All three at one place. */
static void at(struct card *c, uint64_t gpa)
{
	rings(c, gpa, gpa, gpa);
}

/* Only the first ring, and it is not started: once is enough. */
static void ready(struct card *c, uint64_t desc, uint64_t driver,
		  uint64_t device)
{
	card_reset(c);
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_place(c, RX, RING_MAX, desc, driver, device);
}

/* Each of the three in turn is at @gpa, and the others are where they may. */
static void each_at(struct card *c, uint64_t gpa)
{
	ready(c, gpa, DRIVE, DEVICE);
	ready(c, DESC, gpa, DEVICE);
	ready(c, DESC, DRIVE, gpa);
}

/* The last bytes of RAM, from 16 before its end. */
static void straddle(struct card *c, uint64_t unused)
{
	(void)unused;
	each_at(c, hw.ram_end - 16);
}

/* The page on which the registers are, that is mapped for reading. */
static void registers(struct card *c, uint64_t offset)
{
	each_at(c, (c->base & ~0xfffULL) + offset);
}

static void wrap(struct card *c, uint64_t unused)
{
	(void)unused;
	ready(c, -16ULL, DRIVE, DEVICE);
	ready(c, DESC, -2ULL, DEVICE);
	ready(c, DESC, DRIVE, -4ULL);
}

static void odd(struct card *c, uint64_t unused)
{
	(void)unused;
	ready(c, DESC + 8, DRIVE, DEVICE);
	ready(c, DESC, DRIVE + 1, DEVICE);
	ready(c, DESC, DRIVE, DEVICE + 2);
}

static void overlap(struct card *c, uint64_t noisy)
{
	uint32_t *p = (uint32_t *)scratch();

	for (unsigned int i = 0; i < 4096; i++)
		p[i] = noisy ? noise() : 0;
	at(c, (uintptr_t)p);
}

const struct misdeed misdeeds[] = {
	{ "unset", at, 0 },
	{ "overlap", overlap, false }, { "overlap-noise", overlap, true },
	{ "no-ram", each_at, 0x40000000 }, { "top", each_at, 1ULL << 63 },
	{ "straddle", straddle, 0 }, { "register-page", registers, 0x1000 },
	{ "wrap", wrap, 0 }, { "odd", odd, 0 }, { 0 }
};
