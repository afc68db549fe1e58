/* SPDX-License-Identifier: MIT */
/*
 * status-bits: bits of Status are cleared one by one, reserved ones set, and
 * FAILED and NEEDS_RESET, which is the device's to set.
 *
 * Only 0 clears anything, and what the driver may not set does not get set: a
 * card that runs, runs on.
 *
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t status)
{
	card_up(c, ALL_FEATURES);
	put(c, STATUS, status);
	put(c, QUEUE_NOTIFY, TX);
}

const struct misdeed misdeeds[] = {
	{ "acknowledge", commit, ACKNOWLEDGE }, { "driver", commit, DRIVER },
	{ "features-ok", commit, FEATURES_OK },
	{ "needs-reset", commit, NEEDS_RESET }, { "failed", commit, FAILED },
	{ "reserved", commit, 0x30 }, { "high", commit, 0xffffff00 },
	{ "all", commit, ~0U }, { 0 }
};
