/* SPDX-License-Identifier: MIT */
/*
 * The main thread's event loop: file descriptors and what to do when one is
 * ready.  vCPUs have threads of their own and meet it at one lock.
 */
#ifndef MACHINE_LOOP_H
#define MACHINE_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Belongs to the caller, who keeps it where it is while it is watched. */
struct watch {
	int fd;
	void (*ready)(void *ctx);
	void *ctx;
};

struct loop {
	int epoll_fd;
	int stop_fd;			/* eventfd: some thread wants the end */
	int status;			/* exit status, -1 while running */
	pthread_mutex_t *lock;		/* held while a ready() runs */
};

int loop_create(struct loop *loop, pthread_mutex_t *lock);
int loop_watch(struct loop *loop, struct watch *w, uint32_t events);
void loop_unwatch(struct loop *loop, struct watch *w);
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);

#endif
