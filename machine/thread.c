/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc, proc(5), and finding vhost's workers there.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine/thread.h"

#define PF_KTHREAD	0x00200000	/* include/linux/sched.h */

/*
 * Have the calling thread run for @times as long at a time as others do.  On a
 * processor that it shares, whom it wakes goes first then (PREEMPT_SHORT in
 * kernel/sched/fair.c).  That is Linux 6.12's; older kernels say that there is
 * no slice, and a thread under another policy than the usual one is left alone.
 */
void thread_lengthen_slice(unsigned int times)
{
	struct {			/* sched_setattr(2) */
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr;

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) < 0 ||
	    attr.policy != SCHED_OTHER || !attr.runtime)
		return;
	attr.runtime *= times;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

/*
 * Have thread @tid preempt nobody when it is woken (SCHED_BATCH, sched(7)): on a
 * busy processor it waits for its turn and then finds more to do at once.  0, or
 * -errno; it has to be ours, or we CAP_SYS_NICE.
 */
int thread_batch(pid_t tid)
{
	const struct sched_param none = { 0 };

	return sched_setscheduler(tid, SCHED_BATCH, &none) < 0 ? -errno : 0;
}

/* Are the numbers in /proc the ones we go by?  unshare(1) -p forgets that. */
static bool proc_is_ours(void)
{
	char pid[16] = "";

	return readlink("/proc/self", pid, sizeof(pid) - 1) > 0 &&
	       atoi(pid) == getpid();
}

/* The line of @file about thread @tid that starts with @key, after that. */
static bool proc_line(pid_t tid, const char *file, const char *key,
		      char *line, size_t size)
{
	char path[64];
	bool found = false;
	FILE *f;

	/* A thread's number is not listed there, but is understood. */
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, file);
	f = fopen(path, "re");
	while (f && !found && fgets(line, size, f))
		found = strncmp(line, key, strlen(key)) == 0;
	if (f)
		fclose(f);
	if (found)
		memmove(line, line + strlen(key),
			strlen(line + strlen(key)) + 1);
	return found;
}

/*
 * What thread @tid has used since it began.  Returns false if that cannot be
 * seen: it has ended, or this /proc is another pid namespace's, or hides it.
 * A kernel without CONFIG_SCHED_INFO has no schedstat.
 */
bool thread_usage(struct thread_usage *u, pid_t tid)
{
	unsigned long long ran, waited, voluntary, involuntary;
	char line[128];

	if (!proc_is_ours() ||
	    !proc_line(tid, "schedstat", "", line, sizeof(line)) ||
	    sscanf(line, "%llu %llu", &ran, &waited) != 2 ||
	    !proc_line(tid, "status", "voluntary_ctxt_switches:", line,
		       sizeof(line)) ||
	    sscanf(line, "%llu", &voluntary) != 1 ||
	    !proc_line(tid, "status", "nonvoluntary_ctxt_switches:", line,
		       sizeof(line)) ||
	    sscanf(line, "%llu", &involuntary) != 1)
		return false;
	*u = (struct thread_usage) { ran, waited, voluntary, involuntary };
	return true;
}

/*
 * Is @tid a worker of ours, "vhost-" and the owner's pid?  A thread of ours,
 * from Linux 6.4 on, is known by the first half; the number in it is that of
 * the host's pid namespace.  Others have the whole name, and must be the
 * kernel's: anybody could call himself that.
 */
static bool is_worker(pid_t tid, const char *name, bool ours)
{
	char line[256], *comm, *end;
	unsigned int flags;

	if (!proc_line(tid, "stat", "", line, sizeof(line)))
		return false;
	comm = strchr(line, '(');
	end = strrchr(line, ')');
	if (!comm || !end)
		return false;
	*end = '\0';
	if (ours)
		return strncmp(comm + 1, "vhost-", 6) == 0;
	return strcmp(comm + 1, name) == 0 &&
	       sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       flags & PF_KTHREAD;
}

/* Add the workers that @dir lists; it does so by age. */
static unsigned int scan(const char *dir, const char *name, bool ours,
			 pid_t *tid, unsigned int n, unsigned int max)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && n < max && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    is_worker(atoi(e->d_name), name, ours))
			tid[n++] = atoi(e->d_name);
	if (d)
		closedir(d);
	return n;
}

/*
 * Put the ids of at most @max workers that vhost runs for us into @tid, oldest
 * first: one for each /dev/vhost-net that we own.  Returns how many can be
 * seen.  A kernel's thread cannot be from within a pid namespace.
 */
unsigned int thread_find_vhost(pid_t *tid, unsigned int max)
{
	char name[32];
	unsigned int n;

	if (!proc_is_ours())
		return 0;
	snprintf(name, sizeof(name), "vhost-%d", (int)getpid());
	n = scan("/proc/self/task", name, true, tid, 0, max);
	return n ? n : scan("/proc", name, false, tid, n, max);
}
