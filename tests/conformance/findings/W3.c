/* SPDX-License-Identifier: MIT */
/*
 * W3: the cgroup of an owner whose worker is a thread of the kernel never says
 * that it is frozen.
 *
 * Such a thread counts as a task of the cgroup, but cannot freeze.  Workers are
 * of that kind before 6.4, and where VHOST_SET_FORK_FROM_OWNER says so.
 *
 * Seen on 6.1, 6.12 and 7.2:
 *
 *	cgroup.freeze 1, three seconds later: frozen 0
 */
#include "tests/conformance/findings/group.h"

#ifndef VHOST_SET_FORK_FROM_OWNER	/* Linux 6.17, and 6.12.48 */
#define VHOST_SET_FORK_FROM_OWNER	_IOW(VHOST_VIRTIO, 0x84, __u8)
#endif

static int own(void)
{
	int vhost = must(open("/dev/vhost-net", O_RDWR), "/dev/vhost-net");
	__u8 from_owner = 0;

	/* Where there is no choice the worker is what it is. */
	ioctl(vhost, VHOST_SET_FORK_FROM_OWNER, &from_owner);
	must(ioctl(vhost, VHOST_SET_OWNER), "SET_OWNER");
	return worker_find();
}

static bool frozen(void)
{
	char text[256] = "";
	int fd = must(open(GROUP "/cgroup.events", O_RDONLY), "cgroup.events");

	must((int)read(fd, text, sizeof(text) - 1), "cgroup.events");
	close(fd);
	return strstr(text, "frozen 1");
}

int main(void)
{
	bool is = false;
	pid_t owner;

	group_start(own, &owner);
	put(GROUP "/cgroup.freeze", "1");
	for (unsigned int ms = 0; !is && ms < 3000; ms += 100) {
		usleep(100000);
		is = frozen();
	}
	put(GROUP "/cgroup.freeze", "0");
	group_end(owner);

	printf("cgroup.freeze 1, three seconds later: %s\n",
	       is ? "frozen 1" : "frozen 0");
	return is ? NOT_SEEN : SEEN;
}
