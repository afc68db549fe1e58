/* SPDX-License-Identifier: MIT */
/*
 * P: what a frame costs.  Reported, to compare kernels with each other: kicks,
 * calls, wakeups and CPU time of the worker for each frame, frames a second,
 * latency.  Asserted are counts alone, which no machine's speed changes: no
 * more kicks than the driver had reason for, no more calls than it asked for,
 * nothing at all while there is nothing to do; and that every frame arrives.
 *
 * Here are bursts, and rest; one frame at a time, and too many of them, are in
 * efficiency-load.c.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/efficiency.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"

/* ---- What it cost ---- */

struct cost cost_begin(const struct rig *r)
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

void cost_end(struct cost *c, const struct rig *r, const char *what)
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

void want_call(struct ring *ring, unsigned int n)
{
	if (ring->event_idx)
		*(volatile uint16_t *)&vring_used_event(&ring->v) =
			(uint16_t)(ring->last_used + n - 1);
	else
		*(volatile uint16_t *)&ring->v.avail->flags =
			VRING_AVAIL_F_NO_INTERRUPT;
	atomic_thread_fence(memory_order_seq_cst);
}

void refill(struct rig *r, unsigned int n, struct cost *c)
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

void set_busyloop(const struct rig *r, unsigned int us)
{
	for (unsigned int i = RX; i <= TX; i++) {
		struct vhost_vring_state s = { i, us };

		REQUIRE(!ioctl(r->vhost, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &s),
			"BUSYLOOP_TIMEOUT: %s", strerror(errno));
	}
}

void expect_idle(const struct rig *r, unsigned int ms, const char *what)
{
	int pid = worker_pid(r);
	uint64_t cpu, switches;

	rig_settle(r);
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

/* ---- A burst each way, as a good driver does it ---- */

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

/* @n frames leave the tap: published at once, so one kick is the most. */
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
 * out, one call (of its kicks R7 has more); in, one call, and no kicks, as there
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
	EXPECT(c.kicks, "TX: no kick was ever wanted");
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
 * wire as for the guest, with the header it was given; one descriptor and at
 * most one call for it, and no kicks for RX, which always has buffers.
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
	EXPECT(c.kicks, "TX: no kick was ever wanted");
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
 * RX that has buffers wants no kick, TX at rest wants one; a call is at most
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
	{ "P1", "small frames out, in, both: one call a burst, no kicks for RX",
	  packet_rate, 300 },
	{ "P2", "64 KB TCP packets stay whole, one call each",
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
