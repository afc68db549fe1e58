/* SPDX-License-Identifier: MIT */
/*
 * The device's half of a ring.  drivers/vhost/vhost.c does the same in the
 * kernel; the functions there that these follow are named at each.
 */
#include <errno.h>
#include <string.h>
#include <linux/virtio_config.h>

#include "virtio/queue.h"

/* Shared with a guest on another CPU: exactly one load, exactly one store. */
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier()	 __asm__ __volatile__("" ::: "memory")

/* Where the two event indices are: behind the other ring's entries (2.7.10). */
static uint16_t *used_event(const struct queue *q)
{
	return &q->avail->ring[q->num];
}

static uint16_t *avail_event(const struct queue *q)
{
	return (uint16_t *)&q->used->ring[q->num];
}

/*
 * Begin to run @ring, of which every byte is known to be in @mem, with what the
 * driver accepted in @features.  The next entry to take is @base.
 */
void queue_start(struct queue *q, const struct memory *mem,
		 const struct vring *ring, uint16_t base, uint64_t features)
{
	uint16_t used = READ_ONCE(ring->used->idx);

	*q = (struct queue) {
		.mem = mem,
		.desc = ring->desc, .avail = ring->avail, .used = ring->used,
		.num = ring->num,
		.indirect  = features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
		.event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1,
		.last_avail = base,
		.next_used = used, .published = used,
	};
	/* With EVENT_IDX it has to be 0, and stays so (2.7.10.1). */
	WRITE_ONCE(ring->used->flags, 0);
}

/*
 * ---- taking ----
 */

static int wrong(struct queue *q, const char *why)
{
	q->why = why;
	return -EPROTO;
}

/*
 * A copy of descriptor @i, which the guest cannot change any more.  An indirect
 * table may lie at any address.
 */
static struct vring_desc copy(const struct vring_desc *table, unsigned int i)
{
	struct vring_desc d;

	memcpy(&d, &table[i], sizeof(d));
	barrier();		/* from here on there is only d */
	return d;
}

/* A chain on its way into an array of @max buffers. */
struct walk {
	struct queue *q;
	struct chain *c;
	struct iovec *iov;
	unsigned int max;
	unsigned int seen;		/* descriptors so far, empty ones too */
	bool indirect;			/* in a table: there is no second one */
};

/* The buffer of @d becomes the chain's next. */
static int add_buffer(struct walk *w, const struct vring_desc *d)
{
	struct chain *c = w->c;
	void *hva;

	if (!(d->flags & VRING_DESC_F_WRITE) && c->in)
		return wrong(w->q, "a chain has buffers to read after some to "
			     "write");	/* 2.7.4.2 */
	if (d->len == 0)
		return 0;
	hva = guest_ptr(w->q->mem, d->addr, d->len);
	if (!hva)
		return wrong(w->q, "a buffer is not in RAM");
	if (c->out + c->in == w->max)
		return -ENOBUFS;

	w->iov[c->out + c->in] = (struct iovec) { hva, d->len };
	if (d->flags & VRING_DESC_F_WRITE) {
		c->in++;
		c->in_bytes += d->len;
	} else {
		c->out++;
		c->out_bytes += d->len;
	}
	return 0;
}

static int follow(struct walk *w, const struct vring_desc *table,
		  unsigned int n, uint16_t i);

/* @d stands for a table of its own (2.7.5.3): one level, and the chain's end. */
static int follow_indirect(struct walk *w, const struct vring_desc *d)
{
	const struct vring_desc *table;

	if (w->indirect)
		return wrong(w->q, "an indirect table within another");
	if (!w->q->indirect)
		return wrong(w->q, "an indirect descriptor, which was not "
			     "negotiated");
	if (d->flags & VRING_DESC_F_NEXT)
		return wrong(w->q, "an indirect descriptor has a next one");
	if (d->len == 0 || d->len % sizeof(*table))
		return wrong(w->q, "an indirect table ends within a "
			     "descriptor");
	table = guest_ptr(w->q->mem, d->addr, d->len);
	if (!table)
		return wrong(w->q, "an indirect table is not in RAM");
	w->indirect = true;
	w->seen--;		/* it counts for what is in its table */
	return follow(w, table, d->len / sizeof(*table), 0);
}

/* From descriptor @i on through @table, which has @n of them. */
static int follow(struct walk *w, const struct vring_desc *table,
		  unsigned int n, uint16_t i)
{
	for (unsigned int links = 0; links < n; links++) {
		struct vring_desc d;
		int err;

		if (i >= n)
			return wrong(w->q, "a chain leads out of its table");
		if (w->seen++ == QUEUE_CHAIN_MAX)
			return wrong(w->q, "a chain of over 1,024 descriptors");
		d = copy(table, i);
		if (d.flags & VRING_DESC_F_INDIRECT)
			err = follow_indirect(w, &d);
		else
			err = add_buffer(w, &d);
		if (err || !(d.flags & VRING_DESC_F_NEXT))
			return err;
		i = d.next;
	}
	return wrong(w->q, "a chain has a loop");
}

/*
 * Take the next chain off the avail ring and put its buffers into @iov, which
 * has room for @max.  Returns 1 with @c filled in; 0 if there is none; -ENOBUFS
 * if it needs more room than that, and it stays where it is (QUEUE_CHAIN_MAX is
 * enough for any); -EPROTO with q->why if the driver broke the rules.
 * As vhost_get_vq_desc() in drivers/vhost/vhost.c.
 */
int queue_take(struct queue *q, struct chain *c, struct iovec *iov,
	       unsigned int max)
{
	struct walk w = { .q = q, .c = c, .iov = iov, .max = max };
	uint16_t ahead = READ_ONCE(q->avail->idx) - q->last_avail;
	uint16_t head;
	int err;

	if (ahead == 0)
		return 0;
	if (ahead > q->num)
		return wrong(q, "avail idx is further ahead than the ring has "
			     "entries");
	/* The entry is there only since the index says so: index first. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	head = READ_ONCE(q->avail->ring[q->last_avail % q->num]);

	*c = (struct chain) { .head = head };
	err = follow(&w, q->desc, q->num, head);
	if (err)
		return err;
	q->last_avail++;
	return 1;
}

/* The last @n chains taken are as if they had not been. */
void queue_untake(struct queue *q, unsigned int n)
{
	q->last_avail -= n;
}

/*
 * ---- giving back ----
 */

/* The chain at @head is done; @written bytes are in it.  Not yet to be seen. */
void queue_give(struct queue *q, uint16_t head, uint32_t written)
{
	struct vring_used_elem *e = &q->used->ring[q->next_used++ % q->num];

	WRITE_ONCE(e->id, head);
	WRITE_ONCE(e->len, written);
}

/*
 * Let the driver see all that was given back.  Returns whether it wants an
 * interrupt for that (2.7.7.1).  As vhost_notify() in drivers/vhost/vhost.c.
 */
bool queue_publish(struct queue *q)
{
	uint16_t was = q->published, now = q->next_used;
	bool first = !q->published_before;

	if (now == was)
		return false;
	q->published = now;
	q->published_before = true;
	/* Entries before the index, and the index before what is read now. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(q->used->idx, now);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	if (!q->event_idx)
		return !(READ_ONCE(q->avail->flags) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	return first || vring_need_event(READ_ONCE(*used_event(q)), now, was);
}

/*
 * ---- kicks ----
 */

/*
 * We look at the ring anyway: the driver need not kick.  With EVENT_IDX it is
 * enough not to ask anew.
 */
void queue_kicks_off(struct queue *q)
{
	if (!q->event_idx)
		WRITE_ONCE(q->used->flags, VRING_USED_F_NO_NOTIFY);
}

/*
 * The next chain is worth a kick.  Returns whether one came before the driver
 * could know of that, for which no kick will come.
 * As vhost_enable_notify() in drivers/vhost/vhost.c.
 */
bool queue_kicks_on(struct queue *q)
{
	if (q->event_idx)
		WRITE_ONCE(*avail_event(q), q->last_avail);
	else
		WRITE_ONCE(q->used->flags, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return READ_ONCE(q->avail->idx) != q->last_avail;
}
