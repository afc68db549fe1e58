/* SPDX-License-Identifier: MIT */
/*
 * The boot loader: every file it has to refuse and what it says of it, where
 * things go, and what a kernel finds in memory when it starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/boot.h"
#include "tests/unit/check.h"

#define M		(1ULL << 20)
#define G		(1ULL << 30)
#define LOW_END		0xd0000000ULL
#define SETUP_BYTES	(5 * 512)	/* setup_sects 4, and the boot sector */
#define KERNEL_BYTES	0x1003		/* not whole paragraphs, as for real */
#define FILE_BYTES	(SETUP_BYTES + KERNEL_BYTES)

/* boot.rst: where a field of the header is in the file. */
#define AT(field)	(0x1f1 + offsetof(struct setup_header, field))
#define SIZE(field)	sizeof(((struct setup_header *)NULL)->field)
#define FIELD(field)	AT(field), SIZE(field)

static uint8_t image[FILE_BYTES];
static struct bzimage bz;
static char why[WHY_MAX];

static void put(uint64_t at, unsigned int len, uint64_t val)
{
	memcpy(image + at, &val, len);		/* x86: little-endian */
}

/* A bzImage that is all right: boot protocol 2.15, wants 32 MiB at 16 MiB. */
static void build_image(void)
{
	for (unsigned int i = 0; i < FILE_BYTES; i++)
		image[i] = i < SETUP_BYTES ? 0 : i * 7 + (i >> 8);
	put(0, 2, 'M' | 'Z' << 8);		/* it is an EFI program, too */
	put(0x200, 1, 0xeb);			/* jump over the header */
	put(0x201, 1, 0x1f1 + sizeof(struct setup_header) - 0x202);
	put(0x202, 4, 'H' | 'd' << 8 | 'r' << 16 | 'S' << 24);
	put(FIELD(setup_sects), 4);
	put(FIELD(syssize), (KERNEL_BYTES + 15) / 16);
	put(FIELD(boot_flag), 0xaa55);
	put(FIELD(version), 0x020f);
	put(FIELD(loadflags), LOADED_HIGH);
	put(FIELD(xloadflags), XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G);
	put(FIELD(initrd_addr_max), 0x7fffffff);
	put(FIELD(kernel_alignment), 2 * M);
	put(FIELD(cmdline_size), 2047);
	put(FIELD(pref_address), 16 * M);
	put(FIELD(init_size), 32 * M);
}

/* Parse the first @bytes of @file, from a block of just that size, for ASan. */
static bool parse(const uint8_t *file, uint64_t bytes)
{
	static uint8_t *block;
	bool ok;

	free(block);
	block = malloc(bytes ? bytes : 1);
	if (!block)
		exit(1);
	memcpy(block, file, bytes);
	strcpy(why, "(nothing was said)");
	memset(&bz, 0x55, sizeof(bz));
	ok = bzimage_parse(&bz, block, bytes, why);
	if (ok && (bz.kernel < block ||
		   bz.kernel_bytes > bytes - (bz.kernel - block)))
		abort();		/* outside of the file */
	return ok;
}

/* Refused with these words, in one sentence? */
static bool refused(const uint8_t *file, uint64_t bytes, const char *says)
{
	if (parse(file, bytes))
		strcpy(why, "(it was accepted)");
	else if (strstr(why, says) && !strchr(why, '\n') &&
		 strlen(why) < WHY_MAX - 1)
		return true;
	printf("# %s\n", why);
	return false;
}

/*
 * ---- what is not a kernel ----
 */

static const struct {
	const char *what;
	unsigned int at, len;
	const char *magic;
	const char *says;
} strangers[] = {
	{ "an ELF file",     0, 4, "\x7f" "ELF",	 "ELF" },
	{ "a gzip'd file",   0, 2, "\x1f\x8b",		 "gzip" },
	{ "an arm64 Image",  0x38, 4, "ARMd",		 "arm64" },
	{ "an EFI zboot",    4, 4, "zimg",		 "zboot" },
	{ "an xz'd file",    0, 6, "\xfd" "7zXZ\0",	 "xz" },
	{ "a zstd'd file",   0, 4, "\x28\xb5\x2f\xfd",	 "zstd" },
	{ "a cpio archive",  0, 6, "070701",		 "cpio" },
	{ "a .deb",	     0, 8, "!<arch>\n",		 ".deb" },
	{ "a script",	     0, 10, "#!/bin/sh\n",	 "script" },
	{ "anything else",   0, 4, "blob",		 "not a kernel image" },
};

static void test_strangers(void)
{
	static uint8_t file[8192];

	for (unsigned int i = 0; i < sizeof(strangers) / sizeof(strangers[0]);
	     i++) {
		unsigned int end = strangers[i].at + strangers[i].len;

		memset(file, 0, sizeof(file));
		memcpy(file + strangers[i].at, strangers[i].magic,
		       strangers[i].len);
		CHECK(refused(file, sizeof(file), strangers[i].says) &&
		      strstr(why, "an x86-64 bzImage is needed"),
		      "%s is named, and what is needed", strangers[i].what);
		CHECK(refused(file, end, strangers[i].says),
		      "%s of %u bytes is, too", strangers[i].what, end);
		CHECK(refused(file, end - 1, "bzImage is needed"),
		      "a byte less, and it is refused all the same");
	}
	CHECK(refused(file, 0, "not a kernel image"), "no byte at all");
}

/*
 * ---- one field of a good image changed ----
 */

static const struct {
	const char *what;
	uint64_t at;
	unsigned int len;
	uint64_t val;
	const char *says;		/* NULL: still a good one */
} fields[] = {
	{ "as it is", 0, 0, 0, NULL },
	{ "another magic", 0x202, 1, 'h', "not a kernel image" },
	{ "no boot flag", FIELD(boot_flag), 0, "damaged" },
	{ "protocol 2.11", FIELD(version), 0x020b, "protocol 2.11" },
	{ "protocol 2.04", FIELD(version), 0x0204, "protocol 2.04" },
	{ "protocol 0", FIELD(version), 0, "2.12 or newer" },
	{ "protocol 2.12", FIELD(version), 0x020c, NULL },
	{ "a later protocol", FIELD(version), 0x0300, NULL },
	{ "a header that ends before its version", 0x201, 1, 0, "protocol 0" },
	{ "a header that ends before xloadflags", 0x201, 1, 0x30,
	  "XLF_KERNEL_64" },
	{ "a header longer than we know", 0x201, 1, 0xff, NULL },
	{ "a 32-bit kernel", FIELD(xloadflags), 0, "XLF_KERNEL_64" },
	{ "one with other flags", FIELD(xloadflags), 0xfffe, "CONFIG_X86_64" },
	{ "a zImage", FIELD(loadflags), 0, "zImage" },
	{ "a zImage with other flags", FIELD(loadflags), 0xfe, "zImage" },
	{ "no command line", FIELD(cmdline_size), 0, "cmdline_size is 0" },

	{ "more setup than file", FIELD(setup_sects), 255, "truncated" },
	{ "more setup by a sector", FIELD(setup_sects), 5, "truncated" },
	{ "setup_sects 0, which means 4", FIELD(setup_sects), 0, NULL },
	{ "more kernel than file", FIELD(syssize), 0x102, "truncated" },
	{ "most kernel of all", FIELD(syssize), 0xffffffff, "truncated" },
	{ "no kernel", FIELD(syssize), 0, "before its entry point" },
	{ "a kernel up to its entry", FIELD(syssize), 0x20,
	  "512 bytes of kernel end before" },
	{ "a kernel one step further", FIELD(syssize), 0x21, NULL },

	{ "one that wants to run at 2^64", FIELD(pref_address),
	  -16ULL, "beyond low memory" },
	{ "a sum of 2^64", FIELD(pref_address), 0 - 32 * M,
	  "beyond low memory" },
	{ "a sum just above 2^64", FIELD(pref_address), 0 - 31 * M,
	  "beyond low memory" },
	{ "at 4 GiB", FIELD(pref_address), 4 * G, "beyond low memory" },
	{ "at the hole", FIELD(pref_address), LOW_END, "beyond low memory" },
	{ "over the hole's begin", FIELD(pref_address), LOW_END - 31 * M,
	  "wants to run at 0xce100000" },
	{ "right below the hole", FIELD(pref_address), LOW_END - 32 * M, NULL },
	{ "init_size over the hole", FIELD(init_size), 0xcf000001,
	  "beyond low memory" },
	{ "the greatest init_size", FIELD(init_size), 0xffffffff,
	  "beyond low memory" },
	{ "init_size up to the hole", FIELD(init_size), 0xcf000000, NULL },
	{ "init_size 0", FIELD(init_size), 0, NULL },
	{ "pref_address 0", FIELD(pref_address), 0, NULL },
};

static void test_fields(void)
{
	for (unsigned int i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		build_image();
		put(fields[i].at, fields[i].len, fields[i].val);
		if (fields[i].says)
			CHECK(refused(image, FILE_BYTES, fields[i].says),
			      "refused: %s", fields[i].what);
		else if (!CHECK(parse(image, FILE_BYTES), "accepted: %s",
				fields[i].what))
			printf("# %s\n", why);
	}
}

/* What a good image is taken apart into. */
static void test_parts(void)
{
	build_image();
	CHECK(parse(image, FILE_BYTES), "a good image");
	CHECK(bz.kernel_bytes == KERNEL_BYTES &&
	      memcmp(bz.kernel, image + SETUP_BYTES, KERNEL_BYTES) == 0,
	      "its kernel is what follows the setup sectors, to the byte");
	CHECK(bz.end == 48 * M, "and needs all up to pref_address + init_size");
	CHECK(memcmp(&bz.hdr, image + 0x1f1, sizeof(bz.hdr)) == 0,
	      "the header is a copy");

	put(FIELD(init_size), 0);
	put(FIELD(pref_address), 0);
	CHECK(parse(image, FILE_BYTES) && bz.end == M + KERNEL_BYTES,
	      "a kernel that unpacks itself nowhere needs where it is loaded");

	build_image();
	put(FIELD(setup_sects), 0);
	CHECK(parse(image, FILE_BYTES) && bz.kernel_bytes == KERNEL_BYTES &&
	      memcmp(bz.kernel, image + SETUP_BYTES, KERNEL_BYTES) == 0,
	      "0 setup sectors are 4");

	build_image();
	put(FIELD(syssize), 0x80);
	CHECK(parse(image, FILE_BYTES) && bz.kernel_bytes == 0x800,
	      "what follows the kernel in the file is left out");

	/* The jump at 200 says where the header ends; code is behind. */
	build_image();
	put(0x201, 1, AT(pref_address) - 0x202);
	CHECK(parse(image, FILE_BYTES) && bz.hdr.pref_address == 0 &&
	      bz.hdr.init_size == 0 && bz.hdr.cmdline_size == 2047,
	      "fields behind the header's end count as 0");
}

static void test_truncated(void)
{
	bool all = true, rounding = true;
	uint64_t whole = FILE_BYTES / 16 * 16;	/* paragraphs of the file */

	build_image();
	for (uint64_t bytes = 0; bytes < whole; bytes++) {
		if (parse(image, bytes) ||
		    (bytes >= SETUP_BYTES && !strstr(why, "truncated"))) {
			printf("# %llu bytes: %s\n", (unsigned long long)bytes,
			       why);
			all = false;
			break;
		}
	}
	CHECK(all, "every shorter file is refused");
	CHECK(refused(image, whole, "the header speaks of"), "with figures");
	for (uint64_t bytes = FILE_BYTES - 2; bytes <= FILE_BYTES; bytes++)
		rounding &= parse(image, bytes) &&
			    bz.kernel_bytes == bytes - SETUP_BYTES;
	CHECK(rounding, "but syssize is rounded up, so a few may be missing");
}

/* Headers of noise: either refused, or within bounds. */
static void test_noise(void)
{
	unsigned int accepted = 0;
	bool clean = true;

	srand(1);
	for (unsigned int n = 0; n < 20000; n++) {
		uint64_t gpa = 0, bytes;

		build_image();
		for (unsigned int i = rand() % 6; i > 0; i--)
			put(0x1f1 + rand() % 0x7b, 1, rand());
		for (unsigned int i = rand() % 3; i > 0; i--)
			put(0x1f1 + rand() % 0x73, rand() % 9,
			    (uint64_t)rand() << rand() % 64);
		bytes = rand() % 8 ? FILE_BYTES : rand() % FILE_BYTES;
		if (!parse(image, bytes))
			continue;
		accepted++;
		clean &= bz.kernel_bytes > 0x200 && bz.end <= LOW_END &&
			 bz.end >= M + bz.kernel_bytes &&
			 bzimage_least_ram(&bz, 0) >= bz.end;
		bytes = (uint64_t)rand() << rand() % 34;
		if (boot_place_initrd(&bz, LOW_END, bytes, &gpa))
			clean &= gpa >= bz.end && gpa + bytes <= LOW_END &&
				 gpa + bytes <= bz.hdr.initrd_addr_max + 1ULL;
	}
	CHECK(clean, "noise in the header: within bounds");
	CHECK(accepted > 1000, "%u of 20000 were accepted", accepted);
}

/* A kernel for this very test's machine, if one has been fetched. */
static void test_real(void)
{
	uint64_t bytes;
	uint8_t *file;
	glob_t found;

	if (glob(".cache/kernels/*/vmlinuz", 0, NULL, &found) != 0) {
		SKIP("no kernel in .cache; scripts/fetch-kernel gets one");
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i];

		file = file_read(path, &bytes, why);
		if (!CHECK(file && parse(file, bytes), "%s", path)) {
			printf("# %s\n", why);
		} else {
			CHECK(bz.end > 16 * M && bz.end < 256 * M &&
			      bz.hdr.cmdline_size >= 255,
			      "its figures are plausible");
			CHECK(refused(file, bytes / 2, "truncated"),
			      "and half of it is refused");
		}
		free(file);
	}
	globfree(&found);
}

/*
 * ---- where things go ----
 */

static void test_least_ram(void)
{
	build_image();
	parse(image, FILE_BYTES);
	CHECK(bzimage_least_ram(&bz, 0) == 50 * M, "2 MiB above the kernel");
	CHECK(bzimage_least_ram(&bz, 1) == 51 * M, "an initrd of a byte");
	CHECK(bzimage_least_ram(&bz, M) == 54 * M, "one of a MiB, unpacked");
	CHECK(bzimage_least_ram(&bz, M + 1) == 55 * M, "and a byte more");
	CHECK(bzimage_least_ram(&bz, 8 * G) == 50 * M + 32 * G,
	      "one that never fits");
	bz.end = 48 * M + 1;
	CHECK(bzimage_least_ram(&bz, 0) == 51 * M, "whole MiB");
}

/* The image wants [16M, 48M) to itself.  @want 0: there is no room. */
static const struct {
	const char *what;
	uint32_t max;
	uint64_t ram, bytes, want;
} initrds[] = {
	{ "at the end of RAM", 0x7fffffff, 128 * M, M, 127 * M },
	{ "a page for a byte", 0x7fffffff, 128 * M, 1, 128 * M - 4096 },
	{ "two pages", 0x7fffffff, 128 * M, 4097, 128 * M - 8192 },
	{ "below initrd_addr_max", 0x7fffffff, LOW_END, M, 2 * G - M },
	{ "initrd_addr_max is inclusive", 64 * M - 1, LOW_END, M, 63 * M },
	{ "and need not be round", 64 * M, LOW_END, M, 63 * M },
	{ "one that is odd", 64 * M - 2, LOW_END, M, 63 * M - 4096 },
	{ "no limit but RAM", 0xffffffff, LOW_END, M, LOW_END - M },
	{ "just above the kernel", 0x7fffffff, 64 * M, 16 * M, 48 * M },
	{ "not a byte lower", 0x7fffffff, 64 * M, 16 * M + 1, 0 },
	{ "never in the gap below the kernel", 16 * M - 1, 128 * M, M, 0 },
	{ "never inside the kernel", 48 * M - 1, 128 * M, M, 0 },
	{ "RAM that ends with the kernel", 0x7fffffff, 48 * M, 1, 0 },
	{ "larger than RAM", 0x7fffffff, 128 * M, 128 * M + 1, 0 },
	{ "larger than any address", 0x7fffffff, 128 * M, -1ULL, 0 },
	{ "limit 0", 0, 128 * M, 1, 0 },
};

static void test_initrds(void)
{
	for (unsigned int i = 0; i < sizeof(initrds) / sizeof(initrds[0]);
	     i++) {
		uint64_t gpa = 0;
		bool placed;

		build_image();
		put(FIELD(initrd_addr_max), initrds[i].max);
		parse(image, FILE_BYTES);
		placed = boot_place_initrd(&bz, initrds[i].ram,
					   initrds[i].bytes, &gpa);
		CHECK(placed == (initrds[i].want != 0) &&
		      gpa == initrds[i].want, "initrd: %s", initrds[i].what);
	}
}

/*
 * ---- what the kernel finds ----
 */

static struct memory mem;

static bool e820_is(const struct boot_params *bp, unsigned int row,
		    uint64_t addr, uint64_t end, uint32_t type)
{
	const struct boot_e820_entry *e = &bp->e820_table[row];

	return e->addr == addr && e->addr + e->size == end && e->type == type;
}

/* Walk the tables at @cr3 as a CPU does, without a check of its flags. */
static uint64_t translate(uint64_t cr3, uint64_t va)
{
	uint64_t entry, gpa = cr3;

	for (unsigned int shift = 39; shift >= 21; shift -= 9) {
		uint64_t *p = guest_ptr(&mem, (gpa & 0xffffffffff000) +
					(va >> shift & 511) * 8, 8);

		entry = p ? *p : 0;
		if ((entry & 3) != 3)		/* present, writable */
			return ~0ULL;
		if (shift == 21 && !(entry & 0x80))
			return ~0ULL;		/* not a 2 MiB page */
		gpa = entry;
	}
	return (gpa & 0xfffffffe00000) | (va & 0x1fffff);
}

static void check_tables(void)
{
	static const uint8_t reset[] = { 0xb0, 0xfe, 0xe6, 0x64, 0xf4 };
	const uint64_t *gdt = guest_ptr(&mem, BOOT_GDT, BOOT_GDT_BYTES);
	bool identity = true;

	CHECK(gdt[0] == 0 && gdt[BOOT_CS / 8] == 0x00af9b000000ffff &&
	      gdt[BOOT_DS / 8] == 0x00cf93000000ffff,
	      "GDT: 64-bit code at 10, flat data at 18");
	for (uint64_t va = 0; va < 4 * G; va += 2 * M)
		identity &= translate(BOOT_PAGE_TABLES, va) == va &&
			    translate(BOOT_PAGE_TABLES, va + 0x1fffff) ==
			    va + 0x1fffff;
	CHECK(identity, "page tables: 4 GiB mapped to themselves");
	CHECK(translate(BOOT_PAGE_TABLES, 4 * G) == ~0ULL &&
	      translate(BOOT_PAGE_TABLES, 1ULL << 39) == ~0ULL,
	      "and nothing else");
	CHECK(memcmp(guest_ptr(&mem, 0xffff0, 16), reset, sizeof(reset)) == 0,
	      "the reset vector writes fe to port 64");
}

static void check_payload(const uint8_t *initrd, uint64_t initrd_bytes,
			  uint64_t initrd_gpa)
{
	const struct boot_params *bp = guest_ptr(&mem, BOOT_PARAMS, 4096);
	const char *line = guest_ptr(&mem, BOOT_CMDLINE, BOOT_CMDLINE_MAX);

	CHECK(bp->hdr.type_of_loader == 0xff && bp->acpi_rsdp_addr == 0xe0000 &&
	      bp->hdr.cmd_line_ptr == BOOT_CMDLINE,
	      "boot_params: who we are, where the RSDP and the line are");
	CHECK(bp->hdr.version == 0x20f && bp->hdr.boot_flag == 0xaa55 &&
	      bp->hdr.init_size == 32 * M && bp->hdr.syssize == 0x101,
	      "the rest of the header is the file's");
	CHECK(bp->hdr.setup_data == 0 && bp->sentinel == 0 &&
	      bp->ext_ramdisk_image == 0 && bp->ext_ramdisk_size == 0 &&
	      bp->ext_cmd_line_ptr == 0 && bp->efi_info.efi_memmap == 0,
	      "what we do not fill in is 0");
	CHECK(strcmp(line, "console=ttyS0 quiet") == 0, "the command line");
	CHECK(memcmp(guest_ptr(&mem, M, KERNEL_BYTES), image + SETUP_BYTES,
		     KERNEL_BYTES) == 0, "the kernel at 1 MiB");
	CHECK(*(uint8_t *)guest_ptr(&mem, M + KERNEL_BYTES, 1) == 0,
	      "and no byte more");
	CHECK(bp->hdr.ramdisk_image == initrd_gpa &&
	      bp->hdr.ramdisk_size == initrd_bytes,
	      "where the initrd is said to be");
	if (initrd_bytes)
		CHECK(memcmp(guest_ptr(&mem, initrd_gpa, initrd_bytes), initrd,
			     initrd_bytes) == 0, "and there it is");
}

static const struct {
	const char *what;
	uint64_t ram, initrd_bytes, initrd_gpa;
	unsigned int rows;
} loads[] = {
	{ "128M with an initrd",  128 * M, 5000, 128 * M - 8192, 3 },
	{ "128M without one",	  128 * M, 0, 0, 3 },
	{ "5G with an initrd",	  5 * G, 3 * M, 2 * G - 3 * M, 4 },
	{ "the least there is",	  54 * M, M, 53 * M, 3 },
};

static void test_load(void)
{
	static uint8_t initrd[3 * M];

	for (unsigned int i = 0; i < sizeof(initrd); i++)
		initrd[i] = i * 13 + (i >> 9);

	for (unsigned int i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		const struct boot_params *bp;

		build_image();
		parse(image, FILE_BYTES);
		if (memory_create(&mem, loads[i].ram) < 0) {
			SKIP("no address space for this size");
			continue;
		}
		CHECK(boot_load(&mem, &bz, initrd, loads[i].initrd_bytes,
				"console=ttyS0 quiet") == M + 0x200,
		      "%s: the 64-bit entry", loads[i].what);

		bp = guest_ptr(&mem, BOOT_PARAMS, 4096);
		CHECK(bp->e820_entries == loads[i].rows &&
		      e820_is(bp, 0, 0, 0xa0000, 1) &&
		      e820_is(bp, 1, 0xe0000, M, 2) &&
		      e820_is(bp, 2, M, mem.region[0].size, 1),
		      "e820: RAM, the BIOS area, RAM");
		if (loads[i].rows == 4)
			CHECK(e820_is(bp, 3, 4 * G, 4 * G + 5 * G - LOW_END, 1),
			      "and RAM above the hole");
		check_payload(initrd, loads[i].initrd_bytes,
			      loads[i].initrd_gpa);
		check_tables();
		memory_destroy(&mem);
	}
}

/*
 * ---- reading files ----
 */

static char dir[] = "/tmp/launcher-boot.XXXXXX";

static void make_file(const char *name, const char *content, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		exit(1);
	close(fd);
}

static bool cannot_read(const char *name, const char *says)
{
	uint64_t bytes;
	uint8_t *got = file_read(name, &bytes, why);

	if (!got && strstr(why, says))
		return true;
	printf("# %s\n", got ? "(it was read)" : why);
	free(got);
	return false;
}

/* Root may read everything, so be somebody else for a moment. */
static void test_no_permission(void)
{
	bool root = geteuid() == 0;

	make_file("secret", "x", 0);
	if (root && seteuid(65534) < 0) {
		SKIP("root, and cannot be anybody else");
		return;
	}
	CHECK(cannot_read("secret", "Permission denied"), "no permission");
	if (root && seteuid(0) < 0)
		exit(1);
}

static void on_alarm(int sig)
{
	(void)sig;			/* it interrupts open(), no more */
}

static void test_files(void)
{
	struct sigaction act = { .sa_handler = on_alarm };
	uint64_t bytes = 0;
	uint8_t *got;
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (home < 0 || !mkdtemp(dir) || chmod(dir, 0755) < 0 || chdir(dir) < 0)
		exit(1);
	make_file("empty", "", 0600);
	make_file("full", "0123456789", 0600);
	if (mkfifo("fifo", 0600) < 0)
		exit(1);

	got = file_read("full", &bytes, why);
	CHECK(got && bytes == 10 && memcmp(got, "0123456789", 10) == 0,
	      "all of a file is read");
	free(got);
	CHECK(cannot_read("empty", "is empty"), "an empty file");
	CHECK(cannot_read(".", "is a directory"), "a directory");
	CHECK(cannot_read("none", "No such file"), "no file");
	CHECK(cannot_read("full/x", "Not a directory"), "no such folder");
	CHECK(cannot_read("", "No such file"), "an empty name");
	CHECK(cannot_read("/dev/null", "not a regular file"), "a device");
	test_no_permission();

	sigaction(SIGALRM, &act, NULL);
	alarm(5);
	CHECK(cannot_read("fifo", "not a regular file"),
	      "a FIFO, without waiting for who never writes");
	alarm(0);

	unlink("empty");
	unlink("full");
	unlink("fifo");
	unlink("secret");
	if (fchdir(home) < 0 || rmdir(dir) < 0)
		printf("# could not remove %s\n", dir);
	close(home);
}

int main(void)
{
	test_strangers();
	test_fields();
	test_parts();
	test_truncated();
	test_noise();
	test_real();
	test_least_ram();
	test_initrds();
	test_load();
	test_files();
	return done();
}
