/* SPDX-License-Identifier: MIT */
/*
 * From a backend's call to the guest's interrupt, where that leads through the
 * main loop.  Usually it does not: a call_fd that is an irqfd is KVM's affair.
 *
 *   relayed   InterruptStatus is kept by the book, so somebody has to set a
 *             bit before each interrupt
 *   delayed   TX completions: the first is delivered at once, and whatever
 *             else completes in the time after it is delivered together
 */
#ifndef MACHINE_CALL_H
#define MACHINE_CALL_H

#include "machine/loop.h"

/* Belongs to the caller, who keeps it where it is. */
struct call {
	struct loop *loop;
	struct watch call, timer;
	unsigned int delay_us;		/* after an interrupt; 0 for none */
	void (*deliver)(void *ctx);
	void *ctx;
};

int call_watch(struct call *c, struct loop *loop, int call_fd,
	       unsigned int delay_us, void (*deliver)(void *ctx), void *ctx);

#endif
