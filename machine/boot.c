/* SPDX-License-Identifier: MIT */
/*
 * The boot loader.  The image comes from a file that may be anything, so each
 * header field is held against the file's real size before it is used; after
 * that the kernel is on its own, and what it does is the vCPU's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/boot.h"

#define SECT_BYTES	512
#define HDR_OFFSET	0x1f1		/* boot.rst: setup_header */
#define ENTRY_64	0x200		/* boot.rst: 64-bit entry point */
#define PAGE		4096ULL

/*
 * Read all of @path.  Returns the bytes, to be free()d, and their number in
 * *@bytes; or NULL, and @why says what is wrong with the file.
 */
uint8_t *file_read(const char *path, uint64_t *bytes, char why[static WHY_MAX])
{
	uint8_t *buf = NULL;
	struct stat st;
	uint64_t got = 0;
	/* O_NONBLOCK: a FIFO that nobody writes is refused, not waited for. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0) {
		refuse(why, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		refuse(why, S_ISDIR(st.st_mode) ? "is a directory" :
						  "is not a regular file");
		goto out;
	}
	if (st.st_size == 0) {
		refuse(why, "is empty");
		goto out;
	}
	buf = malloc(st.st_size);
	if (!buf) {
		refuse(why, "%lld bytes are more than there is memory for",
		       (long long)st.st_size);
		goto out;
	}
	while (got < (uint64_t)st.st_size) {
		ssize_t n = read(fd, buf + got, st.st_size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			refuse(why, "%s", n < 0 ? strerror(errno) :
						  "shrank while it was read");
			free(buf);
			buf = NULL;
			goto out;
		}
		got += n;
	}
	*bytes = got;
out:
	if (fd >= 0)
		close(fd);
	return buf;
}

/*
 * ---- is this a kernel we can start? ----
 */

/* Files that people hand to a VM launcher by mistake, by their first bytes. */
static const struct {
	unsigned int at;
	const char *magic;
	unsigned int len;
	const char *what;
} known[] = {
	{ 0x38, "ARM\x64",		4, "an arm64 Image" },
	{ 4,	"zimg",			4, "an EFI zboot image of another CPU" },
	{ 0,	"\x7f" "ELF",		4, "an ELF file (vmlinux?)" },
	{ 0,	"\x1f\x8b",		2, "gzip'd" },
	{ 0,	"\xfd" "7zXZ",		5, "xz-compressed" },
	{ 0,	"\x28\xb5\x2f\xfd",	4, "zstd-compressed" },
	{ 0,	"070701",		6, "a cpio archive (the initrd?)" },
	{ 0,	"!<arch>",		7, "an archive (a .deb?)" },
	{ 0,	"#!",			2, "a script" },
};

static const char *what_is_it(const uint8_t *file, uint64_t bytes)
{
	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (bytes >= known[i].at + known[i].len &&
		    memcmp(file + known[i].at, known[i].magic,
			   known[i].len) == 0)
			return known[i].what;
	return "not a kernel image this launcher knows";
}

/*
 * Check the image in @file field by field against its @bytes and fill in @bz.
 * Returns false with @why, a clause that follows the file's name, if it is not
 * a bzImage for boot protocol 2.12 or newer with a 64-bit entry.
 */
bool bzimage_parse(struct bzimage *bz, const uint8_t *file, uint64_t bytes,
		   char why[static WHY_MAX])
{
	uint64_t setup_sects, setup_bytes, hdr_bytes, kernel_bytes;
	const struct setup_header *h = &bz->hdr;
	static const uint8_t magic[4] = "HdrS";

	if (bytes < HDR_OFFSET + sizeof(bz->hdr) ||
	    memcmp(file + 0x202, magic, sizeof(magic)) != 0)
		return refuse(why, "%s; an x86-64 bzImage is needed "
			      "(arch/x86/boot/bzImage, or /boot/vmlinuz-*)",
			      what_is_it(file, bytes));

	/* boot.rst: the header ends where the jump at 0x200 lands. */
	hdr_bytes = 0x202 + file[0x201] - HDR_OFFSET;
	if (hdr_bytes > sizeof(bz->hdr))
		hdr_bytes = sizeof(bz->hdr);
	memset(bz, 0, sizeof(*bz));
	memcpy(&bz->hdr, file + HDR_OFFSET, hdr_bytes);

	if (h->boot_flag != 0xaa55)
		return refuse(why, "its boot flag is %#06x, not 0xaa55: "
			      "the file is damaged", h->boot_flag);
	if (h->version < 0x020c)
		return refuse(why, "boot protocol %u.%02u; 2.12 or newer is "
			      "needed (Linux 3.8)", h->version >> 8,
			      h->version & 0xff);
	if (!(h->xloadflags & XLF_KERNEL_64))
		return refuse(why, "no 64-bit entry (XLF_KERNEL_64); a kernel "
			      "built with CONFIG_X86_64 is needed");
	if (!(h->loadflags & LOADED_HIGH))
		return refuse(why, "a zImage, loaded low; a bzImage is needed");

	setup_sects = h->setup_sects ? h->setup_sects : 4;	/* 0 means 4 */
	setup_bytes = (setup_sects + 1) * SECT_BYTES;
	kernel_bytes = h->syssize * 16ULL;	/* rounded up to paragraphs */
	if (bytes <= setup_bytes || bytes + 15 < setup_bytes + kernel_bytes)
		return refuse(why, "truncated: the header speaks of %llu "
			      "bytes, the file has %llu",
			      (unsigned long long)(setup_bytes + kernel_bytes),
			      (unsigned long long)bytes);
	if (kernel_bytes > bytes - setup_bytes)
		kernel_bytes = bytes - setup_bytes;
	if (kernel_bytes <= ENTRY_64)
		return refuse(why, "%llu bytes of kernel end before its entry "
			      "point", (unsigned long long)kernel_bytes);

	if (h->cmdline_size == 0)
		return refuse(why, "its cmdline_size is 0: it takes no command "
			      "line");

	bz->kernel = file + setup_bytes;
	bz->kernel_bytes = kernel_bytes;
	bz->end = BOOT_KERNEL + kernel_bytes;
	if (bz->end < h->pref_address + h->init_size)
		bz->end = h->pref_address + h->init_size;

	/* Nothing real comes near the hole in RAM, or wraps the sum above. */
	if (h->pref_address > GPA_WINDOWS || bz->end > GPA_WINDOWS)
		return refuse(why, "wants to run at %#llx with %u bytes, "
			      "beyond low memory",
			      (unsigned long long)h->pref_address,
			      h->init_size);
	return true;
}

/*
 * ---- where things go ----
 */

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * The bytes of RAM below which this kernel would die, perhaps without a word.
 * The initrd is there twice while it is unpacked, and about three times as
 * large the second time; 2 MiB are for what else is allocated meanwhile.
 * Debian's 6.1 panics 4 MiB below what this says, and boots with it.
 */
uint64_t bzimage_least_ram(const struct bzimage *bz, uint64_t initrd_bytes)
{
	return round_up(bz->end + 4 * round_up(initrd_bytes, PAGE) + (2 << 20),
			1 << 20);
}

/*
 * The highest place for an initrd of @bytes: below initrd_addr_max and the
 * end of low RAM, above all that the kernel writes while it unpacks itself.
 * Returns false if there is none.
 */
bool boot_place_initrd(const struct bzimage *bz, uint64_t low_ram,
		       uint64_t bytes, uint64_t *gpa)
{
	uint64_t top = bz->hdr.initrd_addr_max + 1ULL;

	if (top > low_ram)
		top = low_ram;
	if (bytes > top || (top - bytes) / PAGE * PAGE < bz->end)
		return false;
	*gpa = (top - bytes) / PAGE * PAGE;
	return true;
}

/* Our own addresses, in RAM that bzimage_least_ram() made sure of. */
static void *low_ptr(const struct memory *mem, uint64_t gpa, uint64_t len)
{
	void *p = guest_ptr(mem, gpa, len);

	if (!p)
		abort();
	return p;
}

static void write_gdt(const struct memory *mem)
{
	static const uint64_t gdt[BOOT_GDT_BYTES / 8] = {
		[BOOT_CS / 8] = 0x00af9b000000ffff,	/* 64-bit code */
		[BOOT_DS / 8] = 0x00cf93000000ffff,	/* data */
	};

	memcpy(low_ptr(mem, BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

/* One PML4, one PDPT, four page directories of 2 MiB pages. */
static void write_page_tables(const struct memory *mem)
{
	uint64_t *table = low_ptr(mem, BOOT_PAGE_TABLES, 6 * PAGE);
	uint64_t *pdpt = table + 512, *pd = table + 1024;
	const uint64_t present_rw = 3, huge = 0x80;

	table[0] = (BOOT_PAGE_TABLES + PAGE) | present_rw;
	for (unsigned int i = 0; i < 4; i++)
		pdpt[i] = (BOOT_PAGE_TABLES + (2 + i) * PAGE) | present_rw;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | huge | present_rw;
}

static void e820_add(struct boot_params *bp, uint64_t start, uint64_t end,
		     uint32_t type)
{
	bp->e820_table[bp->e820_entries++] = (struct boot_e820_entry) {
		.addr = start, .size = end - start, .type = type,
	};
}

static void write_e820(struct boot_params *bp, const struct memory *mem)
{
	const uint32_t ram = 1, reserved = 2;	/* ACPI 15.1 */

	e820_add(bp, 0, 0xa0000, ram);
	e820_add(bp, GPA_ACPI, GPA_BIOS_END, reserved);
	e820_add(bp, GPA_BIOS_END, mem->region[0].size, ram);
	for (unsigned int i = 1; i < mem->nr; i++)
		e820_add(bp, mem->region[i].gpa,
			 mem->region[i].gpa + mem->region[i].size, ram);
}

/*
 * A guest told that its hardware is reduced has no other way to restart than
 * to jump to where a CPU starts after a reset, in real mode.  It finds:
 */
static void write_reset_vector(const struct memory *mem)
{
	static const uint8_t code[] = {
		0xb0, 0xfe,		/* mov $0xfe, %al */
		0xe6, 0x64,		/* out %al, $0x64: please reset */
		0xf4,			/* hlt */
		0xeb, 0xfd,		/* jmp to the hlt */
	};

	memcpy(low_ptr(mem, 0xffff0, 16), code, sizeof(code));
}

/*
 * Fill @mem with all that @bz needs to start: RAM must hold what
 * bzimage_least_ram() asks for, @cmdline fit hdr.cmdline_size, and the initrd
 * (of @initrd_bytes, 0 for none) the place boot_place_initrd() finds.
 * Returns the guest address of the 64-bit entry point; RSI is BOOT_PARAMS.
 */
uint64_t boot_load(const struct memory *mem, const struct bzimage *bz,
		   const uint8_t *initrd, uint64_t initrd_bytes,
		   const char *cmdline)
{
	struct boot_params *bp = low_ptr(mem, BOOT_PARAMS, sizeof(*bp));
	uint64_t gpa;

	bp->hdr = bz->hdr;
	bp->hdr.type_of_loader = 0xff;		/* no number assigned */
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE;
	bp->acpi_rsdp_addr = GPA_ACPI;

	memcpy(low_ptr(mem, BOOT_CMDLINE, strlen(cmdline) + 1), cmdline,
	       strlen(cmdline) + 1);
	memcpy(low_ptr(mem, BOOT_KERNEL, bz->kernel_bytes), bz->kernel,
	       bz->kernel_bytes);

	if (initrd_bytes &&
	    boot_place_initrd(bz, mem->region[0].size, initrd_bytes, &gpa)) {
		memcpy(low_ptr(mem, gpa, initrd_bytes), initrd, initrd_bytes);
		bp->hdr.ramdisk_image = gpa;
		bp->hdr.ramdisk_size = initrd_bytes;
	}

	write_e820(bp, mem);
	write_gdt(mem);
	write_page_tables(mem);
	write_reset_vector(mem);
	return BOOT_KERNEL + ENTRY_64;
}
