/* SPDX-License-Identifier: MIT */
/*
 * A rig: a vhost_net, a tap in this scenario's network namespace, and a pair of
 * rings in memory of ours, which we drive as a guest's driver would.
 *
 *	struct rig r;
 *	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);	owned, nothing set
 *	rig_start(&r);				tables, rings, backends
 *	rig_send(&r, frame, len);		one frame out of the tap, checked
 *	rig_stop(&r);				backends away, bases read
 *
 * Everything REQUIREs what it needs: a function that returns has worked, unless
 * its comment says that it returns an error.  A feature that this kernel does
 * not offer makes rig_make() skip the scenario; where that is not meant, look at
 * VHOST_GET_FEATURES first.
 *
 * Frames are Ethernet, of an EtherType of ours that no protocol of the kernel
 * answers, with a sequence number in the source address and then a pattern in
 * which each byte tells its place: one that came out shifted says by how much.
 */
#ifndef CONFORMANCE_RIG_H
#define CONFORMANCE_RIG_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "machine/memory.h"
#include "tests/conformance/suite.h"

#define FEATURE(bit)	(1ULL << (bit))
#define RX		0U
#define TX		1U
#define FRAME_TYPE	0x88b5		/* for local experiments, IEEE 802 */
#define FRAME_MIN	14U

/* ---- A ring, from the driver's side (virtio 1.2, section 2.7) ---- */

struct ring {
	struct vring v;			/* pointers into our memory */
	uint64_t gpa;			/* of all three parts, desc first */
	unsigned int index;		/* RX or TX */
	uint16_t base;			/* what SET_VRING_BASE is told */
	uint16_t next_avail;		/* the index the driver would publish next */
	uint16_t last_used;		/* the next entry of used to look at */
	int kick, call, err;		/* eventfds, not blocking */
	bool event_idx;
	struct memory *mem;
};

/* Write descriptor @i.  @gpa, @len and @flags may be any nonsense. */
void ring_desc(struct ring *r, unsigned int i, uint64_t gpa, uint32_t len,
	       uint16_t flags, uint16_t next);
/* Put @head at the next place of avail, without telling. */
void ring_offer(struct ring *r, uint16_t head);
/* Tell: store avail->idx.  ring_kick() does this, then signals. */
void ring_publish(struct ring *r);
void ring_kick(struct ring *r);
/* Publish; does the device ask for a signal?  None is given. */
bool ring_publish_wanted(struct ring *r);
/* The same, and signal if it does. */
bool ring_kick_if_wanted(struct ring *r);
/* How many entries of used were not popped yet. */
unsigned int ring_used(const struct ring *r);
/* Wait until there are @n of them; false after @ms milliseconds. */
bool ring_wait(const struct ring *r, unsigned int n, unsigned int ms);
/* Take the next; false if there is none. */
bool ring_pop(struct ring *r, uint32_t *id, uint32_t *len);
/* Read an eventfd: how often it was signalled since, 0 for not at all. */
uint64_t events(int fd);
/* Wait until @fd is readable; false after @ms.  Does not read it. */
bool wait_readable(int fd, unsigned int ms);
/* Show indices, the descriptors in flight and the eventfds' counts. */
void ring_dump(const struct ring *r);

/* ---- The rig ---- */

struct rig {
	int vhost;			/* /dev/vhost-net, owned */
	int tap;			/* the queue's descriptor */
	char name[16];			/* its interface, up and with carrier */
	int wire;			/* AF_PACKET on it: the other end */
	uint64_t offered, features;	/* by the kernel; accepted by us */
	unsigned int hdr_len;		/* 10, 12: what features make of it */
	struct memory mem;		/* RIG_MEMORY bytes from gpa 0 */
	struct ring ring[2];
	uint64_t buffers;		/* gpa of the first free page */
	uint64_t slots;			/* gpa of rig_buffer(r, RX, 0) */
	unsigned int slot_bytes;	/* of each of those */
	int worker;			/* worker_pid() */
};

#define RIG_MEMORY	(64U << 20)

void rig_make(struct rig *r, uint64_t features, unsigned int num);
/* Its two halves, for a vhost that another process is to own. */
void rig_prepare(struct rig *r, uint64_t features, unsigned int num);
void rig_own(struct rig *r);
/* The steps of rig_start(), for whoever changes their order. */
void rig_set_tables(struct rig *r);	/* features, memory, header length */
void rig_set_ring(struct rig *r, unsigned int index);
int rig_backend(struct rig *r, unsigned int index, int fd);	/* -errno */
void rig_start(struct rig *r);
/* Wait for what the worker has begun.  LOG_FD is none then. */
void rig_settle(const struct rig *r);
/* Backends away; ring[i].base is what the kernel says it is then. */
void rig_stop(struct rig *r);
/* Forget what is in the rings and let both start from @base. */
void rig_rewind(struct rig *r, uint16_t base);
void rig_free(struct rig *r);

int vhost_open(void);			/* not owned */
/* A tap, up, with carrier; more IFF_ @flags than IFF_TAP | IFF_NO_PI |
 * IFF_VNET_HDR, as IFF_MULTI_QUEUE.  Returns its descriptor. */
int tap_open(const char *name, short flags);
/* Set an interface up or down. */
void if_up(const char *name, bool up);
/* AF_PACKET, non-blocking, bound to @name, for FRAME_TYPE only. */
int wire_open(const char *name);

/* A userfaultfd, for UFFDIO_REGISTER of pages that shall come late. */
int late_pages(void);

/* @bytes of guest memory that nothing else uses, 4096-aligned.  Its gpa. */
uint64_t rig_alloc(struct rig *r, size_t bytes);
void *rig_ptr(struct rig *r, uint64_t gpa);	/* its hva */

/* ---- Frames ---- */

void frame_fill(void *frame, unsigned int len, uint32_t seq);
/* Is it the frame that frame_fill() makes?  EXPECTs, and names a shift. */
bool frame_check(const void *frame, unsigned int len, uint32_t seq);
uint32_t frame_seq(const void *frame);

/* ---- Traffic of one frame, and of many ---- */

/* TX: one buffer with header and frame @seq; waits for it used, and on the
 * wire; both are checked.  False (and EXPECT failed) if it does not come. */
bool rig_send(struct rig *r, unsigned int len, uint32_t seq);
/* RX: offer one buffer, send frame @seq from the wire, check what arrives. */
bool rig_receive(struct rig *r, unsigned int len, uint32_t seq);
/* Both, a few frames: is this rig alive? */
bool rig_alive(struct rig *r);
/* Write a buffer of @bytes, or a frame, into RX or TX; ring_kick() is yours.
 * The descriptor taken is returned: one after the other, and around.  It has
 * rig_buffer(), of r->slot_bytes: 69632 with 256 entries, less with more. */
unsigned int rig_offer_rx(struct rig *r, unsigned int bytes);
unsigned int rig_offer_tx(struct rig *r, unsigned int len, uint32_t seq);
uint64_t rig_buffer(const struct rig *r, unsigned int index, unsigned int desc);
/* From and to the wire, waiting at most @ms.  recv: bytes, or -1. */
void wire_send(int wire, const void *frame, unsigned int len);
int wire_recv(int wire, void *frame, unsigned int max, unsigned int ms);

/* ---- vhost's worker ---- */

/* The thread that works for @r: kthread (<= 6.3) or one of our own.  Its pid,
 * or -1.  CPU time in ns, and its switches, from /proc/PID. */
int worker_pid(const struct rig *r);
int worker_of(int owner);		/* the same for the vhost of a process */
uint64_t worker_cpu(int pid);
uint64_t worker_switches(int pid);
/*
 * The worker of @r and this thread on one CPU.  Then it sees both rings queued
 * that one eventfd_write() wakes: that is one section with interrupts off, and
 * nobody else's CPU can be faster or slower.  Returns where this thread was,
 * for sched_setaffinity() afterwards.
 */
cpu_set_t on_one_cpu(const struct rig *r);

#endif
