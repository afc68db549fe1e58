/* SPDX-License-Identifier: MIT */
/*
 * Virtual CPUs: one thread each, running the guest until it touches something
 * KVM cannot answer.
 */
#ifndef MACHINE_VCPU_H
#define MACHINE_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/report.h"
#include "machine/thread.h"

struct kvm_run;
struct machine;

#define VCPU_EXITS_MAX 64		/* KVM's exit reasons are below this */

struct vcpu {
	int fd;
	unsigned int id;		/* its APIC id, too */
	struct kvm_run *run;
	struct machine *machine;
	pthread_t thread;
	pid_t tid;			/* of thread while it runs, else 0 */
	struct thread_usage usage;	/* of thread, once it has ended */
	bool usage_unknown;		/* that could not be seen then */
	int stats_fd;			/* see kvm_stats_open() */
	uint64_t exits[VCPU_EXITS_MAX];	/* returns of KVM_RUN, by reason */
	uint64_t interrupted;		/* returns because of a signal */
};

void vcpus_create(struct machine *m, uint64_t entry, uint64_t boot_params);
void vcpus_start(struct machine *m);
void vcpus_stop(struct machine *m);
uint64_t vcpu_speed(int kvm_fd, int vm_fd);
uint64_t vcpu_report_returns(const struct machine *m, struct report *r,
			     const struct report_columns *per_vcpu);

#endif
