/* SPDX-License-Identifier: MIT */
/*
 * Workers: what runs vhost's rings, to whom it belongs, and what becomes of it
 * when its owner is limited, stopped, moved or killed.
 *
 * Up to Linux 6.3 a worker is a thread of the kernel that joins its owner's
 * cgroups; from 6.4 on it is a thread of its owner ("task").  Since 6.17, and
 * 6.12.43, a kernel may offer both: VHOST_SET_FORK_FROM_OWNER.  Each scenario
 * here is done with every kind that the running kernel has.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/conformance/cgroup.h"
#include "tests/conformance/owner.h"
#include "tests/conformance/uapi.h"
#include "vhost/vhost.h"

#define FEATURES	(FEATURE(VIRTIO_F_VERSION_1) | \
			 FEATURE(VIRTIO_NET_F_MRG_RXBUF))

enum model { KERNEL_THREAD, TASK };
static const char *const model_name[] = { "kernel thread", "task" };

/*
 * ---- the models ----
 */

/*
 * May an owner choose?  (Not where the ioctl was still 0x83: that is left alone,
 * since it is another's now.)  Then @fd, not owned yet, gets a worker of kind @m.
 */
static bool choose(int fd, enum model m)
{
	uint8_t mode = m == TASK ? VHOST_FORK_OWNER_TASK :
				   VHOST_FORK_OWNER_KTHREAD;

	return vhost_ioctl(fd, VHOST_SET_FORK_FROM_OWNER, &mode) == 0;
}

/* What this kernel makes if it is not asked; by looking at one. */
static enum model usual_model(void)
{
	struct rig r = { .vhost = vhost_open() };
	bool task;

	rig_own(&r);
	REQUIRE(worker_pid(&r) > 0, "SET_OWNER made no worker");
	task = worker_is_task(worker_pid(&r), getpid());
	close(r.vhost);
	return task ? TASK : KERNEL_THREAD;
}

/* Do @scenario for each kind of worker to be had here. */
static void for_each_model(void (*scenario)(enum model m))
{
	enum model usual = usual_model();
	int fd = vhost_open();
	bool both = choose(fd, KERNEL_THREAD) && choose(fd, TASK);

	close(fd);
	note("a worker is a %s%s", model_name[usual],
	     both ? "; the owner may choose" : "");
	for (enum model m = KERNEL_THREAD; m <= TASK; m++)
		if (both || m == usual)
			scenario(m);
}

static void prepare(struct rig *r, enum model m)
{
	rig_prepare(r, FEATURES, 256);
	choose(r->vhost, m);	/* EPERM where there is no choice */
	share_memory(r);
}

/* Nothing of @r may be left, and no wait for it may be long. */
static void end(struct rig *r, pid_t owner)
{
	pid_t worker = worker_pid(r);
	int status;

	kill(owner, SIGKILL);
	EXPECT(owner_ended(owner, &status), "the owner does not end");
	rig_free(r);
	EXPECT(WITHIN(BOUND_MS, !thread_exists(worker)),
	       "the worker does not end");
}

/* After something was done to its owner, the load must go on. */
static void check_load(struct load *l, enum model m, const char *after)
{
	EXPECT(load_moves(l, BOUND_MS), "%s: no frames after %s",
	       model_name[m], after);
}

/*
 * ---- owners in cgroups ----
 */

/* Which cgroup of ours an owner joins before it calls SET_OWNER. */
static const struct cgroup *joins;

static void join(void)
{
	cgroup_join(joins, getpid());
}

/* An owner in cgroup @c; it and its worker are there when this returns. */
static pid_t owner_in(struct rig *r, const struct cgroup *c)
{
	joins = c;
	return owner_start(r, join);
}

/*
 * ---- W1: what a worker is ----
 */

static void check_model(enum model m)
{
	struct cgroup c;
	pid_t owner, worker;
	struct rig r;

	cgroup_make(&c, "", NULL);
	prepare(&r, m);
	EXPECT(worker_of(getpid()) < 0, "a worker before SET_OWNER");
	owner = owner_in(&r, &c);
	worker = worker_pid(&r);
	if (m == TASK) {
		EXPECT(status_number(worker, "Tgid:") == owner,
		       "the worker's Tgid is %ld, not its owner's %d",
		       status_number(worker, "Tgid:"), owner);
		EXPECT(status_number(owner, "Threads:") == 2,
		       "its owner has %ld threads, not 2",
		       status_number(owner, "Threads:"));
	} else {
		EXPECT(status_number(worker, "Tgid:") == worker,
		       "the worker's Tgid is %ld, not its own %d",
		       status_number(worker, "Tgid:"), worker);
		EXPECT(status_number(worker, "PPid:") == 2,
		       "its parent is %ld, not kthreadd",
		       status_number(worker, "PPid:"));
		EXPECT(status_number(owner, "Threads:") == 1,
		       "its owner has %ld threads, not 1",
		       status_number(owner, "Threads:"));
	}
	EXPECT(cgroup_has(&c, worker), "%s: not in its owner's cgroup",
	       model_name[m]);
	end(&r, owner);
	cgroup_remove(&c);
}

static void check_reset(enum model m)
{
	struct rig r = { .vhost = vhost_open() };
	pid_t worker;
	int err;

	choose(r.vhost, m);
	rig_own(&r);
	worker = worker_pid(&r);
	EXPECT(worker > 0, "%s: no worker", model_name[m]);
	err = vhost_ioctl(r.vhost, VHOST_RESET_OWNER, NULL);
	EXPECT(!err, "RESET_OWNER: %s", strerror(-err));
	/* A task may end a little later than it stops working. */
	EXPECT(WITHIN(BOUND_MS, !thread_exists(worker)),
	       "%s: it survives RESET_OWNER",
	       model_name[m]);
	close(r.vhost);
}

/*
 * W1: SET_OWNER makes one worker, called vhost-PID after its owner, in its
 * owner's cgroup; RESET_OWNER ends it.  Linux up to 6.3, or when asked for: a
 * thread of the kernel.  From 6.4 on: a thread of the owner, with its Tgid.
 * Catches f9010dbdce91, before which the new worker looked like a process of
 * its own.
 */
static void threads_and_groups(void)
{
	cgroup_mount();
	for_each_model(check_model);
	for_each_model(check_reset);
}

/*
 * ---- W2: no more threads to be had ----
 */

#define NOBODY_ELSE	0x6e6f6e65	/* a user without a process */

/* In a process of that user, which may have this one and no more. */
static void check_limit(int fd, enum model m)
{
	struct rlimit limit = { 1, RLIM_INFINITY };
	int err;

	REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0 &&
		setresuid(NOBODY_ELSE, NOBODY_ELSE, NOBODY_ELSE) == 0,
		"another user: %s", strerror(errno));
	err = vhost_own(fd);
	if (m == KERNEL_THREAD) {
		EXPECT(!err, "a kernel thread counts as the owner's: %s",
		       strerror(-err));
		_exit(0);
	}
	EXPECT(err == -ENOMEM || err == -EAGAIN,
	       "SET_OWNER at RLIMIT_NPROC: %s", strerror(-err));
	note("SET_OWNER at RLIMIT_NPROC: %s", strerror(-err));
	EXPECT(vhost_ioctl(fd, VHOST_RESET_OWNER, NULL) == -EPERM,
	       "it is owned all the same");
	limit.rlim_cur = RLIM_INFINITY;
	REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0, "RLIMIT_NPROC: %s",
		strerror(errno));
	err = vhost_own(fd);
	EXPECT(!err, "SET_OWNER again, with room: %s", strerror(-err));
	_exit(0);
}

static void limit_model(enum model m)
{
	int fd = vhost_open(), status;
	pid_t pid;

	choose(fd, m);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0)
		check_limit(fd, m);
	EXPECT(owner_ended(pid, &status) && status == 0,
	       "%s: it does not end well: %#x", model_name[m], status);
	close(fd);
	EXPECT(WITHIN(BOUND_MS, worker_of(pid) < 0), "%s: a worker is left",
	       model_name[m]);
}

/*
 * W2: SET_OWNER by a user who may have no more threads.  A task is one of
 * theirs, so it fails, the vhost is nobody's, and is to be had once there is
 * room; a thread of the kernel does not count, so it succeeds.  From 6.4 on, or
 * before; ENOMEM, but an error that says what was lacking (EAGAIN) would do as
 * well.  Catches an error path of vhost_dev_set_owner() that keeps the mm or
 * half a worker.
 */
static void no_more_threads(void)
{
	for_each_model(limit_model);
}

/*
 * ---- W3: signals, debuggers, the freezer ----
 */

/* A thread says that it stops, or freezes, shortly before it is off its CPU. */
#define SETTLE_US	200000

static void stop_and_continue(pid_t owner, struct load *l, enum model m)
{
	bool moves;

	kill(owner, SIGSTOP);
	EXPECT(WITHIN(BOUND_MS, thread_state(owner) == 'T'),
	       "%s: SIGSTOP does not stop its owner", model_name[m]);
	usleep(SETTLE_US);
	moves = load_moves(l, 300);
	note("%s: with its owner stopped it %s", model_name[m],
	     moves ? "goes on" : "rests");
	kill(owner, SIGCONT);
	check_load(l, m, "SIGSTOP and SIGCONT");
}

/* As a debugger does: each thread of @owner, one by one. */
static bool trace_thread(pid_t tid, const char *what, enum model m)
{
	int status;

	if (ptrace(PTRACE_ATTACH, tid, NULL, NULL) < 0) {
		note("%s: PTRACE_ATTACH to %s: %s", model_name[m], what,
		     strerror(errno));
		return false;
	}
	EXPECT(WITHIN(BOUND_MS, waitpid(tid, &status, __WALL | WNOHANG) == tid),
	       "%s: %s does not stop for its tracer", model_name[m], what);
	return true;
}

static void trace(pid_t owner, pid_t worker, struct load *l, enum model m)
{
	bool is_traced;

	REQUIRE(trace_thread(owner, "the owner", m), "no ptrace");
	is_traced = trace_thread(worker, "the worker", m);
	EXPECT(m == TASK || !is_traced, "a kernel thread can be traced");
	if (is_traced)
		EXPECT(ptrace(PTRACE_DETACH, worker, NULL, NULL) == 0,
		       "%s: PTRACE_DETACH from the worker: %s", model_name[m],
		       strerror(errno));
	EXPECT(ptrace(PTRACE_DETACH, owner, NULL, NULL) == 0,
	       "PTRACE_DETACH from the owner: %s", strerror(errno));
	check_load(l, m, "a debugger's visit");
}

static void freeze(pid_t worker, const struct cgroup *c, struct load *l,
		   enum model m)
{
	uint64_t cpu;

	cgroup_put(c, "cgroup.freeze", "1");
	EXPECT(WITHIN(BOUND_MS, cgroup_number(c, "cgroup.events",
					      "frozen ") == 1),
	       "%s: its owner's cgroup does not freeze", model_name[m]);
	usleep(SETTLE_US);
	cpu = worker_cpu(worker);
	usleep(300000);
	cpu = worker_cpu(worker) - cpu;
	/* The freezer of cgroup2 leaves threads of the kernel alone. */
	EXPECT(m == KERNEL_THREAD || cpu == 0,
	       "a frozen task ran for %u us", (unsigned int)(cpu / 1000));
	cgroup_put(c, "cgroup.freeze", "0");
	check_load(l, m, "freezing and thawing");
}

/* Core files would go to a program, or to a folder of the machine's? */
static bool core_can_be_had(void)
{
	char pattern[128];

	get_file("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	return pattern[0] != '|' && pattern[0] != '/';
}

/* In the owner: a small core file, in a folder that vanishes with us. */
static void expect_core(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };

	join();
	REQUIRE(unshare(CLONE_NEWNS) == 0 &&
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("cores", "/mnt", "tmpfs", 0, "size=2m") == 0 &&
		chdir("/mnt") == 0 &&
		setrlimit(RLIMIT_CORE, &limit) == 0 &&
		prctl(PR_SET_DUMPABLE, 1) == 0,
		"a place for a core file: %s", strerror(errno));
}

static void die(pid_t owner, int sig, bool with_core, struct load *l,
		enum model m)
{
	pid_t worker = worker_pid(l->r);
	int status = 0;

	kill(owner, sig);
	EXPECT(owner_ended(owner, &status), "%s: its owner does not die of "
	       "signal %d", model_name[m], sig);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == sig &&
	       (!with_core || WCOREDUMP(status)),
	       "%s: killed by %d, it ends as %#x", model_name[m], sig, status);
	load_stop(l);
	/* We still have the vhost: nobody's now, but it must let us close. */
	rig_free(l->r);
	EXPECT(WITHIN(BOUND_MS, !thread_exists(worker)),
	       "%s: it outlives owner and vhost", model_name[m]);
}

static void disturb(enum model m)
{
	bool core = core_can_be_had();
	struct cgroup c;
	struct load l;
	struct rig r;
	pid_t owner;

	cgroup_make(&c, "", NULL);
	prepare(&r, m);
	owner = owner_in(&r, &c);
	load_start(&l, &r);
	stop_and_continue(owner, &l, m);
	trace(owner, worker_pid(&r), &l, m);
	freeze(worker_pid(&r), &c, &l, m);
	die(owner, SIGKILL, false, &l, m);

	if (!core)
		note("core_pattern is not a name: no core file to be had");
	prepare(&r, m);
	joins = &c;
	owner = owner_start(&r, core ? expect_core : join);
	load_start(&l, &r);
	die(owner, SIGABRT, core, &l, m);
	cgroup_remove(&c);
}

/*
 * W3: the owner of busy rings is stopped and continued, traced by a debugger
 * that attaches to each thread, frozen by its cgroup, killed, and made to dump
 * core.  Each must take effect within seconds, a frozen task must not run, and
 * frames must flow again after it; with the owner dead the vhost can be closed.
 * Any kernel; the risk came with tasks.  Catches a worker that does not see
 * signals or the freezer (Linux 6.4-rc), or that core dumps wait for.
 *
 * Known to fail with a thread of the kernel, 6.1 and 6.12: its owner does
 * freeze, but cgroup.events stays at "frozen 0", because the thread is counted
 * among the cgroup's tasks and never among those that are frozen.  To see it: a
 * process joins a cgroup, opens /dev/vhost-net, calls VHOST_SET_OWNER (after
 * VHOST_SET_FORK_FROM_OWNER with 0, where there is that) and sleeps; 1 goes
 * into cgroup.freeze.
 */
static void signals_and_freezer(void)
{
	cgroup_mount();
	for_each_model(disturb);
}

/*
 * ---- W4: CPU limits ----
 */

#define PERIOD_US	100000	/* of cpu.max */
#define QUOTA		1	/* per cent of a CPU: its limit */
#define LOADED		8	/* what it must have without one, to tell */

/* What the worker has of a CPU in the second from now, in per cent. */
static unsigned int share_of(pid_t worker)
{
	uint64_t cpu = worker_cpu(worker), start = clock_ns();

	sleep(1);
	cpu = worker_cpu(worker) - cpu;
	return (unsigned int)(cpu * 100 / (clock_ns() - start));
}

static void throttle(enum model m)
{
	unsigned int alone = 0, limited;
	struct cgroup c;
	struct load l;
	struct rig r;
	pid_t owner;
	char max[32];
	long before;

	cgroup_make(&c, "", "cpu");
	prepare(&r, m);
	owner = owner_in(&r, &c);
	load_start(&l, &r);
	for (int i = 0; i < 3 && alone < LOADED; i++)
		alone = share_of(worker_pid(&r));
	EXPECT(alone >= LOADED, "%u %% of a CPU: too little load to tell",
	       alone);
	snprintf(max, sizeof(max), "%d %d", PERIOD_US / 100 * QUOTA,
		 PERIOD_US);
	cgroup_put(&c, "cpu.max", max);
	/* Let a period that has begun without a limit come to its end. */
	usleep(2 * PERIOD_US);
	before = cgroup_number(&c, "cpu.stat", "nr_throttled ");
	/* It may run over once, if a tick is late, and pays that back later. */
	limited = alone;
	for (int i = 0; i < 3 && limited > alone / 3; i++)
		limited = share_of(worker_pid(&r));
	note("%s: it had %u %% of a CPU, and %u %% where cpu.max allows %u %%",
	     model_name[m], alone, limited, QUOTA);
	EXPECT(cgroup_number(&c, "cpu.stat", "nr_throttled ") > before,
	       "%s: nothing was throttled", model_name[m]);
	EXPECT(limited <= alone / 3, "%s: cpu.max does not limit it",
	       model_name[m]);
	cgroup_put(&c, "cpu.max", "max 100000");
	check_load(&l, m, "throttling");
	load_stop(&l);
	end(&r, owner);
	cgroup_remove(&c);
}

static cpu_set_t cpus_of(pid_t tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	EXPECT(sched_getaffinity(tid, sizeof(set), &set) == 0,
	       "sched_getaffinity: %s", strerror(errno));
	return set;
}

/* May @tid run on CPU @n and on no other? */
static bool only_on(pid_t tid, int n)
{
	cpu_set_t set = cpus_of(tid);

	return CPU_COUNT(&set) == 1 && CPU_ISSET(n, &set);
}

/* Two different CPUs that we may use; false if there is only one. */
static bool two_cpus(int cpu[2])
{
	cpu_set_t set = cpus_of(0);
	int n = 0;

	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	return n == 2;
}

static void cgroup_cpu(const struct cgroup *c, int cpu)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", cpu);
	cgroup_put(c, "cpuset.cpus", text);
}

static void move_cpus(enum model m)
{
	struct cgroup here, there;
	pid_t owner, worker;
	struct load l;
	struct rig r;
	int cpu[2];

	if (!two_cpus(cpu)) {
		note("one CPU: cpusets are not seen");
		return;
	}
	cgroup_make(&here, "-a", "cpuset");
	cgroup_make(&there, "-b", "cpuset");
	cgroup_cpu(&here, cpu[0]);
	cgroup_cpu(&there, cpu[0]);
	prepare(&r, m);
	owner = owner_in(&r, &here);
	worker = worker_pid(&r);
	load_start(&l, &r);
	EXPECT(only_on(worker, cpu[0]), "%s: not on its owner's CPU",
	       model_name[m]);
	cgroup_cpu(&here, cpu[1]);
	EXPECT(WITHIN(BOUND_MS, only_on(worker, cpu[1])),
	       "%s: it does not follow its cpuset to another CPU",
	       model_name[m]);
	check_load(&l, m, "a change of its cpuset");

	cgroup_join(&there, owner);
	EXPECT(WITHIN(BOUND_MS, only_on(owner, cpu[0])),
	       "the owner does not move");
	if (m == TASK)
		EXPECT(WITHIN(BOUND_MS, cgroup_has(&there, worker) &&
					only_on(worker, cpu[0])),
		       "it does not follow its owner to another cpuset");
	else
		/* It joins once, at SET_OWNER. */
		EXPECT(cgroup_has(&here, worker) && only_on(worker, cpu[1]),
		       "a kernel thread followed its owner");
	check_load(&l, m, "a move to another cpuset");
	load_stop(&l);
	end(&r, owner);
	cgroup_remove(&there);
	cgroup_remove(&here);
}

/*
 * W4: what limits the owner limits its worker.  With cpu.max at 1 % of a CPU,
 * and all the load from outside, the worker is throttled: it must have less
 * than a third of what it had without a limit.  It follows a change of its
 * cpuset, and, if it is a task, its owner's move to another (a thread of the
 * kernel stays where it was attached).  Frames flow again each time.  Any kernel
 * with cgroup2.  Catches a worker that was never attached
 * (vhost_attach_cgroups()).
 *
 * Known to fail from 6.18 on, seen on 7.2: there a task is throttled when it
 * returns to user mode, so that it holds no lock meanwhile, which a worker of
 * either kind never does.  cpu.stat counts periods as throttled, and the worker
 * runs on, at what it had without a limit.  To see it: a process joins a cgroup
 * with "1000 100000" in cpu.max, owns a vhost and sets up its rings; another
 * keeps them full; /proc/WORKER/schedstat.
 */
static void limits(void)
{
	cgroup_mount();
	for_each_model(throttle);
	for_each_model(move_cpus);
}

/*
 * ---- W5: a dead owner ----
 */

/*
 * Kicks from here while @owner dies; @keep: we keep its vhost, and so its
 * kick eventfds are still bound to something.
 */
static void kick_the_dead(enum model m, bool keep)
{
	struct load l;
	struct rig r;
	pid_t owner;
	int status;

	prepare(&r, m);
	owner = owner_start(&r, NULL);
	if (!keep) {
		close(r.vhost);
		r.vhost = -1;
	}
	load_start(&l, &r);
	usleep(rnd() % 3000);
	kill(owner, SIGKILL);
	EXPECT(owner_ended(owner, &status), "%s: its owner does not end",
	       model_name[m]);
	/* The load kicks on. */
	usleep(50000);
	/* A task died with its owner; a kernel thread is the vhost's. */
	if (keep && m == KERNEL_THREAD)
		check_load(&l, m, "the death of its owner");
	else
		EXPECT(WITHIN(BOUND_MS, !thread_exists(worker_pid(&r))),
		       "%s: it lives on without its owner", model_name[m]);
	load_stop(&l);
	for (unsigned int i = 0; i < 1000; i++)
		ring_kick(&r.ring[i % 2]);
	if (keep) {
		EXPECT(vhost_own(r.vhost) == -EBUSY,
		       "SET_OWNER of a dead process's vhost is not EBUSY");
		close(r.vhost);
		r.vhost = -1;
	}
	EXPECT(WITHIN(BOUND_MS, !thread_exists(worker_pid(&r))),
	       "%s: it outlives its vhost",
	       model_name[m]);
	for (unsigned int i = 0; i < 1000; i++)
		ring_kick(&r.ring[i % 2]);
	rig_free(&r);
}

static void kick_after_death(enum model m)
{
	for (unsigned int i = 0; i < scaled(60, 4); i++)
		kick_the_dead(m, i % 2);
}

/*
 * W5: another process goes on to kick while the owner is killed, and after,
 * with the vhost's last descriptor closed by the owner's death or, later, by
 * that process.  Nothing may hang or crash (best seen with KASAN).  Any kernel.
 * Catches work queued to a worker that is gone: vhost_worker_killed() and what
 * was before it (Linux 6.4 to 6.10), the use after free of vhost_task's
 * task_struct (6.17-rc7, 6.12.57).
 */
static void owner_dies(void)
{
	for_each_model(kick_after_death);
}

/*
 * ---- W6: attaching a kernel thread to cgroups ----
 */

/* An owner whose cgroup is full: of the two, only a task counts there. */
static void full_cgroup(enum model m)
{
	struct cgroup c;
	int fd, err, status;
	pid_t pid;

	cgroup_make(&c, "", "pids");
	cgroup_put(&c, "pids.max", "1");
	fd = vhost_open();
	choose(fd, m);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		cgroup_join(&c, getpid());
		err = vhost_own(fd);
		if (m == TASK) {
			EXPECT(err == -ENOMEM || err == -EAGAIN,
			       "SET_OWNER with pids.max reached: %s",
			       strerror(-err));
			cgroup_put(&c, "pids.max", "2");
			err = vhost_own(fd);
			EXPECT(!err, "SET_OWNER with room for one: %s",
			       strerror(-err));
		} else {
			EXPECT(!err, "a kernel thread cannot be attached: %s",
			       strerror(-err));
		}
		status = (int)cgroup_number(&c, "pids.current", "");
		EXPECT(status == 2, "the owner's cgroup counts %d, not 2",
		       status);
		_exit(0);
	}
	EXPECT(owner_ended(pid, &status) && status == 0,
	       "%s: its owner: %#x", model_name[m], status);
	close(fd);
	EXPECT(WITHIN(BOUND_MS, worker_of(pid) < 0), "%s: it is left",
	       model_name[m]);
	cgroup_remove(&c);
}

/* Owners that are killed in SET_OWNER, or just before, or after. */
static void killed_early(enum model m)
{
	unsigned int times = scaled(200, 20);

	for (unsigned int i = 0; i < times; i++) {
		int fd = vhost_open(), status;
		pid_t pid;

		choose(fd, m);
		pid = fork();
		REQUIRE(pid >= 0, "fork: %s", strerror(errno));
		if (pid == 0) {
			vhost_own(fd);
			pause();
		}
		usleep(rnd() % 20000);
		kill(pid, SIGKILL);
		EXPECT(owner_ended(pid, &status),
		       "%s: killed in SET_OWNER, it does not end",
		       model_name[m]);
		close(fd);
		EXPECT(WITHIN(BOUND_MS, worker_of(pid) < 0),
		       "%s: killed in SET_OWNER, it left a worker",
		       model_name[m]);
	}
}

/*
 * W6: SET_OWNER when attaching or making the worker is hard: in a cgroup that
 * is full by pids.max, and killed at any moment of it.  A thread of the kernel
 * gets in and is counted, a task is refused; nothing is left of either.  (No
 * controller of cgroup2 refuses a kernel thread, and none of our user's rights
 * are asked: an attachment that really fails is not to be had from outside.)
 * Any kernel.  Catches an error path that leaves a worker, or a cgroup that can
 * never be removed.
 */
static void hard_to_attach(void)
{
	cgroup_mount();
	for_each_model(full_cgroup);
	for_each_model(killed_early);
}

const struct scenario workers[] = {
	{ "W1", "what a worker is: a thread of its owner, or of the kernel",
	  threads_and_groups, 0 },
	{ "W2", "SET_OWNER at RLIMIT_NPROC: a clean error, if it counts",
	  no_more_threads, 0 },
	{ "W3", "stop, trace, freeze, kill, dump core: no hang, and it goes on",
	  signals_and_freezer, 60 },
	{ "W4", "cpu.max throttles a worker, and it follows its cpuset",
	  limits, 60 },
	{ "W5", "kicks from another process after the owner's death",
	  owner_dies, 600 },
	{ "W6", "SET_OWNER in a full cgroup, and killed in the middle",
	  hard_to_attach, 600 },
	{ 0 }
};
