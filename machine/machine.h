/* SPDX-License-Identifier: MIT */
/*
 * The whole machine, in the order in which launcher.c builds it.
 *
 * A module takes the one member it works on, not all of this: only launcher.c,
 * vcpu.c, card.c and stats.c, where the parts meet, know the whole.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <pthread.h>

#include "machine/bus.h"
#include "machine/card.h"
#include "machine/console.h"
#include "machine/ioapic.h"
#include "machine/kvm.h"
#include "machine/loop.h"
#include "machine/memory.h"
#include "machine/options.h"
#include "machine/stats.h"
#include "machine/vcpu.h"

/* What a run ends with; 1 and 2 are the host's and the user's mistakes. */
enum {
	EXIT_POWER_OFF	   = 0,
	EXIT_GUEST_RESET   = 3,	/* also a panic with panic=N */
	EXIT_GUEST_CRASHED = 4,	/* triple fault, or KVM gave up on it */
	EXIT_SIGNALLED	   = 128,
};

struct machine {
	struct options opt;

	/*
	 * The one lock: held while a vCPU is in a device and while the main
	 * loop handles an event.  No packet ever waits for it.
	 */
	pthread_mutex_t lock;

	struct memory memory;
	struct kvm kvm;
	struct loop loop;
	struct bus ports, mmio;
	struct ioapic ioapic;
	struct console console;
	struct card card[CARDS_MAX];
	struct link_watch links;
	struct stats stats;
	struct vcpu *vcpu;		/* opt.cpus of them */
};

#endif
