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

/* Deliver, and then not again for a while. */
static void pass_on(struct call *c)
{
	struct itimerspec once = {
		.it_value.tv_sec  = c->delay_us / 1000000,
		.it_value.tv_nsec = c->delay_us % 1000000 * 1000,
	};

	c->deliver(c->ctx);
	if (c->delay_us)
		timerfd_settime(c->timer.fd, 0, &once, NULL);
}

static void on_call(void *ctx)
{
	struct call *c = ctx;
	eventfd_t n;

	if (eventfd_read(c->call.fd, &n) < 0)
		return;
	if (c->delay_us)
		loop_unwatch(c->loop, &c->call);
	pass_on(c);
}

/* Under load there is always one, and no need to ask epoll for it. */
static void on_timer(void *ctx)
{
	struct call *c = ctx;
	uint64_t expired;
	eventfd_t n;

	if (read(c->timer.fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	if (eventfd_read(c->call.fd, &n) == 0)
		pass_on(c);
	else
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
