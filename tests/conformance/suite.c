/* SPDX-License-Identifier: MIT */
/*
 * One scenario, from fork to verdict.
 *
 *	parent				child
 *	where the kernel's log is	a process group, an empty network
 *	fork ------------------------>	namespace, no descriptor but 0, 1, 2
 *	poll its pidfd, bounded		run()
 *	too late: SIGABRT		dump_state(), and exit
 *	later still: SIGKILL
 *	kill what it left behind
 *	read the kernel's log
 *
 * What is said goes into a file in memory, the child's output, so that none of
 * it is lost however the child ends; the verdict is in a page both share.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/conformance/runner.h"

#define GRACE_MS	5000	/* for a dump, and again for a SIGKILL */
#define SPLAT_LINES	200U	/* of the kernel's log, from a splat on */
#define LOG_LINES	100000U	/* of it between two scenarios */

/* How a child that was not hurt ends. */
enum { END = 0, GAVE_UP = 1, SKIP = 2, TOO_LATE = 3 };

struct run_options run_options = { .seed = 1, .scale = 1, .seconds = 30 };
void (*dump_state)(void);

/* What the two processes, and those that the child forks, share. */
static struct {
	atomic_uint failures, known;
	char reason[256];
} *shared;

static const struct scenario *current;	/* the one that runs */
static int output;			/* its lines, in memory */
static int kmsg = -1;
static uint32_t random_state;

/*
 * ---- what a scenario may say ----
 */

void failed(const char *file, int line, const char *fmt, ...)
{
	const struct known *known;
	char message[512];
	const char *base = strrchr(file, '/');
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);

	known = known_failure(current->id, message);
	dprintf(output, "%s:%d: %s%s\n", base ? base + 1 : file, line, message,
		known ? " (known)" : "");
	if (known) {
		atomic_fetch_add(&shared->known, 1);
		snprintf(shared->reason, sizeof(shared->reason), "%s",
			 known->reason);
		return;
	}
	/* Once is enough: what follows is mostly its consequence. */
	if (atomic_fetch_add(&shared->failures, 1) == 0 && dump_state)
		dump_state();
}

void give_up(void)
{
	_exit(GAVE_UP);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->reason, sizeof(shared->reason), fmt, ap);
	va_end(ap);
	_exit(SKIP);
}

void note(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dprintf(output, "%s\n", line);
}

unsigned int scaled(unsigned int count, unsigned int least)
{
	unsigned int n = (unsigned int)(count * run_options.scale);

	return n > least ? n : least;
}

/* xorshift32: enough to shuffle, and the same everywhere. */
uint32_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

/* Each scenario has numbers of its own, whatever ran before it. */
static void seed(const char *id)
{
	random_state = run_options.seed * 2654435761U;
	for (; *id; id++)
		random_state = random_state * 31 + (unsigned char)*id;
	if (!random_state)
		random_state = 1;
}

/*
 * ---- the kernel ----
 */

/*
 * Debian's release string is that of the ABI, 6.1.0-49; which stable update it
 * has is in the version string: "#1 SMP ... Debian 6.1.192-1 (2026-09-01)".
 */
unsigned int kernel_version(void)
{
	unsigned int major = 0, minor = 0, patch = 0;
	struct utsname u;
	const char *debian;

	uname(&u);
	debian = strstr(u.version, "Debian ");
	if (!debian || sscanf(debian, "Debian %u.%u.%u", &major, &minor,
			      &patch) < 2)
		sscanf(u.release, "%u.%u.%u", &major, &minor, &patch);
	return VERSION(major, minor, patch);
}

const char *kernel_build(void)
{
	static char build[sizeof(struct utsname)];
	struct utsname u;

	uname(&u);
	snprintf(build, sizeof(build), "%s %s", u.release, u.version);
	return build;
}

bool kernel_since(unsigned int major, unsigned int minor)
{
	return kernel_version() >= VERSION(major, minor, 0);
}

/* A line of the log that says that something in the kernel is broken. */
static bool is_splat(const char *line)
{
	static const char *const words[] = {
		"WARNING:", "BUG:", "kernel BUG at", "Oops", "KASAN", "KCSAN",
		"UBSAN:", "INFO: task ", "INFO: possible", "INFO: trying",
		"INFO: rcu", "rcu: INFO", "general protection", "refcount_t:",
		"list_add corruption", "list_del corruption", "soft lockup",
		"possible recursive", "inconsistent lock", "Kernel panic",
		"unregister_netdevice: waiting", "page allocation failure",
		"bad page", "memory leak", "DEBUG_LOCKS_WARN",
		"sleeping function called", "scheduling while atomic",
	};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* What was logged since; of a splat and what follows, all but a flood. */
const char *kernel_log_splat(void)
{
	unsigned int room = SPLAT_LINES;
	static char first[256];
	char record[8192];
	ssize_t n;

	first[0] = '\0';
	for (unsigned int i = 0; kmsg >= 0 && i < LOG_LINES && room; i++) {
		char *text;

		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)	/* some were overwritten */
			continue;
		if (n <= 0)
			return first[0] ? first : NULL;
		record[n] = '\0';
		text = strchr(record, ';');	/* priority,number,time,-;text */
		text = text ? text + 1 : record;
		text[strcspn(text, "\n")] = '\0';
		if (!first[0] && is_splat(text))
			snprintf(first, sizeof(first), "%.250s", text);
		if (first[0]) {			/* to stdout as a comment */
			dprintf(output, "%s  kernel: %s\n",
				output == STDOUT_FILENO ? "#" : "", text);
			room--;
		}
	}
	/* Whoever logs that fast would have us read for ever. */
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	return first[0] ? first : NULL;
}

/*
 * ---- a hang ----
 */

static void show_file(const char *what, const char *path)
{
	char text[2048];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		dprintf(output, "  %s: %s\n", what, line);
}

static void show_thread(const char *tid)
{
	char path[64];

	dprintf(output, "  thread %.20s\n", tid);
	snprintf(path, sizeof(path), "/proc/%.20s/comm", tid);
	show_file("  name", path);
	snprintf(path, sizeof(path), "/proc/%.20s/schedstat", tid);
	show_file("  ns on a CPU, and waiting for one", path);
	snprintf(path, sizeof(path), "/proc/%.20s/stack", tid);
	show_file("  in", path);
}

/* The threads of @pid, and the kernel's own that work for it. */
static void show_threads(pid_t pid)
{
	char path[64], name[64], wanted[32];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			show_thread(e->d_name);
	if (d)
		closedir(d);

	snprintf(wanted, sizeof(wanted), "vhost-%d\n", pid);
	d = opendir("/proc");
	while (d && (e = readdir(d))) {
		ssize_t n = -1;
		int fd;

		snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = read(fd, name, sizeof(name) - 1);
			close(fd);
		}
		name[n > 0 ? n : 0] = '\0';
		if (strcmp(name, wanted) == 0)
			show_thread(e->d_name);
	}
	if (d)
		closedir(d);
}

static void on_abort(int sig)
{
	(void)sig;
	/* Not safe in a handler, and of no account: this process is ending. */
	if (dump_state)
		dump_state();
	_exit(TOO_LATE);
}

/*
 * ---- the child ----
 */

static void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		note("%s: %s", path, strerror(errno));
	close(fd);
}

void own_network(void)
{
	REQUIRE(unshare(CLONE_NEWNET) == 0, "unshare: %s", strerror(errno));
	/* Router solicitations and the like are nobody's scenario. */
	put("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	put("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

__attribute__((noreturn)) static void child(const struct scenario *s)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	output = STDOUT_FILENO;
	setvbuf(stdout, NULL, _IOLBF, 0);
	syscall(SYS_close_range, 3U, ~0U, 0U);
	signal(SIGABRT, on_abort);
	signal(SIGPIPE, SIG_IGN);
	seed(s->id);
	own_network();
	s->run();
	_exit(END);
}

/*
 * ---- the parent ----
 */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool ends_within(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

/* How long @s may take, in a machine as fast as --time-limit says. */
static unsigned int limit(const struct scenario *s)
{
	return s->seconds > 30 ? s->seconds * run_options.seconds / 30 :
				 run_options.seconds;
}

/* It did not end.  Returns false if it cannot even be killed. */
static bool end_it(pid_t pid, int pidfd)
{
	show_threads(pid);
	kill(pid, SIGABRT);
	if (ends_within(pidfd, GRACE_MS))
		return true;
	dprintf(output, "it did not even dump its state\n");
	kill(-pid, SIGKILL);
	if (ends_within(pidfd, GRACE_MS))
		return true;
	dprintf(output, "nor does SIGKILL end it\n");
	show_threads(pid);
	return false;
}

/* Wait for child @pid, and see to it that it was the end that it meant. */
static bool watch(const struct scenario *s, pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), status;
	bool skipped = false;

	if (!ends_within(pidfd, limit(s) * 1000)) {
		failed(__FILE__, __LINE__, "no end after %u s", limit(s));
		if (!end_it(pid, pidfd)) {
			close(pidfd);
			return false;
		}
	}
	close(pidfd);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		failed(__FILE__, __LINE__, "died of signal %d (%s)",
		       WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) > TOO_LATE)
		failed(__FILE__, __LINE__, "exit status %d",
		       WEXITSTATUS(status));
	else
		skipped = WEXITSTATUS(status) == SKIP;

	/* Whatever it forked, and we have become the parent of. */
	kill(-pid, SIGKILL);
	for (double end = now() + GRACE_MS / 1e3; now() < end; usleep(1000)) {
		pid_t other = waitpid(-1, NULL, WNOHANG);

		if (other < 0)
			break;
	}
	return skipped;
}

static char *take_output(void)
{
	off_t size = lseek(output, 0, SEEK_END);
	char *text = calloc(1, size + 1);

	if (text && pread(output, text, size, 0) < 0)
		text[0] = '\0';
	return text;
}

struct outcome run_scenario(const struct scenario *s)
{
	struct outcome o = { .verdict = PASSED };
	const char *splat;
	bool skipped;
	double start;
	pid_t pid;

	current = s;
	output = memfd_create("output", MFD_CLOEXEC);
	fcntl(output, F_SETFL, O_APPEND);
	memset((void *)shared, 0, sizeof(*shared));
	/* Somebody has to fail for what came in between; the words say it. */
	splat = kernel_log_splat();
	if (splat)
		failed(__FILE__, __LINE__, "since the scenario before, the "
		       "kernel's log: %s", splat);

	start = now();
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(s);
	skipped = watch(s, pid);
	o.seconds = now() - start;

	splat = kernel_log_splat();
	if (splat)
		failed(__FILE__, __LINE__, "the kernel's log: %s", splat);
	if (shared->failures)
		o.verdict = FAILED;
	else if (skipped)
		o.verdict = SKIPPED;
	else if (shared->known)
		o.verdict = KNOWN;
	snprintf(o.reason, sizeof(o.reason), "%s", shared->reason);
	o.log = take_output();
	close(output);
	output = STDOUT_FILENO;
	return o;
}

/* Once, before the first.  False, with @why, if nothing can run here. */
bool run_prepare(char *why, size_t size)
{
	static const char *const devices[] = {
		"/dev/vhost-net", "/dev/net/tun"
	};

	output = STDOUT_FILENO;
	if (geteuid() != 0) {
		snprintf(why, size, "not root");
		return false;
	}
	for (unsigned int i = 0; i < 2; i++)
		if (access(devices[i], R_OK | W_OK) < 0) {
			snprintf(why, size, "%s: %s", devices[i],
				 strerror(errno));
			return false;
		}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		snprintf(why, size, "mmap: %s", strerror(errno));
		return false;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		printf("# /dev/kmsg: %s; what the kernel logs is not seen\n",
		       strerror(errno));
	else
		lseek(kmsg, 0, SEEK_END);
	return true;
}
