/* SPDX-License-Identifier: MIT */
/*
 * cgroup2, as far as owners of a vhost are put into it.  See cgroup.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/conformance/cgroup.h"
#include "tests/conformance/owner.h"

#define CGROUPS "/sys/fs/cgroup"

static bool put_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 &&
		  write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return ok;
}

void get_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	REQUIRE(n >= 0, "%s: %s", path, strerror(errno));
	text[n] = '\0';
	close(fd);
}

long cgroup_number(const struct cgroup *c, const char *file, const char *key)
{
	char path[128], text[4096], *at;

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", c->name, file);
	get_file(path, text, sizeof(text));
	at = strstr(text, key);
	REQUIRE(at, "%s: no %s", path, key);
	return atol(at + strlen(key));
}

void cgroup_put(const struct cgroup *c, const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUPS "/%s/%s", c->name, file);
	REQUIRE(put_file(path, value), "%s: writing %s: %s", path, value,
		strerror(errno));
}

void cgroup_join(const struct cgroup *c, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	cgroup_put(c, "cgroup.procs", text);
}

/* Some hosts have it elsewhere, or not at all. */
void cgroup_mount(void)
{
	REQUIRE(unshare(CLONE_NEWNS) == 0 &&
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
		"a mount namespace: %s", strerror(errno));
	if (mount("cgroup2", CGROUPS, "cgroup2", 0, NULL) < 0 &&
	    errno != EBUSY)
		skip("no cgroup2: %s", strerror(errno));
}

/* Is @word one of those in @text?  "cpu" is not, in "cpuset io". */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text += strcspn(text, " \n"), text += strspn(text, " \n"))
		if (strncmp(text, word, n) == 0 && strchr(" \n", text[n]))
			return true;
	return false;
}

void cgroup_make(struct cgroup *c, const char *suffix, const char *controller)
{
	char path[64], text[256], on[32];

	*c = (struct cgroup) { .controller = controller };
	snprintf(c->name, sizeof(c->name), "conformance-%d%s", getpid(),
		 suffix);
	if (controller) {
		get_file(CGROUPS "/cgroup.controllers", text, sizeof(text));
		if (!has_word(text, controller))
			skip("cgroup2 has no controller %s here", controller);
		get_file(CGROUPS "/cgroup.subtree_control", text, sizeof(text));
		c->turned_on = !has_word(text, controller);
		snprintf(on, sizeof(on), "+%s", controller);
		if (c->turned_on &&
		    !put_file(CGROUPS "/cgroup.subtree_control", on))
			skip("controller %s cannot be turned on: %s",
			     controller, strerror(errno));
	}
	snprintf(path, sizeof(path), CGROUPS "/%s", c->name);
	REQUIRE(mkdir(path, 0755) == 0, "%s: %s", path, strerror(errno));
}

void cgroup_remove(const struct cgroup *c)
{
	char path[64], off[32];

	snprintf(path, sizeof(path), CGROUPS "/%s", c->name);
	EXPECT(WITHIN(BOUND_MS, rmdir(path) == 0), "rmdir %s: %s", path,
	       strerror(errno));
	snprintf(off, sizeof(off), "-%s", c->controller ?: "");
	EXPECT(!c->turned_on ||
	       put_file(CGROUPS "/cgroup.subtree_control", off),
	       "%s: %s", off, strerror(errno));
}

bool cgroup_has(const struct cgroup *c, pid_t tid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", tid);
	get_file(path, text, sizeof(text));
	return strstr(text, c->name) != NULL;
}
