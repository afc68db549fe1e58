/* SPDX-License-Identifier: MIT */
/*
 * init-sipi: a vCPU is sent back to its start again and again, in the midst of
 * what it does, with NMIs in between.
 *
 * Nobody minds but that vCPU.
 *
 * cards: 1
 * run: --cpus 2
 * expect *: broken 0
 */
#include "hostile.h"

#define INIT	0x4500
#define NMI	0x4400
#define SIPI	0x4600
#define PARKED	0x2000			/* a page below 1 MiB */

static volatile unsigned int rounds;

static void busy(void)
{
	for (;;)
		rounds++;
}

static void storm(struct card *c, uint64_t times)
{
	static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfd };

	(void)c;
	if (!start_and_wait(1, busy))
		fail("CPU 1 does not start");
	memcpy((void *)PARKED, halt, sizeof(halt));
	while (times--) {
		lapic_put(LAPIC_ICR_HIGH, (uint32_t)hw.apic_id[1] << 24);
		lapic_put(LAPIC_ICR_LOW, NMI);
		lapic_put(LAPIC_ICR_LOW, INIT);
		lapic_put(LAPIC_ICR_LOW, SIPI | PARKED >> 12);
		lapic_put(LAPIC_ICR_LOW, SIPI | PARKED >> 12);
	}
	lapic_put(LAPIC_ICR_LOW, INIT);
}

const struct misdeed misdeeds[] = { { "storm", storm, 200 }, { 0 } };
