/* SPDX-License-Identifier: MIT */
/*
 * Scenarios: what one is, and what it may say.
 *
 * A scenario is a function and a row in the table of its group.  It runs in a
 * process, a network namespace and a descriptor table of its own, under a time
 * limit, so it may die, hang or leave things open without hurting the next.
 *
 *	static void closed_kick(void)
 *	{
 *		...
 *		EXPECT(err == -EBADF, "KICK of a closed fd: %s", strerror(-err));
 *	}
 *
 * It passes if it comes to its end, every EXPECT held, and the kernel logged no
 * warning, oops, KASAN or lockdep report meanwhile.
 */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include <stdbool.h>
#include <stdint.h>

struct scenario {
	const char *id;		/* as in C1: the group's letter, and a number */
	const char *title;	/* what is done, and what must be seen */
	void (*run)(void);
	unsigned int seconds;	/* the time limit, if more than 30 at scale 1 */
};

/* One file and one table for each group; a row without a run ends it. */
extern const struct scenario control[], rings[], hostile[], lifecycle[],
	dirty_log[], iotlb[], offloads[], backends[], workers[], efficiency[];

/*
 * If @cond does not hold, say so (a printf format) with file and line, and go
 * on: the scenario has failed.  The value is that of @cond.
 */
#define EXPECT(cond, ...) \
	((cond) ? true : (failed(__FILE__, __LINE__, __VA_ARGS__), false))
/* The same, and the scenario ends: nothing after it would make sense. */
#define REQUIRE(cond, ...) \
	((cond) ? (void)0 : (failed(__FILE__, __LINE__, __VA_ARGS__), give_up()))

__attribute__((format(printf, 3, 4)))
void failed(const char *file, int line, const char *fmt, ...);
__attribute__((noreturn)) void give_up(void);

/* The scenario ends here, neither passed nor failed, for lack of @fmt. */
__attribute__((noreturn, format(printf, 1, 2)))
void skip(const char *fmt, ...);

/* A line for the reader of the report: a count, or what was probed. */
__attribute__((format(printf, 1, 2)))
void note(const char *fmt, ...);

/* @count of the long ones, made smaller by --scale; never less than @least. */
unsigned int scaled(unsigned int count, unsigned int least);

/* A network namespace of this process's own: each scenario has one, and what
 * it forks may want another. */
void own_network(void);

/* Pseudo-random, the same for the same --seed. */
uint32_t rnd(void);

/*
 * Is the running kernel @major.@minor or newer?  Only where no probe exists:
 * stable updates carry fixes too.
 */
bool kernel_since(unsigned int major, unsigned int minor);

/* What a hang, or the first failure, shows of the scenario: set by the rig. */
extern void (*dump_state)(void);

#endif
