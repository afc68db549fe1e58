/* SPDX-License-Identifier: MIT */
/*
 * A thin skin over epoll.  One event is taken at a time, so a handler may
 * unwatch anything it likes: no event of the same batch is waiting behind it.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "machine/loop.h"

/* Returns 0 or -errno.  @lock guards everything the handlers touch. */
int loop_create(struct loop *loop, pthread_mutex_t *lock)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	loop->lock = lock;
	loop->status = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->stop_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &ev) < 0)
		return -errno;
	return 0;
}

/*
 * Call w->ready() whenever w->fd is ready for @events (EPOLLIN or EPOLLOUT).
 * Returns 0, or -EPERM for what cannot be waited for: a file.  There is no way
 * to watch for nothing: epoll reports a hang-up even so, and would spin.
 */
int loop_watch(struct loop *loop, struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) < 0 ?
	       -errno : 0;
}

void loop_unwatch(struct loop *loop, struct watch *w)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
}

/* Handle events until loop_stop(); returns the status given there. */
int loop_run(struct loop *loop)
{
	int status = -1;

	while (status < 0) {
		struct epoll_event ev;
		struct watch *w;

		if (epoll_wait(loop->epoll_fd, &ev, 1, -1) < 1)
			continue;	/* EINTR: the only way it can fail */

		w = ev.data.ptr;
		pthread_mutex_lock(loop->lock);
		if (w)
			w->ready(w->ctx);
		status = loop->status;
		pthread_mutex_unlock(loop->lock);
	}
	return status;
}

/*
 * Have loop_run() return @status.  For any thread, with the lock held; the
 * first one to say so is the one who is heard.
 */
void loop_stop(struct loop *loop, int status)
{
	if (loop->status < 0)
		loop->status = status;
	eventfd_write(loop->stop_fd, 1);
}
