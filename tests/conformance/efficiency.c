/* SPDX-License-Identifier: MIT */
/*
 * P: what a frame costs.  Reported, to compare kernels with each other: kicks,
 * calls, wakeups and CPU time of the worker for each frame, frames a second,
 * latency.  Asserted are counts alone, which no machine's speed changes: no
 * more kicks than the driver had reason for, no more calls than it asked for,
 * nothing at all while there is nothing to do; and that every frame arrives.
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
#include "tests/conformance/links.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"
#include "tests/conformance/rig.h"
#include "tests/conformance/suite.h"

#define SOON_MS		10000U	/* what is due comes within, on any machine */
#define NUM		256U
#define SMALL		60U	/* bytes: with its checksum, the least there is */
#define V1		FEATURE(VIRTIO_F_VERSION_1)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)

/* ---- What it cost ---- */

struct cost {
	unsigned int frames, kicks, calls;
	uint64_t cpu, switches, ns;	/* the worker's; and the clock's */
};

static struct cost cost_begin(const struct rig *r)
{
	REQUIRE(worker_pid(r) > 0, "the worker is not to be found");
	events(r->ring[RX].call);
	events(r->ring[TX].call);
	return (struct cost){
		.cpu = worker_cpu(worker_pid(r)),
		.switches = worker_switches(worker_pid(r)),
		.ns = clock_ns(),
	};
}

static void cost_end(struct cost *c, const struct rig *r, const char *what)
{
	double n = c->frames ? c->frames : 1;

	c->ns = clock_ns() - c->ns;
	c->cpu = worker_cpu(worker_pid(r)) - c->cpu;
	c->switches = worker_switches(worker_pid(r)) - c->switches;
	note("%s: %u frames, each %.3f kicks, %.3f calls, %.3f switches, "
	     "%.0f ns of the worker; %.0f frames/s", what, c->frames,
	     c->kicks / n, c->calls / n, c->switches / n, (double)c->cpu / n,
	     n * 1e9 / (double)(c->ns ? c->ns : 1));
}

/* Every ioctl of a device waits for what its worker has begun. */
static void settle(const struct rig *r)
{
	int none = -1;

	REQUIRE(!ioctl(r->vhost, VHOST_SET_LOG_FD, &none), "LOG_FD -1: %s",
		strerror(errno));
}

/* ---- A burst each way, as a good driver does it ---- */

/*
 * Ask to be called when the @n-th from now is used, and not before; without
 * EVENT_IDX there is only all or nothing, and a driver that looks for itself
 * wants nothing.
 */
static void want_call(struct ring *ring, unsigned int n)
{
	if (ring->event_idx)
		*(volatile uint16_t *)&vring_used_event(&ring->v) =
			(uint16_t)(ring->last_used + n - 1);
	else
		*(volatile uint16_t *)&ring->v.avail->flags =
			VRING_AVAIL_F_NO_INTERRUPT;
	atomic_thread_fence(memory_order_seq_cst);
}

/* All @n must be used, and in order; with EVENT_IDX, the call must come. */
static bool reap(struct ring *ring, unsigned int n, struct cost *c)
{
	const char *name = ring->index == TX ? "TX" : "RX";
	uint32_t id, len;
	bool in_order = true;

	if (!EXPECT(ring_wait(ring, n, SOON_MS), "%s: %u of %u used", name,
		    ring_used(ring), n))
		return false;
	if (ring->event_idx)
		EXPECT(wait_readable(ring->call, SOON_MS),
		       "%s: no call, with all that was waited for used", name);
	c->calls += (unsigned int)events(ring->call);
	for (unsigned int i = 0; i < n; i++) {
		uint16_t head = (uint16_t)(ring->last_used % NUM);

		ring_pop(ring, &id, &len);
		in_order &= id == head;
	}
	return EXPECT(in_order, "%s: not used in order", name);
}

/* @n frames leave the tap: published at once, one kick at most. */
static bool burst_out(struct rig *r, unsigned int n, unsigned int len,
		      struct cost *c)
{
	static uint32_t seq;
	static uint8_t frame[65536];
	struct ring *tx = &r->ring[TX];
	uint32_t next = seq;

	for (unsigned int i = 0; i < n; i++)
		rig_offer_tx(r, len, seq++);
	want_call(tx, n);
	c->kicks += ring_kick_if_wanted(tx);
	if (!reap(tx, n, c))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		int got = wire_recv(r->wire, frame, sizeof(frame), SOON_MS);

		if (!EXPECT(got == (int)len && frame_seq(frame) == next,
			    "TX: %d bytes, frame %u, not %u bytes, frame %u",
			    got, got < 14 ? 0 : frame_seq(frame), len, next))
			return false;
		next++;
	}
	c->frames += n;
	return true;
}

/* Let RX have @n buffers out. */
static void refill(struct rig *r, unsigned int n, struct cost *c)
{
	struct ring *rx = &r->ring[RX];
	bool more = false;

	while ((uint16_t)(rx->next_avail - rx->last_used) < n) {
		rig_offer_rx(r, 2048);
		more = true;
	}
	if (more)
		c->kicks += ring_kick_if_wanted(rx);
}

/* @n frames come in, of which there must be buffers for more. */
static bool burst_in(struct rig *r, unsigned int n, unsigned int len,
		     struct cost *c)
{
	static uint32_t seq;
	struct ring *rx = &r->ring[RX];
	uint8_t frame[2048];
	uint16_t from = rx->last_used;
	uint32_t first = seq;

	want_call(rx, n);
	for (unsigned int i = 0; i < n; i++) {
		frame_fill(frame, len, seq++);
		wire_send(r->wire, frame, len);
	}
	if (!reap(rx, n, c))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *p = rig_ptr(r, rig_buffer(r, RX, (from + i) % NUM));

		if (!frame_check(p + r->hdr_len, len, first + i))
			return false;
	}
	c->frames += n;
	/* Our own frames are shown to us as well: keep room for others. */
	wire_recv(r->wire, frame, sizeof(frame), 0);
	refill(r, NUM, c);
	return true;
}

/*
 * P1: small frames, out, in, and both in turn, in bursts of 64.  For a burst
 * out one kick at most and one call; in, one call, and no kicks, since there
 * are always buffers: the first, and one more each time the index wraps, as
 * avail_event stands still meanwhile.
 */
static void packet_rate(void)
{
	enum { BURST = 64 };
	unsigned int bursts = scaled(1000, 20);
	struct cost c;
	struct rig r;

	rig_make(&r, V1 | EVENT_IDX, NUM);
	rig_start(&r);

	c = cost_begin(&r);
	for (unsigned int i = 0; i < bursts; i++)
		if (!burst_out(&r, BURST, SMALL, &c))
			break;
	cost_end(&c, &r, "TX");
	EXPECT(c.kicks <= bursts, "TX: %u kicks in %u bursts", c.kicks, bursts);
	EXPECT(c.calls <= bursts + 1, "TX: %u calls in %u bursts", c.calls,
	       bursts);

	c = cost_begin(&r);
	refill(&r, NUM, &c);
	for (unsigned int i = 0; i < bursts; i++)
		if (!burst_in(&r, BURST, SMALL, &c))
			break;
	cost_end(&c, &r, "RX");
	EXPECT(c.kicks <= 2 + c.frames / 65536, "RX: %u kicks, and the ring "
	       "was never empty", c.kicks);
	EXPECT(c.calls <= bursts + 1, "RX: %u calls in %u bursts", c.calls,
	       bursts);

	c = cost_begin(&r);
	for (unsigned int i = 0; i < bursts; i++)
		if (!burst_out(&r, BURST, SMALL, &c) ||
		    !burst_in(&r, BURST, SMALL, &c))
			break;
	cost_end(&c, &r, "both");
	EXPECT(c.kicks <= bursts + 2 + c.frames / 65536,
	       "both: %u kicks in %u bursts each way", c.kicks, bursts);
	EXPECT(c.calls <= 2 * bursts + 2, "both: %u calls", c.calls);
	rig_free(&r);
}

/* ---- P2 ---- */

#define GSO_DATA	64000U
#define GSO_SIZE	1448U

/* Is @got what was sent with @sent?  One buffer took it. */
static bool same_header(const struct virtio_net_hdr_v1 *got,
			const struct virtio_net_hdr_v1 *sent)
{
	return got->flags == VIRTIO_NET_HDR_F_NEEDS_CSUM &&
	       got->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 &&
	       got->gso_size == GSO_SIZE &&
	       got->csum_start == sent->csum_start &&
	       got->csum_offset == sent->csum_offset && got->num_buffers == 1;
}

/*
 * P2: TCP in packets of 64 KB, out and in.  One packet must stay one: on the
 * wire as for the guest, with the header it was given; one descriptor, at most
 * one kick and one call for it.
 */
static void large_packets(void)
{
	static struct packet p;
	static uint8_t frame[PACKET_MAX];
	unsigned int count = scaled(5000, 50), same = 0;
	struct virtio_net_hdr_v1 hdr, got;
	struct virtio_net_hdr on_wire;
	const uint8_t *in;
	struct cost c;
	struct rig r;
	int wire, len;

	rig_make(&r, V1 | EVENT_IDX | FEATURE(VIRTIO_NET_F_MRG_RXBUF), NUM);
	rig_start(&r);
	REQUIRE(!ioctl(r.tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4),
		"TUNSETOFFLOAD: %s", strerror(errno));
	wire = raw_wire(r.name, true);
	packet_make(&p, TCP4, GSO_DATA);
	packet_partial(&p);
	hdr = packet_header(&p, GSO_SIZE);

	c = cost_begin(&r);
	for (unsigned int i = 0; i < count; i++) {
		struct ring *tx = &r.ring[TX];
		unsigned int desc = rig_offer_tx(&r, p.len, i);
		uint8_t *out = rig_ptr(&r, rig_buffer(&r, TX, desc));

		memcpy(out, &hdr, sizeof(hdr));
		memcpy(out + sizeof(hdr), p.bytes, p.len);
		want_call(tx, 1);
		c.kicks += ring_kick_if_wanted(tx);
		if (!reap(tx, 1, &c))
			break;
		len = raw_wire_recv(wire, &on_wire, frame, sizeof(frame),
				    SOON_MS);
		same += len == (int)p.len && on_wire.gso_size == GSO_SIZE &&
			!memcmp(frame, p.bytes, p.len);
		c.frames++;
	}
	cost_end(&c, &r, "TX");
	note("TX: %.2f Gbit/s", c.frames * 8.0 * p.len / (double)c.ns);
	EXPECT(same == count, "%u of %u came out whole and the same", same,
	       count);
	EXPECT(c.kicks <= count, "TX: %u kicks", c.kicks);
	EXPECT(c.calls <= count + 1, "TX: %u calls", c.calls);

	same = 0;
	c = cost_begin(&r);
	raw_offer(&r, 16);
	for (unsigned int i = 0; i < count; i++) {
		want_call(&r.ring[RX], 1);
		raw_wire_send(wire, &hdr, p.bytes, p.len);
		len = raw_take(&r, &got, &in, SOON_MS);
		if (!EXPECT(len == (int)p.len, "RX: %d bytes, not %u", len,
			    p.len))
			break;
		same += same_header(&got, &hdr) && !memcmp(in, p.bytes, p.len);
		EXPECT(wait_readable(r.ring[RX].call, SOON_MS), "RX: no call");
		c.calls += (unsigned int)events(r.ring[RX].call);
		c.frames++;
		rig_offer_rx(&r, r.slot_bytes);
		c.kicks += ring_kick_if_wanted(&r.ring[RX]);
		/* What we sent, as it was shown to us. */
		while (recv(wire, frame, sizeof(frame), 0) >= 0)
			;
		while (wire_recv(r.wire, frame, sizeof(frame), 0) >= 0)
			;
	}
	cost_end(&c, &r, "RX");
	note("RX: %.2f Gbit/s", c.frames * 8.0 * p.len / (double)c.ns);
	EXPECT(same == count, "%u of %u came in whole and the same", same,
	       count);
	EXPECT(c.kicks <= 2, "RX: %u kicks, and the ring was never empty",
	       c.kicks);
	EXPECT(c.calls <= count + 1, "RX: %u calls", c.calls);
	close(wire);
	rig_free(&r);
}

/* ---- P3 ---- */

/*
 * P3: kicks and calls, for bursts of 1 to 256, with and without EVENT_IDX.
 * While the worker is at a burst, it does not want a kick; a call is at most
 * one a burst if the driver asks for the last, none at all if for none.
 * 8c2e6b26ffe2 (6.16, undone in 6.17) needed more of both.
 */
static void kicks_and_calls(void)
{
	static const unsigned int burst[] = { 1, 4, 16, 64, 256 };
	unsigned int frames = scaled(20000, 512);
	char what[64];

	for (unsigned int e = 0; e < 2; e++)
		for (unsigned int b = 0; b < 5; b++) {
			unsigned int n = frames / burst[b] / (b ? 1 : 8);
			struct cost c;
			struct rig r;

			n = n ? n : 1;
			rig_make(&r, V1 | (e ? EVENT_IDX : 0), NUM);
			rig_start(&r);
			c = cost_begin(&r);
			for (unsigned int i = 0; i < n; i++)
				if (!burst_out(&r, burst[b], SMALL, &c))
					break;
			snprintf(what, sizeof(what), "TX by %u%s", burst[b],
				 e ? ", EVENT_IDX" : "");
			cost_end(&c, &r, what);
			EXPECT(c.kicks <= n, "%s: %u kicks in %u bursts", what,
			       c.kicks, n);
			EXPECT(c.kicks, "%s: no kick was ever wanted", what);
			EXPECT(c.calls <= (e ? n + 1 : 0),
			       "%s: %u calls in %u bursts", what, c.calls, n);

			if (burst[b] < NUM) {
				c = cost_begin(&r);
				refill(&r, NUM, &c);
				for (unsigned int i = 0; i < n; i++)
					if (!burst_in(&r, burst[b], SMALL, &c))
						break;
				what[0] = 'R';
				cost_end(&c, &r, what);
				EXPECT(c.kicks <= 2, "%s: %u kicks", what,
				       c.kicks);
				EXPECT(c.calls <= (e ? n + 1 : 0),
				       "%s: %u calls in %u bursts", what,
				       c.calls, n);
			}
			rig_free(&r);
		}
}

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

static void set_busyloop(struct rig *r, unsigned int us)
{
	for (unsigned int i = RX; i <= TX; i++) {
		struct vhost_vring_state s = { i, us };

		REQUIRE(!ioctl(r->vhost, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s),
			"BUSYLOOP_TIMEOUT: %s", strerror(errno));
	}
}

#define PINGS_MAX	10000U
static uint32_t times_us[PINGS_MAX];

/*
 * P4: the latency of one frame at a time, there and back.  At most a kick out
 * and a call in for each, and the worker woken once for each frame.
 */
static void latency(void)
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

/* For @ms nothing happens: the worker must not run at all. */
static void expect_idle(const struct rig *r, unsigned int ms, const char *what)
{
	int pid = worker_pid(r);
	uint64_t cpu, switches;

	settle(r);
	sleep_ms(100);
	cpu = worker_cpu(pid);
	switches = worker_switches(pid);
	sleep_ms(ms);
	cpu = worker_cpu(pid) - cpu;
	switches = worker_switches(pid) - switches;
	EXPECT(!cpu && !switches, "%s: the worker ran %llu times in %u ms, "
	       "%llu us in all", what, (unsigned long long)switches, ms,
	       (unsigned long long)(cpu / 1000));
}

/*
 * P5: busy polling for 0, 50 and 500 us: what it costs, what it brings.  No
 * splat ("sleeping with preempt disabled in busy_poll", before 6.1.176 and
 * 6.12.94, shows with PREEMPT_RT or DEBUG_ATOMIC_SLEEP), no frame lost, no more
 * kicks or calls, and once there is nothing to do it ends.
 */
static void busy_polling(void)
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
		EXPECT(c.kicks <= n + 2, "%s: %u kicks", what, c.kicks);
		EXPECT(c.calls <= n + 1, "%s: %u calls", what, c.calls);
		expect_idle(&r, 1000, what);
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
	settle(&r);
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
	REQUIRE(!eventfd_write(r.ring[RX].kick, 1), "kick: %s",
		strerror(errno));
	/* What was ready first is told first. */
	REQUIRE(epoll_wait(ep, &e, 1, (int)SOON_MS) == 1, "neither was called");
	for (unsigned int i = RX; i <= TX; i++)
		EXPECT(ring_wait(&r.ring[i], ALL, SOON_MS), "%u of %u used",
		       ring_used(&r.ring[i]), ALL);
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
 * Thrice, since a CPU that is taken away between the two wakeups of one kick
 * may spoil it.  Then both under load, as fast as it goes, within a factor of
 * 64.  CVE-2019-3900, before 5.2, had no bound on how long one may go on.
 */
static void fairness(void)
{
	static const char *const name[] = { "RX", "TX" };

	for (unsigned int first = RX; first <= TX; first++)
		EXPECT(has_its_turn(first) || has_its_turn(first) ||
		       has_its_turn(first), "%s waits until %s has done all",
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
static void shared_cpu(void)
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
static void streams(void)
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

/* ---- P12 ---- */

/*
 * P12: with nothing to do, the worker must not run: not once in seconds.  As it
 * was started, with buffers out, after traffic (vhost leaves the kick eventfd
 * readable), with busy polling, while a ring is broken, and after a stop.
 */
static void idle(void)
{
	static const uint64_t features[] = { V1, V1 | EVENT_IDX };
	unsigned int ms = scaled(3000, 300);

	for (unsigned int i = 0; i < 2; i++) {
		struct cost c = { 0 };
		struct rig r;

		rig_make(&r, features[i], NUM);
		expect_idle(&r, ms, "owned");
		rig_start(&r);
		expect_idle(&r, ms, "started");
		refill(&r, NUM / 2, &c);
		expect_idle(&r, ms, "with buffers");
		burst_in(&r, 64, SMALL, &c);
		burst_out(&r, 64, SMALL, &c);
		expect_idle(&r, ms, "after traffic");
		set_busyloop(&r, 50);
		burst_in(&r, 64, SMALL, &c);
		burst_out(&r, 64, SMALL, &c);
		expect_idle(&r, ms, "with busy polling");
		ring_offer(&r.ring[TX], NUM);
		ring_kick(&r.ring[TX]);
		EXPECT(wait_readable(r.ring[TX].err, SOON_MS), "no ERR");
		expect_idle(&r, ms, "with a broken ring");
		EXPECT(!events(r.ring[RX].call) && !events(r.ring[TX].call),
		       "calls for nothing");
		rig_stop(&r);
		expect_idle(&r, ms, "stopped");
		rig_free(&r);
	}
}

const struct scenario efficiency[] = {
	{ "P1", "small frames out, in, both: one kick, one call a burst",
	  packet_rate, 300 },
	{ "P2", "64 KB TCP packets stay whole, one kick, one call each",
	  large_packets, 300 },
	{ "P3", "kicks and calls by burst size, with and without EVENT_IDX",
	  kicks_and_calls, 300 },
	{ "P4", "latency, one in flight: one kick, one call each",
	  latency, 120 },
	{ "P5", "busy polling: no splat, nothing lost, ends when idle",
	  busy_polling, 120 },
	{ "P6", "RX and TX with more than a turn to do: neither starves",
	  fairness, 60 },
	{ "P7", "streams into a slow guest: in order, every drop counted",
	  streams, 120 },
	{ "P8", "one CPU with a thread that never sleeps: frames get through",
	  shared_cpu, 120 },
	{ "P12", "nothing to do: the worker does not run", idle, 120 },
	{ 0 }
};
