/* SPDX-License-Identifier: MIT */
/*
 * A split ring in guest memory and the driver's end of it, for tests of the
 * device's end.
 */
#ifndef TESTS_UNIT_RING_H
#define TESTS_UNIT_RING_H

#include <stdlib.h>
#include <string.h>
#include <linux/virtio_config.h>

#include "tests/unit/check.h"
#include "virtio/queue.h"

#define ROWS(a)		(sizeof(a) / sizeof((a)[0]))

#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define INDIRECT	VRING_DESC_F_INDIRECT

#define F_INDIRECT	(1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define F_EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)

/* Where things are in guest memory, which ends at END, goes on at HIGH. */
#define LOW_END		0xd0000000ULL
#define HIGH		0x100000000ULL
#define END		(HIGH + 0x200000)
#define DESC		0x10000ULL
#define AVAIL		0x20000ULL
#define USED		0x30000ULL
#define TABLE		0x40000ULL
#define TABLE2		0x60000ULL
#define DATA		0x100000ULL

static struct memory mem;
static struct vring ring;

static inline void *at(uint64_t gpa)
{
	return guest_ptr(&mem, gpa, 0);
}

/* A new ring of @num entries, all of it zero, and a queue to run it. */
static inline void start(struct queue *q, unsigned int num, uint64_t features)
{
	ring = (struct vring) { num, at(DESC), at(AVAIL), at(USED) };
	memset(ring.desc, 0, num * sizeof(*ring.desc));
	memset(ring.avail, 0, 2 * (3 + num));
	memset(ring.used, 0, 6 + num * sizeof(ring.used->ring[0]));
	queue_start(q, &mem, &ring, 0, features);
}

static inline uint16_t *used_event(void)
{
	return &ring.avail->ring[ring.num];
}

static inline uint16_t *avail_event(void)
{
	return (uint16_t *)&ring.used->ring[ring.num];
}

static inline void offer(uint16_t head)
{
	ring.avail->ring[ring.avail->idx % ring.num] = head;
	ring.avail->idx++;
}

#endif
