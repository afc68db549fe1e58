/* SPDX-License-Identifier: MIT */
/*
 * The table of guest RAM: its rows for any size, the one gate to it, and that
 * a step outside of it is a fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/memory.h"
#include "tests/unit/check.h"

#define M	(1ULL << 20)
#define G	(1ULL << 30)
#define HOLE	0xd0000000ULL		/* where low RAM has to end */
#define HIGH	0x100000000ULL
#define GUARD	(2 * M)

static struct memory mem;

/* Which rows a size of RAM gives.  high_size 0: there is one row. */
static const struct {
	uint64_t bytes, low_size, high_size;
} shapes[] = {
	{ 4096,		4096,		0 },
	{ 64 * M,	64 * M,		0 },
	{ 128 * M + 4096, 128 * M + 4096, 0 },
	{ HOLE - 4096,	HOLE - 4096,	0 },
	{ HOLE,		HOLE,		0 },
	{ HOLE + 4096,	HOLE,		4096 },
	{ 4 * G,	HOLE,		4 * G - HOLE },
	{ 5 * G,	HOLE,		5 * G - HOLE },
};

static void test_shapes(void)
{
	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		uint64_t low = shapes[i].low_size, high = shapes[i].high_size;
		unsigned long long bytes = shapes[i].bytes;
		bool aligned = true;

		if (!CHECK(memory_create(&mem, bytes) == 0, "%#llx bytes",
			   bytes))
			continue;
		CHECK(mem.nr == (high ? 2 : 1) && mem.region[0].gpa == 0 &&
		      mem.region[0].size == low, "start at 0, end at the hole");
		if (high)
			CHECK(mem.region[1].gpa == HIGH &&
			      mem.region[1].size == high,
			      "the rest is above 4 GiB");
		CHECK(memory_top(&mem) == (high ? HIGH + high : low),
		      "the top is right");
		for (unsigned int r = 0; r < mem.nr; r++)
			aligned &= (uintptr_t)mem.region[r].hva % (2 * M) == 0;
		CHECK(aligned, "every row may be huge pages");
		memory_destroy(&mem);
		CHECK(mem.nr == 0, "an empty table after that");
	}
}

/*
 * ---- the gate ----
 */

#define TOP	(HIGH + 5 * G - HOLE)	/* of 5 GiB */

static const struct {
	const char *what;
	uint64_t gpa, len;
	int row;			/* -1: NULL is right */
} places[] = {
	{ "the first byte",		0, 1, 0 },
	{ "nothing, at 0",		0, 0, 0 },
	{ "all of low RAM",		0, HOLE, 0 },
	{ "all of low RAM and a byte",	0, HOLE + 1, -1 },
	{ "the last byte of low RAM",	HOLE - 1, 1, 0 },
	{ "that and the one behind",	HOLE - 1, 2, -1 },
	{ "nothing, at low RAM's end",	HOLE, 0, 0 },
	{ "nothing, behind that",	HOLE + 1, 0, -1 },
	{ "the first byte of the hole",	HOLE, 1, -1 },
	{ "a register window",		0xd0001000, 4, -1 },
	{ "the IOAPIC",			0xfec00000, 4, -1 },
	{ "the last byte of the hole",	HIGH - 1, 1, -1 },
	{ "from the hole into RAM",	HIGH - 1, 2, -1 },
	{ "from low RAM over the hole",	HOLE - 4096, HIGH - HOLE + 8192, -1 },
	{ "the first byte above 4 GiB",	HIGH, 1, 1 },
	{ "all of high RAM",		HIGH, TOP - HIGH, 1 },
	{ "all of it and a byte",	HIGH, TOP - HIGH + 1, -1 },
	{ "the very last byte",		TOP - 1, 1, 1 },
	{ "that and the one behind",	TOP - 1, 2, -1 },
	{ "nothing, at the very end",	TOP, 0, 1 },
	{ "a byte at the very end",	TOP, 1, -1 },
	{ "a sum that wraps to 0",	-4096ULL, 4096, -1 },
	{ "a sum that wraps into RAM",	-4096ULL, 8192, -1 },
	{ "a length that wraps",	4096, -4096ULL, -1 },
	{ "a length that wraps by one",	4096, -4095ULL, -1 },
	{ "a sum that wraps above 4 GiB", HIGH + 4096, -4096ULL, -1 },
	{ "the highest address",	-1ULL, 1, -1 },
	{ "nothing at the highest",	-1ULL, 0, -1 },
	{ "the greatest length",	0, -1ULL, -1 },
	{ "both",			-1ULL, -1ULL, -1 },
};

static void test_gate(void)
{
	if (memory_create(&mem, 5 * G) < 0) {
		SKIP("no address space for 5 GiB");
		return;
	}
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int row = places[i].row;
		uint64_t gpa = places[i].gpa;
		char *want = row < 0 ? NULL : (char *)mem.region[row].hva +
					      (gpa - mem.region[row].gpa);

		CHECK(guest_ptr(&mem, gpa, places[i].len) == want, "%s: %s",
		      places[i].what, want ? "there" : "refused");
	}
	memory_destroy(&mem);
	CHECK(!guest_ptr(&mem, 0, 0), "an empty table refuses everything");
}

/*
 * ---- what the kernel says of it ----
 */

static char maps[1 << 17], maps_after[1 << 17];

/* Read with bare system calls: a buffer of stdio's would show up in here. */
static void read_maps(char *buf)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, buf + got, sizeof(maps) - 1 - got)) > 0)
		got += n;
	close(fd);
	buf[got] = '\0';
}

static void test_nothing_left(void)
{
	memory_create(&mem, 64 * M);	/* warm up: what is mapped only once */
	memory_destroy(&mem);
	read_maps(maps);
	for (unsigned int i = 0; i < 100; i++) {
		if (memory_create(&mem, i % 2 ? 5 * G : (i + 1) * 4096ULL) < 0)
			break;
		memory_destroy(&mem);
	}
	read_maps(maps_after);
	CHECK(strcmp(maps, maps_after) == 0,
	      "a hundred times there and back leave no mapping behind");
}

/* More than any address space has. */
static void test_too_much(void)
{
	static const uint64_t sizes[] = { 1ULL << 62, -4096ULL, 1ULL << 63 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		read_maps(maps);
		CHECK(memory_create(&mem, sizes[i]) == -ENOMEM,
		      "%#llx bytes: -ENOMEM", (unsigned long long)sizes[i]);
		memory_destroy(&mem);
		read_maps(maps_after);
		CHECK(strcmp(maps, maps_after) == 0, "and nothing is left");
	}
}

/* Is @flag set in smaps for the mapping that starts at @start? */
static bool vm_flag(const void *start, const char *flag)
{
	char line[512], head[32];
	bool ours = false, found = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	snprintf(head, sizeof(head), "%lx-", (unsigned long)start);
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, head, strlen(head)) == 0)
			ours = true;
		if (ours && strncmp(line, "VmFlags:", 8) == 0) {
			found = strstr(line, flag);
			break;
		}
	}
	if (f)
		fclose(f);
	return found;
}

static void test_advice(void)
{
	memory_create(&mem, 5 * G);
	for (unsigned int i = 0; i < mem.nr; i++) {
		CHECK(vm_flag(mem.region[i].hva, " dc"),
		      "row %u is not for our children", i);
		if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
			SKIP("a kernel without transparent huge pages");
		else
			CHECK(vm_flag(mem.region[i].hva, " hg"),
			      "row %u asks for huge pages", i);
	}
	memory_destroy(&mem);
}

/*
 * ---- one step outside ----
 */

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

/* Does touching this byte end in a fault?  In-process: a child has no RAM. */
static bool faults(volatile char *p, bool write)
{
	if (sigsetjmp(back, 1))
		return true;
	if (write)
		*p = 1;
	else
		(void)*p;
	return false;
}

static void test_guards(void)
{
	static const uint64_t sizes[] = { 4096, 64 * M, HOLE, 5 * G };
	struct sigaction act = { .sa_handler = on_fault }, old;

	sigaction(SIGSEGV, &act, &old);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool inside = true, outside = true;

		if (memory_create(&mem, sizes[i]) < 0) {
			SKIP("no address space for this size");
			continue;
		}
		for (unsigned int r = 0; r < mem.nr; r++) {
			char *first = mem.region[r].hva;
			char *end = first + mem.region[r].size;

			for (unsigned int write = 0; write < 2; write++) {
				inside &= !faults(first, write) &&
					  !faults(end - 1, write);
				outside &= faults(first - 1, write) &&
					   faults(end, write) &&
					   faults(first - GUARD, write) &&
					   faults(end + GUARD - 1, write);
			}
		}
		CHECK(inside, "%#llx bytes: the first and the last are RAM",
		      (unsigned long long)sizes[i]);
		CHECK(outside, "2 MiB on both sides of it are faults");
		memory_destroy(&mem);
	}
	sigaction(SIGSEGV, &old, NULL);
}

/* What is mapped besides RAM, of no file and of one. */
static void test_guarded_map(void)
{
	const long page = sysconf(_SC_PAGESIZE);
	struct sigaction act = { .sa_handler = on_fault }, old;
	int fds[] = { -1, memfd_create("a file", MFD_CLOEXEC) };

	if (fds[1] < 0 || ftruncate(fds[1], 2 * page) < 0) {
		SKIP("no file in memory");
		return;
	}
	sigaction(SIGSEGV, &act, &old);
	for (unsigned int i = 0; i < 2; i++) {
		char *p = guarded_map(2 * page, fds[i]), last = 0;
		char *end = p + 2 * page;

		if (!CHECK(p, "two pages"))
			continue;
		CHECK(!faults(p, true) && !faults(end - 1, true),
		      "they can be written");
		for (unsigned int write = 0; write < 2; write++)
			CHECK(faults(p - 1, write) && faults(p - page, write) &&
			      faults(end, write) &&
			      faults(end + page - 1, write),
			      "what is around them cannot be %s",
			      write ? "written" : "read");
		if (fds[i] >= 0)
			CHECK(pread(fds[i], &last, 1, 2 * page - 1) == 1 &&
			      last == 1, "they are the file's");
		munmap(p - page, 4 * page);
	}
	CHECK(!guarded_map(page, 1 << 20) && errno == EBADF,
	      "no such file, no such memory");
	sigaction(SIGSEGV, &old, NULL);
	close(fds[1]);
}

/* Two regions, of which the host has the pages that were touched. */
static void test_resident(void)
{
	const uint64_t size = HOLE + 64 * M;
	uint64_t n;

	if (memory_create(&mem, size) < 0) {
		SKIP("no address space for this size");
		return;
	}
	for (unsigned int i = 0; i < mem.nr; i++)	/* else 2M at a time */
		madvise(mem.region[i].hva, mem.region[i].size,
			MADV_NOHUGEPAGE);
	CHECK(memory_resident(&mem) == 0, "nothing of it is resident at first");
	for (unsigned int i = 0; i < 5; i++)
		*(char *)guest_ptr(&mem, (17 * i + 1) * M, 1) = 1;
	*(char *)guest_ptr(&mem, HOLE - 1, 1) = 1;
	*(char *)guest_ptr(&mem, memory_top(&mem) - 1, 1) = 1;
	n = memory_resident(&mem);
	CHECK(n == 7UL * sysconf(_SC_PAGESIZE),
	      "seven pages, once touched, the last of each region among them "
	      "(%llu bytes)", (unsigned long long)n);
	memory_destroy(&mem);
}

int main(void)
{
	test_shapes();
	test_gate();
	test_nothing_left();
	test_too_much();
	test_advice();
	test_guards();
	test_guarded_map();
	test_resident();
	return done();
}
