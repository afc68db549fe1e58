/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue as its device sees it (virtio 1.2, section 2.7): buffers
 * are taken from the avail ring and given back through the used ring.
 *
 * All of it lies in memory that a guest on another CPU may rewrite at any time.
 * So each field is read once, into a copy that is then checked and used; and
 * what we have to remember, how far we got, is kept here and never there.
 */
#ifndef VIRTIO_QUEUE_H
#define VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <linux/virtio_ring.h>

#include "machine/memory.h"

#define QUEUE_CHAIN_MAX	1024	/* descriptors; also what writev(2) takes */

struct queue {
	const struct memory *mem;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t num;			/* entries of each, a power of 2 */
	bool indirect, event_idx;	/* accepted by the driver */

	uint16_t last_avail;		/* the next entry of avail to take */
	uint16_t next_used;		/* the next entry of used to fill */
	uint16_t published;		/* next_used, as the driver sees it */
	bool published_before;
	const char *why;		/* after -EPROTO: what is wrong */
};

/* One request: buffers that we may read, then buffers that we may write. */
struct chain {
	uint16_t head;			/* what to give back */
	unsigned int out, in;		/* how many of each there are */
	uint64_t out_bytes, in_bytes;
};

void queue_start(struct queue *q, const struct memory *mem,
		 const struct vring *ring, uint16_t base, uint64_t features);
int queue_take(struct queue *q, struct chain *c, struct iovec *iov,
	       unsigned int max);
void queue_untake(struct queue *q, unsigned int n);
void queue_give(struct queue *q, uint16_t head, uint32_t written);
bool queue_publish(struct queue *q);
void queue_kicks_off(struct queue *q);
bool queue_kicks_on(struct queue *q);

#endif
