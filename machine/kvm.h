/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine as KVM sees it: memslots, interrupt routes, and the
 * eventfds that let a guest's store or a vhost worker's signal reach its
 * destination without a return to user space.
 *
 * Only kvm.c and vcpu.c include <linux/kvm.h>; what others need is here.
 */
#ifndef MACHINE_KVM_H
#define MACHINE_KVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine/ioapic.h"
#include "machine/memory.h"
#include "machine/trace.h"

struct kvm {
	int fd;				/* /dev/kvm */
	int vm_fd;
	unsigned int slots;		/* memslots given out so far */
	unsigned int max_cpus;
	int stats_fd;			/* of the VM; see kvm_stats_open() */
	struct {			/* GSI n is pin n of our IOAPIC */
		bool valid;
		struct msi msi;
	} route[IOAPIC_PINS];
};

/*
 * What KVM counted of a VM or a vCPU, with KVM's own description of it
 * (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD).
 */
#define KVM_STATS_BYTES	  16384		/* Linux 6.18 has 4,056 for a vCPU */
#define KVM_STAT_NAME	  64		/* and names of 48, with their zero */
#define KVM_STAT_BUCKETS  64		/* and histograms of 32 */

struct kvm_stats {
	unsigned int nr;
	size_t bytes;
	uint8_t image[KVM_STATS_BYTES];
};

struct kvm_stat {
	char name[KVM_STAT_NAME];
	bool peak;			/* not to be added up */
	bool log;			/* bucket n begins at 2^(n - 1) */
	uint32_t bucket_size;		/* otherwise at n times this */
	unsigned int nr;		/* 1, or a histogram's buckets */
	uint64_t value[KVM_STAT_BUCKETS];
};

extern const struct trace_call kvm_calls[];

/*
 * As ioctl(2), and in the transcript: for all but KVM_RUN.  @arg is a pointer
 * or a number.
 */
#define kvm_ioctl(fd, request, arg) \
	trace_ioctl(TRACE_KVM, kvm_calls, fd, request, (unsigned long)(arg))

void kvm_create(struct kvm *kvm);
bool kvm_probe(void);
uint64_t kvm_address_space(const struct kvm *kvm);
int kvm_map_ram(struct kvm *kvm, const struct memory *mem);
int kvm_map_readonly(struct kvm *kvm, uint64_t gpa, void *hva, uint64_t size);
int kvm_set_route(struct kvm *kvm, unsigned int gsi, const struct msi *msi);
int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi);
int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t gpa, uint32_t value);
int kvm_stats_open(int fd);
int kvm_stats_read(struct kvm_stats *s, int fd);
bool kvm_stats_get(const struct kvm_stats *s, unsigned int i,
		   struct kvm_stat *stat);

#endif
