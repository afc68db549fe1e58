/* SPDX-License-Identifier: MIT */
/*
 * The network card: virtio 1.2, section 5.1, with one pair of queues and no
 * control queue.  It negotiates, and tells the driver about itself; packets
 * are moved by a struct net_backend, which is where --vhost makes a difference.
 */
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/refuse.h"
#include "virtio/mmio.h"

enum { NET_RX, NET_TX, NET_RINGS };	/* 5.1.2: receiveq1, transmitq1 */

/* A ring as the driver placed it, checked, by our addresses. */
struct net_ring {
	void *desc, *avail, *used;
	uint16_t num;			/* entries */
	uint16_t base;			/* index in avail to go on from */
};

struct net_backend;

/*
 * What moves the packets of one pair of queues.  Both return 0 or -errno.
 * After a failed start() nothing runs; after stop(), whatever it returns,
 * nothing touches the guest's memory, and each ring's base is where a later
 * start() would have to go on.
 */
struct net_backend_ops {
	int (*start)(struct net_backend *b, const struct net_ring *ring,
		     uint64_t features);
	int (*stop)(struct net_backend *b, struct net_ring *ring);
};

struct net_backend {
	const struct net_backend_ops *ops;
	uint64_t features;		/* of rings: those it can work with */
};

struct net {
	struct mmio mmio;
	struct net_backend *backend;
	int kick_fd[NET_RINGS];		/* eventfds the backend listens to */
	bool started;			/* the backend has the rings */
	bool link_up;
	bool unplugged;			/* the tap is gone: nothing to start */
	struct net_ring ring[NET_RINGS];
};

uint64_t net_features(void);
void net_init(struct net *net, const uint8_t mac[6], unsigned int mtu,
	      bool uso, uint64_t without);
void net_set_link(struct net *net, bool up);
void net_unplug(struct net *net);
void net_blame(const struct net_ring *ring, unsigned int index,
	       const char *why, char said[static WHY_MAX]);

#endif
