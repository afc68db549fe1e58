/* SPDX-License-Identifier: MIT */
/*
 * What the kernel holds, from /proc.  See amounts.h for how it is used.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/conformance/amounts.h"
#include "tests/conformance/suite.h"

void amounts_take(struct amounts *a)
{
	static const char *const held[] = {
		"SUnreclaim:", "KernelStack:", "VmallocUsed:", "Percpu:"
	};
	char line[512];
	FILE *f;
	long n;

	*a = (struct amounts) { 0 };
	f = fopen("/proc/slabinfo", "re");
	while (f && a->kinds < KINDS && fgets(line, sizeof(line), f))
		if (sscanf(line, "%39s %ld", a->slab[a->kinds].name,
			   &a->slab[a->kinds].objects) == 2)
			a->kinds++;
	if (f)
		fclose(f);
	f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f))
		for (unsigned int i = 0; i < sizeof(held) / sizeof(*held); i++)
			if (strncmp(line, held[i], strlen(held[i])) == 0 &&
			    sscanf(line, "%*s %ld", &n) == 1)
				a->kilobytes += n;
	if (f)
		fclose(f);
	f = fopen("/proc/sys/fs/file-nr", "re");
	if (f && fscanf(f, "%ld", &n) == 1)
		a->files = n;
	if (f)
		fclose(f);
	REQUIRE(a->kinds && a->kilobytes && a->files, "/proc tells nothing");
}

static long growth(const struct amounts *a, const struct amounts *b,
		   const char *name)
{
	long n = 0;

	for (unsigned int i = 0; i < a->kinds; i++)
		if (strcmp(a->slab[i].name, name) == 0)
			n -= a->slab[i].objects;
	for (unsigned int i = 0; i < b->kinds; i++)
		if (strcmp(b->slab[i].name, name) == 0)
			n += b->slab[i].objects;
	return n;
}

/*
 * A leak is an object, page or file more of some kind for a third of the lives
 * or more, in each of the rounds.  Whatever else the machine does grows in one
 * of them, not in all.
 */
void amounts_check(const struct amounts a[ROUNDS + 1], unsigned int lives)
{
	long leaked = lives / 3;

#define EVERY_ROUND(what) \
	({ bool all_ = true; \
	   for (unsigned int i = 0; i < ROUNDS; i++) \
		all_ &= (what); \
	   all_; })
	for (unsigned int k = 0; k < a[0].kinds; k++)
		/* Freed many at a time, later; what they map, at once. */
		EXPECT(strcmp(a[0].slab[k].name, "vmap_area") == 0 ||
		       !EVERY_ROUND(growth(&a[i], &a[i + 1],
					   a[0].slab[k].name) >= leaked),
		       "%s: %ld, %ld and %ld more objects after %u lives each",
		       a[0].slab[k].name,
		       growth(&a[0], &a[1], a[0].slab[k].name),
		       growth(&a[1], &a[2], a[0].slab[k].name),
		       growth(&a[2], &a[3], a[0].slab[k].name), lives);
	EXPECT(!EVERY_ROUND(a[i + 1].kilobytes - a[i].kilobytes >= leaked * 4),
	       "kernel memory: %ld, %ld, %ld, %ld KiB, %u lives between",
	       a[0].kilobytes, a[1].kilobytes, a[2].kilobytes, a[3].kilobytes,
	       lives);
	EXPECT(!EVERY_ROUND(a[i + 1].files - a[i].files >= leaked),
	       "open files: %ld, %ld, %ld, %ld, %u lives between",
	       a[0].files, a[1].files, a[2].files, a[3].files, lives);
}
