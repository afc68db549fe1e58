/* SPDX-License-Identifier: MIT */
/*
 * An eventfd adds up, so a call that nobody listens to is not lost: it is there
 * when listening starts again.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "machine/call.h"

static void on_call(void *ctx)
{
	struct call *c = ctx;
	struct itimerspec once = {
		.it_value.tv_sec  = c->delay_us / 1000000,
		.it_value.tv_nsec = c->delay_us % 1000000 * 1000,
	};
	eventfd_t n;

	if (eventfd_read(c->call.fd, &n) < 0)
		return;
	c->deliver(c->ctx);
	if (c->delay_us) {
		loop_unwatch(c->loop, &c->call);
		timerfd_settime(c->timer.fd, 0, &once, NULL);
	}
}

static void on_timer(void *ctx)
{
	struct call *c = ctx;
	uint64_t expired;

	if (read(c->timer.fd, &expired, sizeof(expired)) == sizeof(expired))
		loop_watch(c->loop, &c->call, EPOLLIN);
}

/*
 * Have @deliver called, from @loop, for what is written to eventfd @call_fd,
 * and then not again for @delay_us microseconds.  Returns 0 or -errno.
 */
int call_watch(struct call *c, struct loop *loop, int call_fd,
	       unsigned int delay_us, void (*deliver)(void *ctx), void *ctx)
{
	int err = 0;

	*c = (struct call) {
		.loop = loop, .delay_us = delay_us,
		.deliver = deliver, .ctx = ctx,
		.call  = { call_fd, on_call, c },
		.timer = { -1, on_timer, c },
	};
	if (delay_us) {
		c->timer.fd = timerfd_create(CLOCK_MONOTONIC,
					     TFD_CLOEXEC | TFD_NONBLOCK);
		err = c->timer.fd < 0 ? -errno :
		      loop_watch(loop, &c->timer, EPOLLIN);
	}
	return err ? err : loop_watch(loop, &c->call, EPOLLIN);
}
