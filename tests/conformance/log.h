/* SPDX-License-Identifier: MIT */
/*
 * The bitmap that vhost logs its writes in, guest memory as it was before, and
 * what the scenarios of group D have in common besides.
 */
#ifndef CONFORMANCE_LOG_H
#define CONFORMANCE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/conformance/rig.h"

#define PAGE		4096U
#define PATIENCE	5000	/* ms until something will never come */
#define POISON		0xa5	/* in buffers that nothing was written to */
#define LOG_ALL		FEATURE(VHOST_F_LOG_ALL)
#define MERGEABLE	FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define MODERN		FEATURE(VIRTIO_F_VERSION_1)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	FEATURE(VIRTIO_RING_F_INDIRECT_DESC)

struct log {
	_Atomic uint64_t *word;	/* bit n: page n was written */
	size_t bytes;
};

/* For guest memory that ends at @top.  Holes cost address space only. */
void log_make(struct log *log, uint64_t top);
void log_free(struct log *log);
bool logged(const struct log *log, uint64_t page);
/* Take all bits out, as a migration does while vhost still sets some. */
void log_harvest(struct log *log, struct log *into);

int set_log_base(struct rig *r, const void *base);
/* Are writes to the used ring itself logged as well? */
int log_ring(struct rig *r, unsigned int index, bool on);
/* All of it, in the order of a migration. */
void log_on(struct rig *r, const struct log *log);
/* The tap to both rings. */
void attach(struct rig *r);
/* rig_start() with the log on from the first byte. */
void start_logged(struct rig *r, const struct log *log);

/* A stretch of guest memory, as it was. */
struct shadow {
	uint64_t gpa, bytes;
	uint8_t *copy;
};

void shadow_take(struct shadow *s, struct rig *r, uint64_t gpa,
		 uint64_t bytes);
/* Each page that changed since is in the log; @what begins the message. */
void check_changed(const struct shadow *s, struct rig *r,
		   const struct log *log, const char *what);
/* And no page is but those of a set, which has a byte for each of @pages. */
void mark(uint8_t *set, uint64_t gpa, uint64_t bytes);
void check_allowed(const struct log *log, const uint8_t *allowed,
		   uint64_t pages, const char *what);
/* Flags, index, entries, and the event index behind them. */
uint64_t used_bytes(const struct ring *ring);

/* ---- Scenarios that have a file of their own ---- */

void shadow_compare(void);	/* D1 */
void nothing_else(void);	/* D2 */
void migration(void);		/* D8 */
void in_order(void);		/* D9 */
void awkward_memory(void);	/* D10 */

#endif
