/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "machine/refuse.h"

/* Put the sentence into @why, cut to fit.  Always false, to be returned. */
bool refuse(char why[static WHY_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}
