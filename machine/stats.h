/* SPDX-License-Identifier: MIT */
/*
 * --stats: what KVM, the scheduler, the tap and the launcher itself counted.
 *
 * All of it is counted anyway, by somebody; it is read when a report is asked
 * for, at exit, on SIGUSR1 or every --stats-interval seconds, and no packet,
 * kick or interrupt is any slower for it.
 */
#ifndef MACHINE_STATS_H
#define MACHINE_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "machine/loop.h"
#include "machine/options.h"

struct machine;

/* What is divided by what at the end of a report; the last ones are times. */
enum {
	SUM_EXITS, SUM_RETURNS, SUM_PACKETS, SUM_INTERRUPTS,
	SUM_VCPU_NS, SUM_VHOST_NS, SUM_MAIN_NS, SUMS,
};

struct stats {
	FILE *out;
	bool json, failed;		/* to write, which has been said */
	struct watch timer;
	uint64_t start_ms;		/* CLOCK_MONOTONIC */
	unsigned int nr_workers;	/* vhost's, as far as found */
	pid_t worker[CARDS_MAX];
	uint64_t before[SUMS];		/* at the last --stats-interval */
};

void stats_create(struct machine *m);
void stats_print(struct machine *m, const char *when);

#endif
