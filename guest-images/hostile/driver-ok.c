/* SPDX-License-Identifier: MIT */
/*
 * driver-ok: DRIVER_OK comes before what must come before it.
 *
 * The backend gets no rings; the device wants a reset.
 *
 * expect no-features-ok: broken 1 DRIVER_OK without FEATURES_OK
 * expect at-once: broken 1 DRIVER_OK without FEATURES_OK
 * expect no-rings: broken 1 DRIVER_OK before all rings are ready
 * expect one-ring: broken 1 DRIVER_OK before all rings are ready
 * expect again: broken 0
 */
#include "hostile.h"

static void at_once(struct card *c, uint64_t status)
{
	put(c, STATUS, status);
}

static void rings(struct card *c, uint64_t nr)
{
	card_hello(c);
	card_negotiate(c, ALL_FEATURES);
	for (unsigned int i = 0; i < nr; i++)
		queue_make(c, i);
	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void again(struct card *c, uint64_t times)
{
	card_up(c, ALL_FEATURES);
	while (times--)
		put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

const struct misdeed misdeeds[] = {
	{ "no-features-ok", at_once, ACKNOWLEDGE | DRIVER | DRIVER_OK },
	{ "at-once", at_once, DRIVER_OK },
	{ "no-rings", rings, 0 }, { "one-ring", rings, 1 },
	{ "again", again, 10 }, { 0 }
};
