/* SPDX-License-Identifier: MIT */
/*
 * What the scenarios of group P have in common: to count what frames cost.
 */
#ifndef CONFORMANCE_EFFICIENCY_H
#define CONFORMANCE_EFFICIENCY_H

#include <stdint.h>

#include "tests/conformance/rig.h"

#define SOON_MS		10000U	/* what is due comes within, on any machine */
#define NUM		256U
#define SMALL		60U	/* bytes: with its checksum, the least there is */
#define V1		FEATURE(VIRTIO_F_VERSION_1)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)

struct cost {
	unsigned int frames, kicks, calls;
	uint64_t cpu, switches, ns;	/* the worker's; and the clock's */
};

struct cost cost_begin(const struct rig *r);
/* Until now; and a line of it for the report. */
void cost_end(struct cost *c, const struct rig *r, const char *what);

/*
 * Ask to be called when the @n-th from now is used, and not before; without
 * EVENT_IDX there is only all or nothing, and a driver that looks for itself
 * wants nothing.
 */
void want_call(struct ring *ring, unsigned int n);
/* Let RX have @n buffers out. */
void refill(struct rig *r, unsigned int n, struct cost *c);
void set_busyloop(const struct rig *r, unsigned int us);
/* For @ms nothing happens: the worker must not run at all. */
void expect_idle(const struct rig *r, unsigned int ms, const char *what);

/* In efficiency-load.c, for the table in efficiency.c. */
void latency(void);
void busy_polling(void);
void fairness(void);
void streams(void);
void shared_cpu(void);

#endif
