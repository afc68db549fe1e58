/* SPDX-License-Identifier: MIT */
/*
 * What the host's scheduler knows of a thread: one of ours, or the worker that
 * vhost runs for us, which is the kernel's before Linux 6.4 and ours since.
 */
#ifndef MACHINE_THREAD_H
#define MACHINE_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct thread_usage {
	uint64_t cpu_ns;		/* it ran */
	uint64_t wait_ns;		/* it could have run, had there been a CPU */
	uint64_t voluntary, involuntary; /* context switches */
};

void thread_lengthen_slice(unsigned int times);
int thread_batch(pid_t tid);
bool thread_usage(struct thread_usage *u, pid_t tid);
unsigned int thread_find_vhost(pid_t *tid, unsigned int max);

#endif
