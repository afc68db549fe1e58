/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: one table, three readers.
 *
 * KVM is told of it as memslots, vhost as its memory table, and our own code
 * reaches it through guest_ptr().  Were the three ever to disagree, a buffer
 * address would mean one page to the CPU and another to the network, so this
 * table is the only copy, and it does not change once the guest runs: a ring
 * handed to vhost stays where it is for as long as vhost holds it.
 *
 * What the guest sees where:
 *
 *   0000_0000    RAM               boot_params, GDT, page tables from 7000,
 *                                  ACPI at e_0000, kernel at 10_0000
 *   d000_0000    register windows  8 KiB per network card, see machine/card.h
 *   fec0_0000    IOAPIC            ours, each entry becomes an MSI route
 *   fee0_0000    local APIC        KVM's
 *   feff_8000    KVM's own         identity map and TSS pages, VMX only
 *   1_0000_0000  RAM               whatever does not fit below d000_0000
 *
 * Register windows are not rows of the table, so no ring can lie in one.
 */
#ifndef MACHINE_MEMORY_H
#define MACHINE_MEMORY_H

#include <stdint.h>

#define GPA_ACPI	0x000e0000ULL
#define GPA_BIOS_END	0x00100000ULL
#define GPA_WINDOWS	0xd0000000ULL	/* low RAM ends here at the latest */
#define GPA_IOAPIC	0xfec00000ULL
#define GPA_KVM_PAGES	0xfeff8000ULL
#define GPA_HIGH_RAM	0x100000000ULL

#define MEMORY_REGIONS_MAX 2

struct memory_region {
	uint64_t gpa;		/* where the guest sees it */
	uint64_t size;		/* in bytes, whole pages */
	void *hva;		/* where we see it */
};

struct memory {
	unsigned int nr;
	struct memory_region region[MEMORY_REGIONS_MAX];
};

int memory_create(struct memory *mem, uint64_t bytes);
void memory_destroy(struct memory *mem);
uint64_t memory_top(const struct memory *mem);
uint64_t memory_resident(const struct memory *mem);
void *guest_ptr(const struct memory *mem, uint64_t gpa, uint64_t len);
void *guarded_map(uint64_t bytes, int fd);

#endif
