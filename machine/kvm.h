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
#include <stdint.h>

#include "machine/ioapic.h"
#include "machine/memory.h"

struct kvm {
	int fd;				/* /dev/kvm */
	int vm_fd;
	unsigned int slots;		/* memslots given out so far */
	unsigned int max_cpus;
	struct {			/* GSI n is pin n of our IOAPIC */
		bool valid;
		struct msi msi;
	} route[IOAPIC_PINS];
};

void kvm_create(struct kvm *kvm);
bool kvm_probe(void);
uint64_t kvm_address_space(const struct kvm *kvm);
int kvm_map_ram(struct kvm *kvm, const struct memory *mem);
int kvm_map_readonly(struct kvm *kvm, uint64_t gpa, void *hva, uint64_t size);
int kvm_set_route(struct kvm *kvm, unsigned int gsi, const struct msi *msi);
int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi);
int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t gpa, uint32_t value);

#endif
