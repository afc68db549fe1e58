/* SPDX-License-Identifier: MIT */
/*
 * What the kernel holds, and whether it grows: how a leak is seen from outside.
 *
 *	amounts_take(&a[0]);
 *	for each of ROUNDS rounds	as many lives in each
 *		...
 *		amounts_take(&a[round + 1]);
 *	amounts_check(a, lives);
 */
#ifndef CONFORMANCE_AMOUNTS_H
#define CONFORMANCE_AMOUNTS_H

#define KINDS	400
#define ROUNDS	3

struct amounts {
	unsigned int kinds;	/* of kernel objects, each with its count */
	struct { char name[40]; long objects; } slab[KINDS];
	long kilobytes;		/* that the kernel holds, of any kind */
	long files;		/* open in the whole machine */
};

void amounts_take(struct amounts *a);
/* Was a third of the @lives of each round, or more, leaked each time? */
void amounts_check(const struct amounts a[ROUNDS + 1], unsigned int lives);

#endif
