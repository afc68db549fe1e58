/* SPDX-License-Identifier: MIT */
/*
 * cgroups of our own, right below the root, on a cgroup2 that is mounted for
 * the scenario alone.  What these functions cannot have, as a controller that
 * cgroup v1 has, skips the scenario.
 */
#ifndef CONFORMANCE_CGROUP_H
#define CONFORMANCE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroup {
	char name[32];
	const char *controller;		/* or NULL */
	bool turned_on;			/* it, in the root, by us */
};

/* Once, before the first; the mount namespace is our own from then on. */
void cgroup_mount(void);
/* @suffix tells those that a scenario has at the same time apart. */
void cgroup_make(struct cgroup *c, const char *suffix, const char *controller);
void cgroup_remove(const struct cgroup *c);

void cgroup_join(const struct cgroup *c, pid_t pid);
bool cgroup_has(const struct cgroup *c, pid_t tid);
void cgroup_put(const struct cgroup *c, const char *file, const char *value);
/* The number after @key in @file. */
long cgroup_number(const struct cgroup *c, const char *file, const char *key);

/* All of a file of /proc or /sys that is shorter than @size. */
void get_file(const char *path, char *text, size_t size);

#endif
