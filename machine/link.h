/* SPDX-License-Identifier: MIT */
/*
 * Hears when a network interface of the host goes up, down or away.
 */
#ifndef MACHINE_LINK_H
#define MACHINE_LINK_H

#include "machine/loop.h"

struct link_watch {
	struct watch watch;
	void (*changed)(void *ctx);	/* some interface did: look at yours */
	void *ctx;
};

int link_watch_create(struct link_watch *l, struct loop *loop,
		      void (*changed)(void *ctx), void *ctx);

#endif
