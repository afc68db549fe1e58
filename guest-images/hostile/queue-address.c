/* SPDX-License-Identifier: MIT */
/*
 * queue-address: a ring is made ready where none can be.
 *
 * What is not RAM, or not aligned, breaks the card at once: vhost would not
 * notice.  Rings that are nowhere in particular (address 0 is RAM) or lie upon
 * one another are the guest's own trouble, and only its.
 *
 * expect unset: broken 0
 * expect overlap: broken 0
 * expect overlap-noise: broken any
 * expect odd-desc: broken 1 a ring's address is not aligned
 * expect odd-driver: broken 1 a ring's address is not aligned
 * expect odd-device: broken 1 a ring's address is not aligned
 * expect *: broken 1 a ring is not in RAM
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
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	queue_place(c, RX, RING_MAX, desc, driver, device);
}

static void desc(struct card *c, uint64_t gpa)
{
	ready(c, gpa, DRIVE, DEVICE);
}

static void driver(struct card *c, uint64_t gpa)
{
	ready(c, DESC, gpa, DEVICE);
}

static void device(struct card *c, uint64_t gpa)
{
	ready(c, DESC, DRIVE, gpa);
}

/* The last bytes of RAM, from 16 before its end. */
static void straddle(struct card *c, uint64_t unused)
{
	(void)unused;
	device(c, hw.ram_end - 16);
}

static void registers(struct card *c, uint64_t offset)
{
	driver(c, (c->base & ~0xfffULL) + offset);
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
	{ "no-ram", desc, 0x40000000 }, { "no-ram-driver", driver, 0x40000000 },
	{ "no-ram-device", device, 0x40000000 },
	{ "top", desc, 0x8000000000000000 }, { "straddle", straddle, 0 },
	{ "register-page", registers, 0x1000 },
	{ "wrap", desc, -16ULL }, { "wrap-driver", driver, -2ULL },
	{ "wrap-device", device, -4ULL },
	{ "odd-desc", desc, DESC + 8 }, { "odd-driver", driver, DRIVE + 1 },
	{ "odd-device", device, DEVICE + 2 }, { 0 }
};
