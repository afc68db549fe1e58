/* SPDX-License-Identifier: MIT */
/*
 * The boot loader on files that may be anything: what it accepts lies in the
 * file, fits into RAM of the size it asks for, and is there afterwards.
 *
 * Input: the initrd's size (4), RAM beyond the least (4), the length of the
 * command line (2), then the file.
 */
#include <sys/mman.h>

#include "machine/boot.h"
#include "tests/fuzz/fuzz.h"

#define INITRD_MAX	(64U << 20)
#define PAGE		4096ULL

static uint8_t *initrd;			/* INITRD_MAX bytes, hardly touched */

/* What machine/boot.h draws below BOOT_KERNEL must not have moved. */
static void check_low(const struct memory *mem, const struct bzimage *bz,
		      const char *cmdline)
{
	const struct boot_params *bp = guest_ptr(mem, BOOT_PARAMS, sizeof(*bp));

	MUST(bp && bp->hdr.cmd_line_ptr == BOOT_CMDLINE);
	MUST(bp->hdr.header == 0x53726448 && bp->hdr.type_of_loader == 0xff);
	MUST(bp->hdr.init_size == bz->hdr.init_size);
	MUST(strcmp(guest_ptr(mem, BOOT_CMDLINE, 1), cmdline) == 0);
	MUST(bp->e820_entries >= 3 && bp->e820_entries <= 4);
	for (unsigned int i = 1; i < bp->e820_entries; i++)
		MUST(bp->e820_table[i].addr >= bp->e820_table[i - 1].addr +
					       bp->e820_table[i - 1].size);
}

/* Only what is RAM is called so, and all that does not belong to a PC is. */
static void check_e820(const struct memory *mem)
{
	const struct boot_params *bp = guest_ptr(mem, BOOT_PARAMS, sizeof(*bp));
	uint64_t ram = 0;

	for (unsigned int i = 0; i < bp->e820_entries; i++) {
		const struct boot_e820_entry *e = &bp->e820_table[i];

		MUST(guest_ptr(mem, e->addr, e->size));
		if (e->type == 1)
			ram += e->size;
	}
	MUST(ram + 0x60000 == mem->region[0].size +
	     (mem->nr > 1 ? mem->region[1].size : 0));
}

/* As payload_read() in launcher.c: what it refuses gets no further. */
static void load(const struct bzimage *bz, uint64_t initrd_bytes,
		 uint64_t spare, const char *cmdline)
{
	uint64_t least = bzimage_least_ram(bz, initrd_bytes), gpa = 0, entry;
	uint64_t bytes = least + spare / PAGE * PAGE;
	uint64_t low = bytes < GPA_WINDOWS ? bytes : GPA_WINDOWS;
	struct memory mem;
	bool placed = boot_place_initrd(bz, low, initrd_bytes, &gpa);

	MUST(least >= bz->end && least % PAGE == 0);
	if (initrd_bytes && !placed)
		return;
	if (placed && initrd_bytes) {
		MUST(gpa % PAGE == 0 && gpa >= bz->end);
		MUST(gpa + initrd_bytes <= low);
		MUST(gpa + initrd_bytes <= bz->hdr.initrd_addr_max + 1ULL);
	}
	if (strlen(cmdline) > bz->hdr.cmdline_size)
		return;

	MUST(memory_create(&mem, bytes) == 0);
	entry = boot_load(&mem, bz, initrd, initrd_bytes, cmdline);
	MUST(entry == BOOT_KERNEL + 0x200);
	MUST(memcmp(guest_ptr(&mem, BOOT_KERNEL, bz->kernel_bytes), bz->kernel,
		    bz->kernel_bytes) == 0);
	if (initrd_bytes) {
		const struct boot_params *bp = guest_ptr(&mem, BOOT_PARAMS, 1);

		MUST(bp->hdr.ramdisk_image == gpa);
		MUST(bp->hdr.ramdisk_size == initrd_bytes);
		MUST(memcmp(guest_ptr(&mem, gpa, initrd_bytes), initrd,
			    initrd_bytes) == 0);
	}
	check_low(&mem, bz, cmdline);
	check_e820(&mem);
	memory_destroy(&mem);
}

static void create(void)
{
	initrd = mmap(NULL, INITRD_MAX, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(initrd != MAP_FAILED);
	memcpy(initrd, "070701", 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	uint32_t initrd_bytes = take(&in, 4) % INITRD_MAX;
	uint64_t spare = take(&in, 4);
	unsigned int words = take(&in, 2) % (BOOT_CMDLINE_MAX - 1);
	char why[WHY_MAX] = "", *cmdline = malloc(words + 1);
	uint8_t *file = malloc(in.left);	/* ASan sees its end */
	struct bzimage bz;
	size_t left = in.left;

	if (!initrd)
		create();
	take_bytes(&in, file, left);
	memset(cmdline, 'x', words);
	cmdline[words] = '\0';

	if (!bzimage_parse(&bz, file, left, why)) {
		MUST(*why && !strchr(why, '\n'));
	} else {
		MUST(bz.kernel > file && bz.kernel_bytes > 0x200);
		MUST(bz.kernel_bytes <= left - (bz.kernel - file));
		MUST(bz.end >= BOOT_KERNEL + bz.kernel_bytes);
		MUST(bz.end <= GPA_WINDOWS && bz.hdr.pref_address <= bz.end);
		/* Copying tens of megabytes finds nothing a few would not. */
		load(&bz, initrd_bytes >> (initrd_bytes & 15), spare, cmdline);
	}
	free(file);
	free(cmdline);
	return 0;
}
