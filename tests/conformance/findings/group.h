/* SPDX-License-Identifier: MIT */
/*
 * A cgroup, and in it a process that owns a vhost; what is done to the cgroup
 * another process does, which is not in it.
 */
#ifndef FINDINGS_GROUP_H
#define FINDINGS_GROUP_H

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/conformance/findings/ring.h"

#define CGROUPS	"/sys/fs/cgroup"
#define GROUP	CGROUPS "/vhost-finding"

static inline void put(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY), path);

	must((int)write(fd, text, strlen(text)), path);
	close(fd);
}

/*
 * @own() runs in a process of the cgroup and returns the id of the worker; then
 * the process sleeps.  Returns that id, and the process in *@owner.
 */
static inline int group_start(int (*own)(void), pid_t *owner)
{
	int tell[2], worker;

	/* Where no cgroup2 is mounted, there is one for us alone. */
	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount");
	if (access(CGROUPS "/cgroup.procs", F_OK) < 0)
		must(mount("cgroup2", CGROUPS, "cgroup2", 0, NULL), CGROUPS);
	put(CGROUPS "/cgroup.subtree_control", "+cpu");
	must(mkdir(GROUP, 0755), GROUP);

	must(pipe(tell), "pipe");
	*owner = must(fork(), "fork");
	if (!*owner) {
		put(GROUP "/cgroup.procs", "0");
		worker = own();
		must((int)write(tell[1], &worker, sizeof(worker)), "write");
		pause();
		_exit(0);
	}
	close(tell[1]);
	if (read(tell[0], &worker, sizeof(worker)) != sizeof(worker)) {
		waitpid(*owner, NULL, 0);
		rmdir(GROUP);
		exit(UNTRIED);		/* the owner has said why */
	}
	return worker;
}

/* Whatever was asked of the cgroup must be taken back before. */
static inline void group_end(pid_t owner)
{
	kill(owner, SIGKILL);
	waitpid(owner, NULL, 0);
	/* A worker may take a moment more to leave. */
	for (unsigned int i = 0; rmdir(GROUP) < 0 && i < 200; i++)
		usleep(10000);
}

#endif
