/* SPDX-License-Identifier: MIT */
/*
 * rtnetlink(7) tells of every change; which interface it was is not even
 * looked at, since whoever cares asks for the state of his own.  So a message
 * lost to a full socket loses nothing.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "machine/link.h"

static void on_message(void *ctx)
{
	struct link_watch *l = ctx;
	char rubbish[8192];

	while (recv(l->watch.fd, rubbish, sizeof(rubbish), MSG_DONTWAIT) > 0 ||
	       errno == ENOBUFS)
		errno = 0;
	l->changed(l->ctx);
}

/*
 * Call @changed with @ctx after any interface in our network namespace has
 * changed.  Needs no rights.  Returns 0 or -errno.
 */
int link_watch_create(struct link_watch *l, struct loop *loop,
		      void (*changed)(void *ctx), void *ctx)
{
	struct sockaddr_nl group = {
		.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&group, sizeof(group)) < 0) {
		close(fd);
		return -errno;
	}
	l->watch = (struct watch) { fd, on_message, l };
	l->changed = changed;
	l->ctx = ctx;
	return loop_watch(loop, &l->watch, EPOLLIN);
}
