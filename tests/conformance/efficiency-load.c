/* SPDX-License-Identifier: MIT */
/*
 * P4 to P8: one frame at a time, and more than the worker, or the guest, can
 * do.  What it means is at the top of efficiency.c.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/efficiency.h"
#include "tests/conformance/links.h"

/* ---- P4, P5, P8: one at a time ---- */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * @n times there and back: a frame out, and once it is on the wire, one in.
 * Waits as a driver would, for the call.  Times go to @us.  Returns how many
 * came back, each within SOON_MS.
 */
static unsigned int ping(struct rig *r, unsigned int n, struct cost *c,
			 uint32_t *us)
{
	struct ring *rx = &r->ring[RX], *tx = &r->ring[TX];
	uint8_t frame[2048];
	uint32_t id, len;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint64_t start = clock_ns();

		refill(r, 8, c);
		want_call(rx, 1);
		rig_offer_tx(r, SMALL, i);
		c->kicks += ring_kick_if_wanted(tx);
		if (!EXPECT(wire_recv(r->wire, frame, sizeof(frame), SOON_MS) ==
			    (int)SMALL && frame_seq(frame) == i,
			    "ping %u did not go out", i))
			break;
		wire_send(r->wire, frame, SMALL);
		if (!EXPECT(wait_readable(rx->call, SOON_MS),
			    "no call for ping %u", i))
			break;
		us[i] = (uint32_t)((clock_ns() - start) / 1000);
		c->calls += (unsigned int)events(rx->call);
		if (!EXPECT(ring_wait(rx, 1, SOON_MS) &&
			    ring_pop(rx, &id, &len) &&
			    ring_wait(tx, 1, SOON_MS) &&
			    ring_pop(tx, &id, &len), "ping %u is not used", i))
			break;
		c->frames += 2;
	}
	qsort(us, i, sizeof(*us), by_value);
	if (i)
		note("round trip in us: median %u, 99 %% %u, 99.9 %% %u, all "
		     "%u", us[i / 2], us[i * 99ULL / 100],
		     us[i * 999ULL / 1000], us[i - 1]);
	return i;
}

/* TX does not have to tell that a frame is out. */
static void no_tx_calls(struct rig *r)
{
	*(volatile uint16_t *)&vring_used_event(&r->ring[TX].v) =
		(uint16_t)(r->ring[TX].last_used + 0x8000);
}

#define PINGS_MAX	10000U
static uint32_t times_us[PINGS_MAX];

/*
 * P4: the latency of one frame at a time, there and back.  At most a kick out
 * and a call in for each, and the worker woken once for each frame.
 */
void latency(void)
{
	unsigned int n = scaled(PINGS_MAX, 200), came;
	struct cost c;
	struct rig r;

	n = n < PINGS_MAX ? n : PINGS_MAX;
	rig_make(&r, V1 | EVENT_IDX, NUM);
	rig_start(&r);
	no_tx_calls(&r);
	c = cost_begin(&r);
	came = ping(&r, n, &c, times_us);
	cost_end(&c, &r, "there and back");
	EXPECT(came == n, "%u of %u came back", came, n);
	/* The first buffers of RX are news, too. */
	EXPECT(c.kicks <= n + 2, "%u kicks", c.kicks);
	EXPECT(c.calls <= n + 1, "%u calls", c.calls);
	EXPECT(c.switches <= 4ULL * n + 100, "the worker ran %llu times for "
	       "%u frames", (unsigned long long)c.switches, c.frames);
	rig_free(&r);
}

/*
 * Ten kicks for nothing, in a second: each is a reason to poll once.  Polling
 * also ends when anything else becomes runnable on that CPU, and soon something
 * does; as a real-time thread the worker has only the clock to stop it.  It
 * polls for 5 ms in all if it looks at the clock, else for as long as the
 * kernel lets a real-time thread run, by default 950 ms a second.
 */
static bool polling_ends(struct rig *r)
{
	static const struct sched_param lowest = { .sched_priority = 1 };
	int pid = worker_pid(r);
	uint64_t cpu;

	REQUIRE(!sched_setscheduler(pid, SCHED_FIFO, &lowest),
		"SCHED_FIFO for the worker: %s", strerror(errno));
	cpu = worker_cpu(pid);
	for (unsigned int i = 0; i < 10; i++) {
		ring_kick(&r->ring[TX]);
		sleep_ms(100);
	}
	cpu = worker_cpu(pid) - cpu;
	note("ten kicks for nothing: the worker ran for %llu us",
	     (unsigned long long)(cpu / 1000));
	return cpu < 500000000;
}

/*
 * P5: busy polling for 0, 50 and 500 us: what it costs, what it brings.  No
 * splat ("sleeping with preempt disabled in busy_poll", before 6.1.176 and
 * 6.12.94, shows with PREEMPT_RT or DEBUG_ATOMIC_SLEEP), no frame lost, no more
 * calls, and once there is nothing to do it ends, also when nobody else wants
 * the CPU.  Kicks are only reported: TX polls on behalf of RX, too, and leaves
 * it asking for buffers though it has some (6.12 with two CPUs, 106 kicks for
 * 100 round trips).
 */
void busy_polling(void)
{
	static const unsigned int timeout[] = { 0, 50, 500 };
	unsigned int n = scaled(2000, 100), came;
	char what[32];

	for (unsigned int i = 0; i < 3; i++) {
		struct cost c;
		struct rig r;

		rig_make(&r, V1 | EVENT_IDX, NUM);
		set_busyloop(&r, timeout[i]);
		rig_start(&r);
		no_tx_calls(&r);
		snprintf(what, sizeof(what), "busyloop %u us", timeout[i]);
		c = cost_begin(&r);
		came = ping(&r, n, &c, times_us);
		cost_end(&c, &r, what);
		EXPECT(came == n, "%s: %u of %u came back", what, came, n);
		EXPECT(timeout[i] || c.kicks <= n + 2, "%u kicks without busy "
		       "polling", c.kicks);
		EXPECT(c.calls <= n + 1, "%s: %u calls", what, c.calls);
		expect_idle(&r, 1000, what);
		/* A virtual CPU may lose its own: thrice. */
		EXPECT(polling_ends(&r) || polling_ends(&r) ||
		       polling_ends(&r), "%s: polling does not end", what);
		rig_free(&r);
	}
}

/* ---- P6, P8: company ---- */

static atomic_bool stop;

static void *flood(void *arg)
{
	struct rig *r = arg;
	uint8_t frame[SMALL];

	frame_fill(frame, sizeof(frame), 0);
	while (!stop)
		if (send(r->wire, frame, sizeof(frame), MSG_DONTWAIT) < 0)
			sched_yield();
	return NULL;
}

static unsigned int pop_all(struct ring *ring)
{
	unsigned int n = 0;
	uint32_t id, len;

	while (ring_pop(ring, &id, &len))
		n++;
	return n;
}

/*
 * 900 frames wait for RX, and 900 are there for TX; one kick, by an eventfd
 * that both rings have, sets both going.  Returns whether 300 of @first's are
 * used before all of the other's.
 */
static bool has_its_turn(unsigned int first)
{
	enum { LARGE = 1024, ALL = 900, SOME = 300 };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e;
	cpu_set_t before;
	uint8_t frame[SMALL];
	struct rig r;

	rig_make(&r, V1 | EVENT_IDX, LARGE);
	rig_start(&r);
	/* The first call comes in any case. */
	rig_send(&r, SMALL, 0);
	rig_receive(&r, SMALL, 0);
	for (unsigned int i = RX; i <= TX; i++) {
		struct vhost_vring_file kick = { i, r.ring[RX].kick };

		REQUIRE(!ioctl(r.vhost, VHOST_SET_VRING_KICK, &kick),
			"VRING_KICK: %s", strerror(errno));
	}
	for (unsigned int i = 0; i < ALL; i++) {
		frame_fill(frame, SMALL, i);
		wire_send(r.wire, frame, SMALL);
	}
	rig_settle(&r);
	for (unsigned int i = 0; i < ALL; i++) {
		rig_offer_rx(&r, 128);
		rig_offer_tx(&r, SMALL, i);
	}
	for (unsigned int i = RX; i <= TX; i++) {
		want_call(&r.ring[i], i == first ? SOME : ALL);
		ring_publish(&r.ring[i]);
		events(r.ring[i].call);
		e = (struct epoll_event){ .events = EPOLLIN, .data.u32 = i };
		REQUIRE(!epoll_ctl(ep, EPOLL_CTL_ADD, r.ring[i].call, &e),
			"epoll: %s", strerror(errno));
	}
	before = on_one_cpu(&r);
	REQUIRE(!eventfd_write(r.ring[RX].kick, 1), "kick: %s",
		strerror(errno));
	/* What was ready first is told first. */
	REQUIRE(epoll_wait(ep, &e, 1, (int)SOON_MS) == 1, "neither was called");
	for (unsigned int i = RX; i <= TX; i++)
		EXPECT(ring_wait(&r.ring[i], ALL, SOON_MS), "%u of %u used",
		       ring_used(&r.ring[i]), ALL);
	sched_setaffinity(0, sizeof(before), &before);
	close(ep);
	rig_free(&r);
	return e.data.u32 == first;
}

/* RX under a flood and TX with a ring that is always full, for a while. */
static void both_flooded(void)
{
	unsigned int target = scaled(50000, 1000), in = 0, out = 0, seq = 0;
	uint8_t frame[2048];
	uint16_t before;
	uint64_t start, ms;
	struct cost c;
	struct rig r;
	pthread_t t;

	rig_make(&r, V1, NUM);
	rig_start(&r);
	c = cost_begin(&r);
	refill(&r, NUM, &c);
	stop = false;
	REQUIRE(!pthread_create(&t, NULL, flood, &r), "no thread");
	start = clock_ns();
	while (in + out < 2 * target) {
		struct ring *tx = &r.ring[TX];

		ms = (clock_ns() - start) / 1000000;
		if (!EXPECT(ms < 20000, "RX %u, TX %u frames after 20 s", in,
			    out))
			break;
		in += pop_all(&r.ring[RX]);
		refill(&r, NUM, &c);
		out += pop_all(tx);
		before = tx->next_avail;
		while ((uint16_t)(tx->next_avail - tx->last_used) < NUM)
			rig_offer_tx(&r, SMALL, seq++);
		if (tx->next_avail != before)
			c.kicks += ring_kick_if_wanted(tx);
		for (unsigned int i = 0; i < NUM; i++)
			if (recv(r.wire, frame, sizeof(frame), 0) < 0)
				break;
	}
	stop = true;
	pthread_join(t, NULL);
	c.frames = in + out;
	cost_end(&c, &r, "both at once");
	note("RX %u, TX %u frames", in, out);
	EXPECT(in >= out / 64, "RX starves: %u frames, TX %u", in, out);
	EXPECT(out >= in / 64, "TX starves: %u frames, RX %u", out, in);
	rig_free(&r);
}

/*
 * P6: both rings have more to do than one turn of the worker: they take turns,
 * of 256 frames, and neither must be through before the other has done a third.
 * Then both under load, as fast as it goes, within a factor of
 * 64.  CVE-2019-3900, before 5.2, had no bound on how long one may go on.
 */
void fairness(void)
{
	static const char *const name[] = { "RX", "TX" };

	for (unsigned int first = RX; first <= TX; first++)
		EXPECT(has_its_turn(first), "%s waits until %s has done all",
		       name[first], name[!first]);
	both_flooded();
}

static void *hog(void *arg)
{
	(void)arg;
	while (!stop)
		;
	return NULL;
}

/*
 * P8: the worker shares a CPU with a thread that never sleeps.  The frames get
 * through, one at a time, each within seconds; how much slower it is, is
 * reported (since 86bfbb7ce4f6, 6.6: a worker that woke too late for its turn).
 */
void shared_cpu(void)
{
	unsigned int n = scaled(1000, 50), came;
	uint32_t alone;
	cpu_set_t one, before;
	struct cost c;
	struct rig r;
	pthread_t t;

	rig_make(&r, V1 | EVENT_IDX, NUM);
	rig_start(&r);
	no_tx_calls(&r);
	c = cost_begin(&r);
	came = ping(&r, n, &c, times_us);
	cost_end(&c, &r, "alone");
	EXPECT(came == n, "alone: %u of %u came back", came, n);
	alone = times_us[came / 2];

	REQUIRE(!sched_getaffinity(0, sizeof(before), &before), "affinity");
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &before)) {
			CPU_SET(cpu, &one);
			break;
		}
	REQUIRE(!sched_setaffinity(worker_pid(&r), sizeof(one), &one),
		"affinity of the worker: %s", strerror(errno));
	stop = false;
	REQUIRE(!pthread_create(&t, NULL, hog, NULL) &&
		!pthread_setaffinity_np(t, sizeof(one), &one), "no thread");
	c = cost_begin(&r);
	came = ping(&r, n, &c, times_us);
	stop = true;
	pthread_join(t, NULL);
	cost_end(&c, &r, "beside a hog");
	note("the median is %.1f times as long",
	     times_us[came / 2] / (alone ? alone : 1.0));
	EXPECT(came == n, "beside a hog: %u of %u came back", came, n);
	rig_free(&r);
}

/* ---- P7 ---- */

#define STREAMS		4U

/* What the interface says it could not pass on to the tap's reader. */
static unsigned long drops_of(const char *name)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	unsigned long dropped = 0;
	char line[512], *p;

	while (f && fgets(line, sizeof(line), f)) {
		p = strchr(line, ':');
		if (!p)
			continue;
		*p = '\0';
		if (strcmp(line + strspn(line, " "), name) == 0)
			/* eight of RX, then bytes, packets, errs, drop */
			sscanf(p + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u "
			       "%*u %*u %lu", &dropped);
	}
	if (f)
		fclose(f);
	return dropped;
}

struct streams {
	int fd[STREAMS];
	uint32_t sent[STREAMS];		/* also the next number */
	uint32_t seen[STREAMS];		/* the last that arrived, + 1 */
	unsigned int refused, came, gaps;
};

/* @n frames, from one stream after the other; some may be refused. */
static void streams_send(struct streams *s, unsigned int n)
{
	uint8_t frame[SMALL];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = i % STREAMS;

		frame_fill(frame, SMALL, k << 28 | s->sent[k]);
		if (send(s->fd[k], frame, SMALL, MSG_DONTWAIT) == (int)SMALL)
			s->sent[k]++;
		else
			s->refused++;
	}
}

/*
 * Frames arrive, at least @n and until no more come for a while, each stream in
 * its order, with gaps for what was dropped.
 */
static void streams_take(struct rig *r, struct streams *s, unsigned int n,
			 unsigned int quiet_ms)
{
	struct ring *rx = &r->ring[RX];
	uint32_t id, len;

	for (n += s->came; ring_wait(rx, 1, s->came < n ? SOON_MS : quiet_ms) &&
	     ring_pop(rx, &id, &len); s->came++) {
		uint8_t *p = rig_ptr(r, rig_buffer(r, RX, id % NUM));
		uint32_t seq = frame_seq(p + r->hdr_len), k = seq >> 28;

		frame_check(p + r->hdr_len, SMALL, seq);
		seq &= 0xfffffff;
		if (!EXPECT(k < STREAMS && seq >= s->seen[k] &&
			    seq < s->sent[k], "stream %u: frame %u after %u",
			    k, seq, s->seen[k % STREAMS]))
			return;
		s->gaps += seq - s->seen[k];
		s->seen[k] = seq + 1;
		rig_offer_rx(r, 2048);
		ring_kick_if_wanted(rx);
	}
}

/*
 * Twice as much as the tap's ring holds comes before the guest looks at all.
 * Through a queue, all of it is taken, and what is lost must be in the count of
 * drops; with back pressure none may be.  @bypass, as with noqueue: the sender
 * is told itself, and what was taken must arrive.  Once the guest keeps up,
 * nothing is lost at all.
 */
static void many_streams(struct rig *r, const char *what, int bypass,
			 bool pressure)
{
	struct streams s = { 0 };
	unsigned int sent = 0, n = scaled(4000, 2500), refused;
	unsigned long dropped = drops_of(r->name), late;

	for (unsigned int k = 0; k < STREAMS; k++) {
		s.fd[k] = wire_open(r->name);
		REQUIRE(!setsockopt(s.fd[k], SOL_PACKET, PACKET_QDISC_BYPASS,
				    &bypass, sizeof(bypass)),
			"QDISC_BYPASS: %s", strerror(errno));
	}
	streams_send(&s, n);
	for (unsigned int i = 0; i < NUM; i++)
		rig_offer_rx(r, 2048);
	ring_kick(&r->ring[RX]);
	streams_take(r, &s, 0, 1000);
	refused = s.refused;
	dropped = drops_of(r->name) - dropped;
	late = drops_of(r->name);
	for (unsigned int i = 0; i < 10; i++) {
		streams_send(&s, 100);
		streams_take(r, &s, 100, 0);
	}
	late = drops_of(r->name) - late + s.refused - refused;
	EXPECT(!late, "%s: %lu lost, though the guest keeps up", what, late);
	for (unsigned int k = 0; k < STREAMS; k++) {
		sent += s.sent[k];
		close(s.fd[k]);
	}
	note("%s: %u taken and %u refused, %u arrived, %lu dropped", what,
	     sent, s.refused, s.came, dropped);
	EXPECT(s.came + s.gaps == sent, "%s: %u sent, %u arrived, %u in gaps",
	       what, sent, s.came, s.gaps);
	EXPECT(s.gaps == (bypass ? 0 : dropped), "%s: %u did not arrive, %lu "
	       "were dropped", what, s.gaps, dropped);
	EXPECT(!bypass || pressure || refused == dropped,
	       "%s: %u refused, %lu dropped", what, refused, dropped);
	EXPECT(!pressure || !dropped, "%s: %lu dropped in spite of back "
	       "pressure", what, dropped);
	rig_stop(r);
	rig_rewind(r, 0);
	rig_start(r);
}

/* Another tap for @r, with more @flags. */
static void other_tap(struct rig *r, const char *name, short flags)
{
	rig_stop(r);
	close(r->tap);
	close(r->wire);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->tap = tap_open(name, flags);
	r->wire = wire_open(name);
	rig_rewind(r, 0);
	rig_start(r);
}

#ifndef IFF_BACKPRESSURE
#define IFF_BACKPRESSURE 0x0080		/* after Linux 7.2.13 */
#endif

/*
 * P7: several streams into a guest that does not keep up, through the default
 * queue, through fq, and past them; on kernels that have it, with and without
 * IFF_BACKPRESSURE (1d6e569b7d0c had it for everybody, at the cost of a third
 * of the throughput).  Each stream in order, every frame arrived or counted as
 * dropped.  Back pressure is untested: 7.2.13 does not have the flag.
 */
void streams(void)
{
	unsigned int can = 0;
	struct rig r;

	rig_make(&r, V1 | EVENT_IDX, NUM);
	rig_start(&r);
	REQUIRE(!ioctl(r.tap, TUNGETFEATURES, &can), "TUNGETFEATURES: %s",
		strerror(errno));
	many_streams(&r, "default queue", 0, false);
	many_streams(&r, "no queue", 1, false);
	if (!qdisc_make(r.name, "fq"))
		many_streams(&r, "fq", 0, false);
	else
		note("no fq here");
	if (can & IFF_BACKPRESSURE) {
		other_tap(&r, "pressed", IFF_BACKPRESSURE);
		many_streams(&r, "default queue, back pressure", 0, true);
		many_streams(&r, "no queue, back pressure", 1, true);
		if (!qdisc_make(r.name, "fq"))
			many_streams(&r, "fq, back pressure", 0, true);
	} else {
		note("no IFF_BACKPRESSURE here: TUNGETFEATURES is %#x", can);
	}
	rig_free(&r);
}
