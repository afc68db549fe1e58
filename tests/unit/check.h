/* SPDX-License-Identifier: MIT */
/*
 * The whole unit test framework: a program prints TAP and prove(1) reads it.
 *
 *	CHECK(sum == 0, "the checksum of %s", name);
 *	return done();
 *
 * A description is a printf format, and has no '#': TAP would read a directive.
 */
#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static unsigned int checks_run, checks_failed;

/* Count and print one result.  The value of CHECK() is that of @cond. */
#define CHECK(cond, ...) ({						\
	bool ok_ = (cond);						\
									\
	printf(ok_ ? "ok %u - " : "not ok %u - ", ++checks_run);	\
	printf(__VA_ARGS__);						\
	putchar('\n');							\
	if (!ok_) {							\
		checks_failed++;					\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
	}								\
	ok_;								\
})

/* A test that cannot run here says so, and why: that is not a failure. */
#define SKIP(why)	printf("ok %u # SKIP %s\n", ++checks_run, why)

/* Print the plan.  Returns the exit status for main(). */
static inline int done(void)
{
	printf("1..%u\n", checks_run);
	return checks_failed ? 1 : 0;
}

#endif
