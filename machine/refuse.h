/* SPDX-License-Identifier: MIT */
/*
 * How a "no" travels: as one sentence, in a buffer of the caller's, from the
 * function that knows what is wrong to the one that knows what to do about it
 * (end with status 1 or 2, or compare it with what a test expects).
 */
#ifndef MACHINE_REFUSE_H
#define MACHINE_REFUSE_H

#include <stdbool.h>

#define WHY_MAX 256

bool refuse(char why[static WHY_MAX], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
