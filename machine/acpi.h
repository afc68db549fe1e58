/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables: how a stock kernel learns what this machine is made of.
 */
#ifndef MACHINE_ACPI_H
#define MACHINE_ACPI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What the tables promise and the launcher's port handlers must keep.  The
 * reset register is the keyboard controller's, which a kernel without ACPI
 * tries as well.  All three are one byte wide.
 */
#define ACPI_RESET_PORT		0x64
#define ACPI_RESET_VALUE	0xfe
#define ACPI_SLEEP_CONTROL_PORT	0x600
#define ACPI_SLEEP_STATUS_PORT	0x601

/* ACPI 6.5, 4.8.3.7: the byte written to sleep control to power off. */
#define ACPI_SLEEP_S5		5	/* our choice; \_S5 tells the guest */
#define ACPI_SLEEP_ENABLE	(1 << 5)
#define ACPI_POWER_OFF		(ACPI_SLEEP_S5 << 2 | ACPI_SLEEP_ENABLE)

#define ACPI_CPUS_MAX		254	/* 255 is every CPU, to an 8-bit APIC */
#define ACPI_CARDS_MAX		100	/* VR00 to VR99; GSIs run out before */

struct acpi_device {		/* a virtio-mmio window */
	uint64_t gpa;		/* below 4 GiB */
	uint32_t size;		/* in bytes */
	unsigned int gsi;
};

struct acpi_machine {
	unsigned int cpus;	/* local APIC ids 0 to cpus - 1 */
	const struct acpi_device *card;
	unsigned int nr_cards;
};

ssize_t acpi_write(void *to, size_t room, uint64_t gpa,
		   const struct acpi_machine *m);

#endif
