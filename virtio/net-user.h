/* SPDX-License-Identifier: MIT */
/*
 * The backend that vhost replaces: the same card, its packets moved in user
 * space, by the main loop.
 *
 *            guest                                     launcher
 *   ┌───────────────────────┐              ┌──────────────────────────────┐
 *   │ driver writes a ring's│  ioeventfd   │   readv, writev              │
 *   │ number to QueueNotify ├── kick_fd ──▶│ main loop ◀──▶ tap ◀──▶ …    │
 *   │                       │              │   │                          │
 *   │ its interrupt handler │◀── call_fd ──┼───┘                          │
 *   └───────────────────────┘    irqfd     └──────────────────────────────┘
 *
 * What a frame costs here and not with vhost: a wake-up of this thread, an
 * epoll_wait(), a read() of the kick, a readv() or writev(), and a write() to
 * call_fd.  The frame itself is copied as often: once, by the tap.
 */
#ifndef VIRTIO_NET_USER_H
#define VIRTIO_NET_USER_H

#include "machine/loop.h"
#include "machine/memory.h"
#include "machine/tap.h"
#include "virtio/net.h"
#include "virtio/queue.h"

/*
 * The largest frame a tap hands over: 64 KiB of segments yet to be cut, behind
 * an Ethernet header with a VLAN tag, and the virtio-net header.
 */
#define NET_USER_FRAME_MAX (65536 + 18 + 12)

/* Buffers for frames to come, taken from the RX ring ahead of time. */
struct rx_window {
	unsigned int first, end;	/* of chain[] */
	unsigned int first_iov, end_iov;
	uint64_t bytes;			/* room in all of them */
	struct rx_buffer {
		uint16_t head;
		uint16_t iovs;
		uint64_t bytes;
	} chain[QUEUE_CHAIN_MAX];
	struct iovec iov[QUEUE_CHAIN_MAX + 1];	/* and the spill */
};

struct net_user {
	struct net_backend backend;
	struct loop *loop;
	const struct tap *tap;
	const struct memory *mem;
	int call_fd[NET_RINGS];
	struct watch kick[NET_RINGS];
	struct watch tap_in, tap_out;	/* each on a descriptor of its own */
	bool waits_in, waits_out;	/* are they watched? */
	bool running;			/* between start and stop */

	/* A ring cannot go on: @why, or NULL if it is the tap's fault. */
	void (*failed)(void *ctx, unsigned int index, const char *why);
	void *ctx;

	struct queue rx, tx;
	bool merges;			/* MRG_RXBUF: a frame may take several */
	uint64_t rx_dropped;		/* by the tap, or never fits the ring */
	uint64_t tx_refused;		/* by the tap: no frame, or no link */

	/*
	 * A frame that is larger than the buffers at hand ends in spill, and
	 * waits there for the driver to give more.
	 */
	size_t frame;			/* its size, 0 for none */
	size_t placed;			/* bytes of it that are in buffers */
	size_t spilled_at;		/* the first one that was not */

	struct rx_window window;	/* large, and last */
	struct iovec tx_iov[QUEUE_CHAIN_MAX];
	uint8_t spill[NET_USER_FRAME_MAX];
};

int net_user_create(struct net_user *u, struct loop *loop,
		    const struct tap *tap, const struct memory *mem,
		    const int kick_fd[NET_RINGS], const int call_fd[NET_RINGS]);
void net_user_destroy(struct net_user *u);

#endif
