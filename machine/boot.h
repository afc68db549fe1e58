/* SPDX-License-Identifier: MIT */
/*
 * Loading a bzImage, as Documentation/arch/x86/boot.rst has it: check the
 * image, place it, the initrd and the command line, write boot_params.
 *
 * Low memory while the kernel starts:
 *
 *   0_7000   boot_params, one page; the stack below it
 *   0_8000   GDT
 *   0_9000   page tables: 4 GiB mapped to themselves
 *   2_0000   command line
 *   e_0000   ACPI tables
 *   f_fff0   what a CPU runs after a reset: eight bytes asking for one
 *  10_0000   the kernel, compressed; it unpacks itself at its pref_address
 */
#ifndef MACHINE_BOOT_H
#define MACHINE_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/bootparam.h>

#include "machine/memory.h"
#include "machine/refuse.h"

#define BOOT_PARAMS		0x7000ULL
#define BOOT_GDT		0x8000ULL
#define BOOT_GDT_BYTES		32
#define BOOT_PAGE_TABLES	0x9000ULL
#define BOOT_CMDLINE		0x20000ULL
#define BOOT_CMDLINE_MAX	0x10000
#define BOOT_KERNEL		0x100000ULL

#define BOOT_CS			0x10	/* boot.rst: __BOOT_CS */
#define BOOT_DS			0x18	/* and __BOOT_DS */

/* A bzImage that passed all checks.  Points into the file's bytes. */
struct bzimage {
	struct setup_header hdr;
	const uint8_t *kernel;		/* the part that goes to BOOT_KERNEL */
	uint64_t kernel_bytes;
	uint64_t end;			/* first gpa the kernel leaves alone */
};

bool bzimage_parse(struct bzimage *bz, const uint8_t *file, uint64_t bytes,
		   char why[static WHY_MAX]);
uint64_t bzimage_least_ram(const struct bzimage *bz, uint64_t initrd_bytes);
bool boot_place_initrd(const struct bzimage *bz, uint64_t low_ram,
		       uint64_t bytes, uint64_t *gpa);
uint64_t boot_load(const struct memory *mem, const struct bzimage *bz,
		   const uint8_t *initrd, uint64_t initrd_bytes,
		   const char *cmdline);

uint8_t *file_read(const char *path, uint64_t *bytes,
		   char why[static WHY_MAX]);

#endif
