/* SPDX-License-Identifier: MIT */
/*
 * Collecting what others count, see stats.h.  What a host's kernel does not
 * count, or does not show us, is said in the place of the numbers.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "machine/machine.h"
#include "machine/report.h"
#include "machine/stats.h"
#include "machine/thread.h"

static uint64_t now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static void on_interval(void *ctx)
{
	struct machine *m = ctx;
	uint64_t times;

	if (read(m->stats.timer.fd, &times, sizeof(times)) == sizeof(times))
		stats_print(m, "interval");
}

static void timer_create_every(struct machine *m, unsigned int seconds)
{
	const struct itimerspec every = { { seconds, 0 }, { seconds, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	m->stats.timer = (struct watch) { fd, on_interval, m };
	if (fd < 0 || timerfd_settime(fd, 0, &every, NULL) < 0 ||
	    loop_watch(&m->loop, &m->stats.timer, EPOLLIN) < 0)
		err(1, "--stats-interval: timerfd");
}

/*
 * Open what --stats names, and start the interval.  Without the option SIGUSR1
 * has a report all the same, on stderr.  Ends with one line and status 2 if
 * there can be no such file.
 */
void stats_create(struct machine *m)
{
	const char *name = m->opt.stats_file;
	const char *dot = name ? strrchr(name, '.') : NULL;
	struct stats *s = &m->stats;

	s->json = dot && strcmp(dot, ".json") == 0;
	s->start_ms = now_ms(CLOCK_MONOTONIC);
	/* Not stderr itself: that writes every number on its own. */
	s->out = name ? fopen(name, "we") :
		 fdopen(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), "w");
	if (!s->out)
		errx(name ? 2 : 1, "--stats=%s: %s", name ? name : "(stderr)",
		     strerror(errno));
	if (m->opt.stats_interval)
		timer_create_every(m, m->opt.stats_interval);
}

/*
 * ---- KVM ----
 */

/* The sum of all vCPUs and each of them: "total", "vcpu0", "vcpu1"... */
static const struct report_columns *per_vcpu(unsigned int cpus)
{
	static char text[CPUS_MAX][16];
	static const char *name[1 + CPUS_MAX];
	static struct report_columns columns;

	name[0] = "total";
	for (unsigned int i = 0; i < cpus; i++) {
		snprintf(text[i], sizeof(text[i]), "vcpu%u", i);
		name[1 + i] = text[i];
	}
	columns = (struct report_columns) { .nr = 1 + cpus, .name = name };
	return &columns;
}

/* Bucket @b of a histogram is named by the least value that falls into it. */
static const char *row_name(const struct kvm_stat *stat, unsigned int b)
{
	static char name[KVM_STAT_NAME + 24];

	if (stat->nr == 1)
		snprintf(name, sizeof(name), "%s", stat->name);
	else if (stat->log && b)
		snprintf(name, sizeof(name), "%s>=2^%u", stat->name, b - 1);
	else
		snprintf(name, sizeof(name), "%s>=%llu", stat->name,
			 (unsigned long long)b * stat->bucket_size);
	return name;
}

/* Statistic @i of all @nr: what they add up to, then each. */
static void gather(const struct kvm_stats *s, unsigned int nr, unsigned int i,
		   unsigned int bucket, uint64_t *cells)
{
	struct kvm_stat stat;

	cells[0] = 0;
	for (unsigned int n = 0; n < nr; n++) {
		kvm_stats_get(&s[n], i, &stat);
		cells[1 + n] = stat.value[bucket];
		if (!stat.peak)
			cells[0] += cells[1 + n];
		else if (cells[0] < cells[1 + n])
			cells[0] = cells[1 + n];
	}
}

static void report_kvm_rows(struct report *r, const struct kvm_stats *s,
			    unsigned int nr, uint64_t sum[SUMS])
{
	uint64_t cells[1 + CPUS_MAX];
	struct kvm_stat stat;

	for (unsigned int i = 0; i < s->nr; i++) {
		kvm_stats_get(s, i, &stat);
		for (unsigned int b = 0; b < stat.nr; b++) {
			gather(s, nr, i, b, cells);
			if (stat.nr == 1 || cells[0])
				report_row_if_any(r, row_name(&stat, b), cells);
		}
		if (strcmp(stat.name, "exits") == 0)
			sum[SUM_EXITS] = cells[0];
		if (strcmp(stat.name, "irq_injections") == 0)
			sum[SUM_INTERRUPTS] = cells[0];
	}
}

/*
 * What the @nr descriptors @fd have, all of one kind: vCPUs, or the VM.  That
 * of exits and interrupts goes into @sum.
 */
static void report_kvm(struct report *r, const char *key, const char *title,
		       const struct report_columns *columns, const int *fd,
		       unsigned int nr, uint64_t sum[SUMS])
{
	struct kvm_stats *s = calloc(nr, sizeof(*s));
	int error = s ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < nr && !error; i++) {
		error = fd[i] < 0 ? -ENOTTY : kvm_stats_read(&s[i], fd[i]);
		if (!error && s[i].nr != s[0].nr)
			error = -EPROTO;
	}
	if (error == -ENOTTY) {
		report_none(r, key, "%s: this kernel has no KVM_GET_STATS_FD "
			    "(Linux 5.14)", title);
	} else if (error) {
		report_none(r, key, "%s: %s", title, error == -EPROTO ?
			    "not in the form of KVM's api.rst" :
			    strerror(-error));
	} else {
		report_section(r, key, columns, "%s", title);
		report_kvm_rows(r, s, nr, sum);
		report_close(r);
	}
	free(s);
}

static void report_vcpus(struct machine *m, struct report *r,
			 uint64_t sum[SUMS])
{
	int fd[CPUS_MAX];

	for (unsigned int i = 0; i < m->opt.cpus; i++)
		fd[i] = m->vcpu[i].stats_fd;
	report_kvm(r, "kvm_vcpus", "KVM, the vCPUs", per_vcpu(m->opt.cpus), fd,
		   m->opt.cpus, sum);
}

static void report_vm(struct machine *m, struct report *r, uint64_t sum[SUMS])
{
	static const struct report_columns one = { .nr = 1 };

	report_kvm(r, "kvm_vm", "KVM, the VM", &one, &m->kvm.stats_fd, 1, sum);
}

/*
 * ---- threads and memory ----
 */

/* Both are REPORT_NONE if one is: half a sum would be taken for a whole. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a == REPORT_NONE || b == REPORT_NONE ? REPORT_NONE : a + b;
}

/* A row for one thread, and into @sum; @usage is NULL if it cannot be seen. */
static void report_thread(struct report *r, const char *name,
			  const struct thread_usage *usage, uint64_t *sum)
{
	*sum = add(*sum, usage ? usage->cpu_ns : REPORT_NONE);
	if (usage)
		report_row(r, name, (uint64_t []){ usage->cpu_ns / 1000,
						   usage->wait_ns / 1000,
						   usage->voluntary,
						   usage->involuntary });
	else
		report_row_none(r, name, "not to be seen from this pid namespace");
}

static void report_vcpu_threads(struct machine *m, struct report *r,
				uint64_t sum[SUMS])
{
	for (unsigned int i = 0; i < m->opt.cpus; i++) {
		const struct vcpu *v = &m->vcpu[i];
		struct thread_usage usage = v->usage;
		bool seen = v->tid ? thread_usage(&usage, v->tid) :
				     !v->usage_unknown;
		char name[16];

		snprintf(name, sizeof(name), "vcpu%u", i);
		report_thread(r, name, seen ? &usage : NULL, &sum[SUM_VCPU_NS]);
	}
}

/*
 * vhost's worker of each card.  They are as old as the cards; with one missing
 * there would be no telling whose the others are.
 */
static void report_workers(struct machine *m, struct report *r,
			   uint64_t sum[SUMS])
{
	struct stats *s = &m->stats;
	unsigned int wanted = 0, worker = 0;
	bool all;

	for (unsigned int i = 0; i < m->opt.nr_taps; i++)
		wanted += m->opt.tap[i].vhost;
	if (s->nr_workers != wanted)	/* to look through /proc takes a while */
		s->nr_workers = thread_find_vhost(s->worker, CARDS_MAX);
	all = s->nr_workers == wanted;

	for (unsigned int i = 0; i < m->opt.nr_taps; i++) {
		struct thread_usage usage;
		char name[16];
		bool seen;

		if (!m->opt.tap[i].vhost)
			continue;
		snprintf(name, sizeof(name), "vhost%u", i);
		seen = all && thread_usage(&usage, s->worker[worker++]);
		report_thread(r, name, seen ? &usage : NULL, &sum[SUM_VHOST_NS]);
		if (!seen)
			s->nr_workers = 0;	/* look again next time */
	}
}

static void report_threads(struct machine *m, struct report *r,
			   uint64_t sum[SUMS])
{
	static const char *const name[] = { "cpu_us", "wait_us", "voluntary",
					    "involuntary" };
	static const struct report_columns columns = { .nr = 4, .name = name };
	struct thread_usage usage;
	bool seen = thread_usage(&usage, getpid());

	report_section(r, "threads", &columns, "threads: time, switches");
	report_thread(r, "main", seen ? &usage : NULL, &sum[SUM_MAIN_NS]);
	report_vcpu_threads(m, r, sum);
	report_workers(m, r, sum);
	report_close(r);
}

static void report_memory(struct machine *m, struct report *r)
{
	static const struct report_columns one = { .nr = 1 };

	report_section(r, "guest_ram", &one, "guest RAM, in bytes");
	report_row(r, "size", &m->opt.memory);
	report_row(r, "resident", (uint64_t []){ memory_resident(&m->memory) });
	report_close(r);
}

/*
 * ---- per packet, per interrupt ----
 */

static const char *const sum_name[SUMS] = {
	"exits", "returns", "packets", "interrupts",
	"vcpu_us", "vhost_us", "main_us",
};

/* Sum @a divided by sum @b, in thousandths; of ns, in thousandths of a us. */
static uint64_t ratio(const uint64_t sum[SUMS], unsigned int a, unsigned int b)
{
	const uint64_t scale = a < SUM_VCPU_NS ? 1000 : 1;

	if (a == b || sum[a] == REPORT_NONE || sum[b] == REPORT_NONE || !sum[b])
		return REPORT_NONE;
	return sum[a] * scale / sum[b];
}

/*
 * Packets are those of all taps, both ways; interrupts all that KVM injected,
 * the timer's with them (and none where the CPU posts them itself: AVIC, APICv).
 */
static void report_ratios(struct report *r, const char *key, const char *title,
			  const uint64_t sum[SUMS])
{
	static const char *const name[] = { "packet", "interrupt" };
	static const struct report_columns columns = {
		.nr = 2, .name = name, .thousandths = true,
	};

	report_section(r, key, &columns, "%s", title);
	for (unsigned int i = 0; i < SUMS; i++)
		report_row(r, sum_name[i], (uint64_t []){
			ratio(sum, i, SUM_PACKETS),
			ratio(sum, i, SUM_INTERRUPTS) });
	report_close(r);
}

/* What has come to @sum since this was last asked. */
static void report_interval(struct stats *s, struct report *r,
			    const uint64_t sum[SUMS])
{
	uint64_t more[SUMS];

	for (unsigned int i = 0; i < SUMS; i++)
		more[i] = sum[i] == REPORT_NONE || sum[i] < s->before[i] ?
			  REPORT_NONE : sum[i] - s->before[i];
	memcpy(s->before, sum, sizeof(s->before));
	report_ratios(r, "per_interval", "the same, of this interval", more);
}

/*
 * Write a report, with the lock held.  @when says why: "exit", "SIGUSR1" or
 * "interval", which has a section of its own.
 */
void stats_print(struct machine *m, const char *when)
{
	uint64_t sum[SUMS] = { [SUM_EXITS] = REPORT_NONE,
			       [SUM_INTERRUPTS] = REPORT_NONE };
	struct stats *s = &m->stats;
	struct report r;
	char key[16];

	report_begin(&r, s->out, s->json, when, now_ms(CLOCK_REALTIME),
		     now_ms(CLOCK_MONOTONIC) - s->start_ms);
	sum[SUM_RETURNS] = vcpu_report_returns(m, &r, per_vcpu(m->opt.cpus));
	report_vcpus(m, &r, sum);
	report_vm(m, &r, sum);
	report_threads(m, &r, sum);
	report_memory(m, &r);
	for (unsigned int i = 0; i < m->opt.nr_taps; i++) {
		snprintf(key, sizeof(key), "card%u", i);
		sum[SUM_PACKETS] = add(sum[SUM_PACKETS],
				       card_report(&m->card[i], &r, key));
	}
	report_ratios(&r, "per", "per packet, per interrupt", sum);
	if (strcmp(when, "interval") == 0)
		report_interval(s, &r, sum);
	report_end(&r);

	if (ferror(s->out) && !s->failed)
		warnx("--stats: cannot be written; is the disk full?");
	s->failed |= ferror(s->out);
	clearerr(s->out);		/* there may be room for the next */
}
