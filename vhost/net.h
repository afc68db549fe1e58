/* SPDX-License-Identifier: MIT */
/*
 * vhost_net as a backend of the network card: at DRIVER_OK the rings go to the
 * kernel, at reset they come back, and in between we are not there.
 *
 *            guest                                     host kernel
 *   ┌───────────────────────┐              ┌──────────────────────────────┐
 *   │ driver writes a ring's│  ioeventfd   │                              │
 *   │ number to QueueNotify ├── kick_fd ──▶│ vhost worker ◀──▶ tap ◀──▶ … │
 *   │                       │              │   │     │                    │
 *   │ its interrupt handler │◀── call_fd ──┼───┘     └── err_fd ──────────┼──▶ us
 *   └───────────────────────┘    irqfd     └──────────────────────────────┘
 *
 * One kick, call and err eventfd per ring.  kick and call are made by the card
 * and also given to KVM; err is ours, and says that a ring is broken or that
 * the tap does not take packets any more.  vhost never reads a kick_fd; KVM
 * empties a call_fd as it injects the interrupt.
 *
 * Two parties cannot both set InterruptStatus.  How that is solved is at the
 * top of virtio/mmio.h.
 */
#ifndef VHOST_NET_H
#define VHOST_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/memory.h"
#include "machine/refuse.h"
#include "machine/tap.h"
#include "virtio/net.h"

struct vhost_net {
	struct net_backend backend;
	int fd;				/* /dev/vhost-net, or -1 */
	bool passed_in;			/* by number: cannot be opened anew */
	const struct tap *tap;
	const struct memory *mem;
	unsigned int busy_us;		/* set by the owner, before a start */
	int kick_fd[NET_RINGS], call_fd[NET_RINGS], err_fd[NET_RINGS];
};

bool vhost_net_create(struct vhost_net *v, int fd, const struct tap *tap,
		      const struct memory *mem, const int kick_fd[NET_RINGS],
		      const int call_fd[NET_RINGS],
		      char why[static WHY_MAX]);
void vhost_net_destroy(struct vhost_net *v);
bool vhost_net_probe(void);

#endif
