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

static void commit(struct card *c, uint64_t unused)
{
	static const uint32_t values[] = {
		ACKNOWLEDGE, DRIVER, FEATURES_OK, NEEDS_RESET, 0x30, 0xffffff00,
		FAILED, ~0U,
	};
	const struct desc d = { (uintptr_t)scratch(), 76, 0, 0 };

	(void)unused;
	memset(scratch(), 0, 76);
	card_up(c, ALL_FEATURES);
	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		put(c, STATUS, values[i]);
		tx_chain_kick(c, &d, 1);
		tx_wait(c);
	}
}

const struct misdeed misdeeds[] = {
	{ "one-by-one", commit, 0 }, { 0 }
};
