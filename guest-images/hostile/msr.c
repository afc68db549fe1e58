/* SPDX-License-Identifier: MIT */
/*
 * msr: model-specific registers are written with noise.
 *
 * KVM takes them or gives the guest a fault; the launcher hears nothing of it.
 * Left out are those that switch off what the guest itself stands on.
 *
 * cards: 1
 * expect *: broken 0
 */
#include "hostile.h"

#define APIC_BASE	0x1b
#define EFER		0xc0000080

static void write_msr(uint32_t msr, uint64_t val)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)val),
			 "d"((uint32_t)(val >> 32)) : "memory");
}

static uint64_t read_msr(uint32_t msr)
{
	uint32_t low = 0, high = 0;

	__asm__ volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(msr));
	return low | (uint64_t)high << 32;
}

/* 256 of them from @first on; each gets its value back. */
static void noise_from(uint32_t first)
{
	fault_skip = 2;			/* rdmsr and wrmsr have two bytes */
	for (uint32_t msr = first; msr < first + 256; msr++) {
		uint64_t was;

		if (msr == APIC_BASE || msr == EFER)
			continue;
		was = read_msr(msr);
		write_msr(msr, (uint64_t)noise() << 32 | noise());
		write_msr(msr, ~0ULL);
		write_msr(msr, was);
	}
	fault_skip = 0;
}

/* Intel's three, AMD's, and KVM's own. */
static void ranges(struct card *c, uint64_t unused)
{
	static const uint32_t first[] = {
		0, 0x100, 0x200, 0xc0000000, 0xc0010000, 0xc0010200, 0x40000000,
	};

	(void)c;
	(void)unused;
	for (unsigned int i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		noise_from(first[i]);
}

static void clock_at(uint64_t gpa)
{
	fault_skip = 2;
	write_msr(0x4b564d01, gpa | 1);
	write_msr(0x4b564d00, gpa);
	for (unsigned int i = 0; i < 10; i++)
		in8(0x80);
	write_msr(0x4b564d01, 0);
	fault_skip = 0;
}

/* KVM's clock writes where it is told to: no RAM, registers, the very end. */
static void clock(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	clock_at(0x40000000);
	clock_at(0xd0001000);
	clock_at(~0ULL);
}

const struct misdeed misdeeds[] = {
	{ "noise", ranges, 0 }, { "clock", clock, 0 }, { 0 }
};
