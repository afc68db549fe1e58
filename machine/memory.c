/* SPDX-License-Identifier: MIT */
/*
 * The table of guest RAM.  See memory.h for what lies where, and why nobody
 * else keeps a copy.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/memory.h"

/*
 * RAM starts on a 2 MiB boundary so that it can be huge pages, and has an
 * unmapped stretch on both sides so that one step outside is a fault.
 */
#define HUGE_PAGE	(2UL << 20)
#define GUARD		HUGE_PAGE

/*
 * Private, although two parties write it: vhost works in our own address
 * space, so nothing needs sharing, and stock kernels give huge pages to
 * private anonymous memory only.
 */
static void *ram_map(uint64_t size)
{
	uint64_t spare = HUGE_PAGE + 2 * GUARD;	/* room to align, two guards */
	uintptr_t area, ram;
	void *p;

	p = mmap(NULL, size + spare, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;

	area = (uintptr_t)p;
	ram = (area + GUARD + HUGE_PAGE - 1) & -HUGE_PAGE;
	if (ram - GUARD > area)
		munmap(p, ram - GUARD - area);
	if (mprotect((void *)ram, size, PROT_READ | PROT_WRITE) < 0) {
		munmap((void *)(ram - GUARD), area + spare + size - ram + GUARD);
		return NULL;
	}
	munmap((void *)(ram + size + GUARD), area + spare - GUARD - ram);

	/* Both are wishes: a kernel without them runs the guest all the same. */
	madvise((void *)ram, size, MADV_HUGEPAGE);
	madvise((void *)ram, size, MADV_DONTFORK);
	return (void *)ram;
}

static int memory_add(struct memory *mem, uint64_t gpa, uint64_t size)
{
	struct memory_region *r;
	void *hva;

	hva = ram_map(size);
	if (!hva)
		return -ENOMEM;

	r = &mem->region[mem->nr++];
	r->gpa = gpa;
	r->size = size;
	r->hva = hva;
	return 0;
}

/*
 * Give the guest @bytes of RAM (whole pages), around the hole that starts at
 * GPA_WINDOWS.  Returns 0, or -ENOMEM when our address space has no room.
 */
int memory_create(struct memory *mem, uint64_t bytes)
{
	uint64_t low = bytes < GPA_WINDOWS ? bytes : GPA_WINDOWS;
	int err;

	mem->nr = 0;
	err = memory_add(mem, 0, low);
	if (!err && bytes > low)
		err = memory_add(mem, GPA_HIGH_RAM, bytes - low);
	return err;
}

/* Give all of it back.  Nobody may hold a guest_ptr() any more. */
void memory_destroy(struct memory *mem)
{
	while (mem->nr) {
		struct memory_region *r = &mem->region[--mem->nr];

		munmap((char *)r->hva - GUARD, r->size + 2 * GUARD);
	}
}

/* The first guest address above all RAM. */
uint64_t memory_top(const struct memory *mem)
{
	const struct memory_region *last = &mem->region[mem->nr - 1];

	return last->gpa + last->size;
}

/*
 * How many bytes of it take up host memory: what was ever touched, in whole
 * pages, less what is swapped out.
 */
uint64_t memory_resident(const struct memory *mem)
{
	const uint64_t page = sysconf(_SC_PAGESIZE), step = 4096 * page;
	const struct memory_region *r;
	unsigned char in_core[4096];
	uint64_t pages = 0;

	for (r = mem->region; r < mem->region + mem->nr; r++)
		for (uint64_t at = 0; at < r->size; at += step) {
			uint64_t n = r->size - at < step ? r->size - at : step;

			if (mincore((char *)r->hva + at, n, in_core) < 0)
				continue;
			for (uint64_t i = 0; i < n / page; i++)
				pages += in_core[i] & 1;
		}
	return pages * page;
}

/*
 * The only way from a guest address to a pointer.  All @len bytes must lie in
 * one region; otherwise NULL, and the caller decides what that guest deserves.
 *
 * Written without gpa + len: the guest picks both, and the sum can wrap.
 */
void *guest_ptr(const struct memory *mem, uint64_t gpa, uint64_t len)
{
	const struct memory_region *r;

	for (r = mem->region; r < mem->region + mem->nr; r++)
		if (gpa >= r->gpa && len <= r->size &&
		    gpa - r->gpa <= r->size - len)
			return (char *)r->hva + (gpa - r->gpa);

	return NULL;
}

/*
 * What else the guest shares with us, @bytes of it (whole pages), lies as RAM
 * does: a step outside is a fault.  @fd is what is mapped there, or -1 for
 * zeroes.  NULL, with errno set, if it cannot be had.
 */
void *guarded_map(uint64_t bytes, int fd)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	char *p;

	p = mmap(NULL, bytes + 2 * page, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	if (mmap(p + page, bytes, PROT_READ | PROT_WRITE, kind | MAP_FIXED, fd,
		 0) == MAP_FAILED) {
		munmap(p, bytes + 2 * page);
		return NULL;
	}
	return p + page;
}
