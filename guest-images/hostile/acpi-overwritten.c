/* SPDX-License-Identifier: MIT */
/*
 * acpi-overwritten: RAM where the ACPI tables were, and the reset vector, gets
 * other contents, and so does all that the loader left behind.
 *
 * It is the guest's; the launcher does not look there again.
 *
 * cards: 1
 * expect *: broken 0
 */
#include "hostile.h"

static void commit(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	for (uint32_t *p = (uint32_t *)0xe0000; p < (uint32_t *)0x100000; p++)
		*p = noise();
	memset((void *)0x7000, 0xcc, 0x1000);		/* boot_params */
	memset((void *)0x20000, 0xcc, 0x10000);		/* the command line */
}

const struct misdeed misdeeds[] = { { "noise", commit, 0 }, { 0 } };
