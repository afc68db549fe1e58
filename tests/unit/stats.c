/* SPDX-License-Identifier: MIT */
/*
 * Statistics as KVM gives them, laid out by hand, also wrongly; and a report
 * on a machine for which nobody counts anything.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/machine.h"
#include "machine/stats.h"
#include "machine/thread.h"
#include "tests/unit/check.h"

/*
 * api.rst, KVM_GET_STATS_FD: a header, an id, descriptors, values; all offsets
 * count from the start.  Not linux/kvm.h: that is what is tested.
 */
struct header {
	uint32_t flags, name_size, num_desc, id_offset, desc_offset,
		 data_offset;
};

struct desc {
	uint32_t flags;
	int16_t exponent;
	uint16_t size;
	uint32_t offset, bucket_size;
	char name[48];
};

#define CUMULATIVE	0
#define PEAK		2
#define LINEAR		3
#define LOG		4

struct file {
	struct header head;
	char id[48];
	struct desc desc[4];
	uint64_t data[1 + 1 + 3 + 4];
};

static const struct file good = {
	.head = { 0, 48, 4, offsetof(struct file, id),
		  offsetof(struct file, desc), offsetof(struct file, data) },
	.id = "kvm-1/vcpu-0",
	.desc = {
		{ CUMULATIVE, 0, 1, 0, 0, "exits" },
		{ PEAK, 0, 1, 8, 0, "longest" },
		{ LINEAR, 0, 3, 16, 500, "waits" },
		{ LOG | 2 << 4, -9, 4, 40, 0, "halts" },
	},
	.data = { 11, 22, 1, 2, 3, 4, 5, 6, UINT64_MAX },
};

/* A descriptor with @bytes of @file in it. */
static int stats_file(const void *file, size_t bytes)
{
	int fd = memfd_create("stats", MFD_CLOEXEC);

	if (fd < 0 || write(fd, file, bytes) != (ssize_t)bytes)
		abort();
	return fd;
}

static int read_stats(struct kvm_stats *s, const void *file, size_t bytes)
{
	int fd = stats_file(file, bytes);
	int error;

	memset(s, 0, sizeof(*s));
	error = kvm_stats_read(s, fd);
	close(fd);
	return error;
}

static void test_good(void)
{
	static struct kvm_stats s;
	struct kvm_stat st;

	CHECK(read_stats(&s, &good, sizeof(good)) == 0 && s.nr == 4,
	      "four statistics");
	CHECK(kvm_stats_get(&s, 0, &st) && strcmp(st.name, "exits") == 0 &&
	      st.nr == 1 && !st.peak && st.value[0] == 11, "a count");
	CHECK(kvm_stats_get(&s, 1, &st) && strcmp(st.name, "longest") == 0 &&
	      st.nr == 1 && st.peak && st.value[0] == 22, "a peak");
	CHECK(kvm_stats_get(&s, 2, &st) && st.nr == 3 && !st.log &&
	      st.bucket_size == 500 && st.value[0] == 1 && st.value[2] == 3,
	      "a linear histogram");
	CHECK(kvm_stats_get(&s, 3, &st) && st.nr == 4 && st.log &&
	      st.value[0] == 4 && st.value[3] == UINT64_MAX,
	      "a logarithmic one");
}

/* One field each that says something else; KVM would have to be broken. */
static void test_lies(void)
{
	static struct kvm_stats s;
	static const struct {
		const char *what;
		size_t at;
		uint32_t value;
	} lie[] = {
#define HEAD(field, value) "header: " #field " " #value, \
			   offsetof(struct file, head.field), value
#define DESC(field, value) "descriptor: " #field " " #value, \
			   offsetof(struct file, desc[3].field), value
		{ HEAD(num_desc, 5) },
		{ HEAD(num_desc, UINT32_MAX) },
		{ HEAD(name_size, 0) },
		{ HEAD(name_size, 65) },
		{ HEAD(name_size, UINT32_MAX) },
		{ HEAD(name_size, UINT32_MAX - 15) },
		{ HEAD(desc_offset, sizeof(struct file) - 255) },
		{ HEAD(desc_offset, UINT32_MAX) },
		{ HEAD(data_offset, offsetof(struct file, data) + 1) },
		{ HEAD(data_offset, UINT32_MAX) },
		{ DESC(offset, 41) },
		{ DESC(offset, UINT32_MAX) },
		{ DESC(offset, UINT32_MAX - 300) },
		/* exponent, and size above it, in one word */
		{ "descriptor: size 0", offsetof(struct file, desc[3]) + 4, 0 },
		{ "descriptor: size 5", offsetof(struct file, desc[3]) + 4,
		  5 << 16 },
		{ "descriptor: size 65535", offsetof(struct file, desc[3]) + 4,
		  UINT32_MAX },
	};

	for (unsigned int i = 0; i < sizeof(lie) / sizeof(lie[0]); i++) {
		struct file f = good;

		memcpy((char *)&f + lie[i].at, &lie[i].value, 4);
		CHECK(read_stats(&s, &f, sizeof(f)) == -EPROTO && s.nr == 0,
		      "refused: %s", lie[i].what);
	}
}

static void test_name_without_end(void)
{
	static struct kvm_stats s;
	struct file f = good;

	memset(f.desc[1].name, 'x', sizeof(f.desc[1].name));
	CHECK(read_stats(&s, &f, sizeof(f)) == -EPROTO,
	      "refused: a name without an end");
}

/* One statistic whose name has @size bytes, and an end. */
static int read_name_of(struct kvm_stats *s, uint32_t size)
{
	const struct header head = { 0, size, 1, 24, 24, 24 + 16 + size };
	const struct desc desc = { .size = 1 };
	char file[256] = { 0 };

	memcpy(file, &head, sizeof(head));
	memcpy(file + 24, &desc, 16);
	memset(file + 24 + 16, 'x', size - 1);
	return read_stats(s, file, 24 + 16 + size + 8);
}

static void test_long_name(void)
{
	static struct kvm_stats s;
	struct kvm_stat st;

	CHECK(read_name_of(&s, KVM_STAT_NAME) == 0 &&
	      kvm_stats_get(&s, 0, &st) &&
	      strlen(st.name) == KVM_STAT_NAME - 1,
	      "accepted: as long a name as there can be");
	CHECK(read_name_of(&s, KVM_STAT_NAME + 1) == -EPROTO,
	      "refused: one that is longer");
}

/* A histogram that fits the file, and not what we have for one. */
static void test_many_buckets(void)
{
	static struct kvm_stats s;
	static struct { struct file f; uint64_t more[64]; } big;

	big.f = good;
	big.f.desc[3].size = KVM_STAT_BUCKETS + 1;
	CHECK(read_stats(&s, &big, sizeof(big)) == -EPROTO,
	      "refused: a histogram with one bucket too many");
	big.f.desc[3].size = KVM_STAT_BUCKETS;
	CHECK(read_stats(&s, &big, sizeof(big)) == 0,
	      "accepted: with as many as there can be");
}

static void test_short(void)
{
	static struct kvm_stats s;
	unsigned int wrong = 0;

	for (size_t n = 0; n < sizeof(good); n++)
		wrong += read_stats(&s, &good, n) != -EPROTO;
	CHECK(wrong == 0, "refused: cut off, at whatever byte");
	CHECK(kvm_stats_read(&s, -1) == -EBADF && s.nr == 0,
	      "an error of read() is handed on");
	CHECK(kvm_stats_open(STDIN_FILENO) < 0,
	      "what is not KVM's has no statistics");
}

/*
 * ---- threads ----
 */

/* A process that calls itself as vhost's worker for @owner would be called. */
static pid_t impostor(pid_t owner)
{
	int named[2];
	char name[16], done;
	pid_t child;

	if (pipe(named) < 0)
		abort();
	child = fork();
	if (child == 0) {
		snprintf(name, sizeof(name), "vhost-%d", (int)owner);
		prctl(PR_SET_NAME, name);
		close(named[1]);
		pause();
		_exit(0);
	}
	close(named[1]);
	if (read(named[0], &done, 1) < 0)	/* its end is closed, too */
		abort();
	close(named[0]);
	return child;
}

static void test_threads(void)
{
	struct thread_usage u;
	pid_t worker[2], child = impostor(getpid());

	CHECK(thread_usage(&u, getpid()) && u.cpu_ns > 0, "a thread of ours");
	CHECK(thread_usage(&u, child), "a process that is not ours");
	CHECK(thread_find_vhost(worker, 2) == 0,
	      "which is no worker, whatever its name is");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(!thread_usage(&u, child), "one that has ended cannot be seen");
}

static pthread_barrier_t step;

static void *pretend(void *tid)
{
	prctl(PR_SET_NAME, "vhost-4711");
	*(pid_t *)tid = gettid();
	pthread_barrier_wait(&step);	/* that is seen to, */
	pthread_barrier_wait(&step);	/* and has been looked at */
	return NULL;
}

/* Since Linux 6.4: in our own process, with a number that is the host's. */
static void test_worker_of_ours(void)
{
	pid_t tid = 0, worker[2] = { 0 };
	unsigned int found;
	bool batch;
	pthread_t thread;

	pthread_barrier_init(&step, NULL, 2);
	if (pthread_create(&thread, NULL, pretend, &tid) != 0)
		abort();
	pthread_barrier_wait(&step);
	found = thread_find_vhost(worker, 2);
	batch = thread_batch(tid) == 0 && sched_getscheduler(tid) == SCHED_BATCH;
	pthread_barrier_wait(&step);
	pthread_join(thread, NULL);
	CHECK(found == 1 && worker[0] == tid, "a worker that is one of ours");
	CHECK(batch && sched_getscheduler(0) == SCHED_OTHER,
	      "SCHED_BATCH for it, and for nobody else");
	CHECK(thread_batch(tid) == -ESRCH, "and for none that has ended");
}

/* unshare -p without --mount-proc: what /proc calls 1 is somebody else. */
static void test_foreign_proc(void)
{
	struct thread_usage u;
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(77);
		child = fork();
		if (child == 0)
			_exit(thread_usage(&u, getpid()));
		waitpid(child, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	waitpid(child, &status, 0);
	if (WEXITSTATUS(status) == 77)
		SKIP("no pid namespace to be had");
	else
		CHECK(status == 0, "a /proc of another pid namespace");
}

/*
 * ---- a report ----
 */

static char *report_of(struct machine *m, const char *suffix)
{
	static char text[65536];
	char dir[] = "/tmp/stats.XXXXXX", path[64];
	size_t n;
	FILE *f;

	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/report%s", dir, suffix);
	m->opt.stats_file = path;
	stats_create(m);
	stats_print(m, "SIGUSR1");
	fclose(m->stats.out);
	f = fopen(path, "re");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if (f)
		fclose(f);
	unlink(path);
	rmdir(dir);
	return text;
}

/* As on Linux 5.13, in a namespace of its own, with a tap that is elsewhere. */
static void test_nothing_known(void)
{
	static struct machine m;
	struct vcpu vcpu = {
		.stats_fd = -1, .machine = &m, .exits = { [6] = 2 },
		.usage_unknown = true,
	};
	char *text;

	m.opt.cpus = 1;
	m.opt.nr_taps = 2;		/* two unknowns are one, too */
	m.opt.tap[0].vhost = m.opt.tap[1].vhost = 1;
	m.vcpu = &vcpu;
	m.kvm.stats_fd = -1;
	strcpy(m.card[0].name, "card 0 (tap0)");

	text = report_of(&m, "");
	CHECK(strstr(text, "KVM, the vCPUs: this kernel has no "
			   "KVM_GET_STATS_FD (Linux 5.14)\n") &&
	      strstr(text, "KVM, the VM: this kernel has no"),
	      "the table says that KVM has no statistics");
	CHECK(strstr(text, "  vhost0                        not to be seen "),
	      "that vhost's worker is out of sight");
	CHECK(strstr(text, "  vcpu0                         not to be seen "),
	      "that so was a vCPU's thread, which has ended");
	CHECK(strstr(text, "card 0 (tap0): its tap: in another network"),
	      "and the tap, too");
	CHECK(strstr(text, "  MMIO                                   2"
			   "           2\n"), "what is known is there");
	CHECK(strstr(text, "  exits                                  -"
			   "           -\n"), "no ratio of things not known");

	text = report_of(&m, ".json");
	CHECK(strstr(text, "\"kvm_vcpus\":null,\"kvm_vm\":null,"),
	      "JSON: null for KVM");
	CHECK(strstr(text, "\"vhost0\":null,\"vhost1\":null}"),
	      "null for the workers");
	CHECK(strstr(text, "\"vcpu_us\":{\"packet\":null,\"interrupt\":null}"),
	      "null for what the vCPUs' threads used");
	CHECK(strstr(text, "\"tap\":null,"), "null for the tap");
	CHECK(strstr(text, "\"MMIO\":{\"total\":2,\"vcpu0\":2}"),
	      "what is known is there");
	CHECK(strstr(text, "\"exits\":{\"packet\":null,\"interrupt\":null}") &&
	      strstr(text, "\"returns\":{\"packet\":null,\"interrupt\":null}"),
	      "null for ratios");
	CHECK(strchr(text, '\n') == text + strlen(text) - 1,
	      "all of it is one line");
}

/* Two vCPUs: counts are added, a peak is the higher of the two. */
static void test_sums(void)
{
	static struct machine m;
	struct vcpu vcpu[2] = { { .machine = &m }, { .machine = &m } };
	struct file other = good;
	char *text;

	other.data[0] = 100;
	other.data[1] = 7;
	m.opt.cpus = 2;
	m.vcpu = vcpu;
	m.kvm.stats_fd = -1;
	vcpu[0].stats_fd = stats_file(&good, sizeof(good));
	vcpu[1].stats_fd = stats_file(&other, sizeof(other));

	text = report_of(&m, ".json");
	CHECK(strstr(text, "\"exits\":{\"total\":111,\"vcpu0\":11,"
			   "\"vcpu1\":100}"), "a count of all vCPUs");
	CHECK(strstr(text, "\"longest\":{\"total\":22,\"vcpu0\":22,"
			   "\"vcpu1\":7}"), "a peak of all vCPUs");
	CHECK(strstr(text, "\"waits>=500\":{\"total\":4,"),
	      "a linear bucket, by its least value");
	CHECK(strstr(text, "\"halts>=0\":{\"total\":8,") &&
	      strstr(text, "\"halts>=2^0\":{\"total\":10,") &&
	      strstr(text, "\"halts>=2^1\":{\"total\":12,"),
	      "logarithmic ones, too");

	CHECK(strstr(text, "\"interrupts\":{\"packet\":null,"),
	      "nobody counted interrupts: null");

	close(vcpu[1].stats_fd);
	strcpy(other.desc[0].name, "irq_injections");
	vcpu[1].stats_fd = stats_file(&other, sizeof(other));
	close(vcpu[0].stats_fd);
	vcpu[0].stats_fd = stats_file(&other, sizeof(other));
	vcpu[0].exits[6] = 301;
	text = report_of(&m, ".json");
	CHECK(strstr(text, "\"returns\":{\"packet\":null,\"interrupt\":1.505}"),
	      "returns per interrupt");
	CHECK(strstr(text, "\"exits\":{\"packet\":null,\"interrupt\":null}"),
	      "exits, which are not known, per interrupt: null");

	m.opt.nr_taps = 1;		/* and its worker is nowhere */
	m.opt.tap[0].vhost = 1;
	CHECK(strstr(report_of(&m, ".json"),
		     "\"vhost_us\":{\"packet\":null,\"interrupt\":null}"),
	      "a worker that cannot be seen makes no sum of the others");
	m.opt.nr_taps = 0;

	close(vcpu[1].stats_fd);
	other.head.num_desc = 3;
	vcpu[1].stats_fd = stats_file(&other, sizeof(other));
	CHECK(strstr(report_of(&m, ".json"), "\"kvm_vcpus\":null,"),
	      "vCPUs that do not count the same things are not added up");
	close(vcpu[0].stats_fd);
	close(vcpu[1].stats_fd);
}

int main(void)
{
	test_good();
	test_lies();
	test_name_without_end();
	test_long_name();
	test_many_buckets();
	test_short();
	test_threads();
	test_worker_of_ours();
	test_foreign_proc();
	test_nothing_known();
	test_sums();
	return done();
}
