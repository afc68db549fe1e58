/* SPDX-License-Identifier: MIT */
/*
 * How main.c has a scenario run, and what came of it.  Scenarios need nothing
 * of this: what they may say is in suite.h.
 */
#ifndef CONFORMANCE_RUNNER_H
#define CONFORMANCE_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/conformance/suite.h"

struct run_options {
	uint32_t seed;
	double scale;			/* of the counts that are long */
	unsigned int seconds;		/* for a scenario that names none */
};

extern struct run_options run_options;

enum verdict { PASSED, FAILED, SKIPPED, KNOWN };

struct outcome {
	enum verdict verdict;
	char reason[256];		/* of a skip, or of a known failure */
	char *log;			/* its lines, to be freed */
	double seconds;
};

/* Lines the runner and the scenario have in common: false if there is none. */
bool run_prepare(char *why, size_t size);
struct outcome run_scenario(const struct scenario *s);
/* What the kernel logged since the last scenario ended; NULL for no splat. */
const char *kernel_log_splat(void);

/* ---- What this kernel is (see kernel_since() in suite.h) ---- */

#define VERSION(major, minor, patch) \
	((major) << 20 | (minor) << 10 | (patch))
unsigned int kernel_version(void);
const char *kernel_build(void);		/* uname -r and -v */

/* ---- Failures that are known, known.c ---- */

struct known {
	const char *id;			/* of the scenario */
	unsigned int from, before;	/* VERSION(); 0 for no bound */
	const char *says;		/* part of each message it excuses */
	const char *reason;
};

/* The row that excuses @message in scenario @id on this kernel, or NULL. */
const struct known *known_failure(const char *id, const char *message);
/* Is any failure of scenario @id excused on this kernel? */
bool known_to_fail(const char *id);

#endif
