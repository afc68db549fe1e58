/* SPDX-License-Identifier: MIT */
/*
 * R7 to R10: kicks and calls, those that are wanted, late, or not there.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/burst.h"
#include "tests/conformance/notify.h"
#include "vhost/vhost.h"

static uint8_t frame[2048];

/* A short time, of which every length happens. */
static void dither(void)
{
	unsigned int turns = rnd() % 8 ? rnd() % 64 : rnd() % 4096;

	for (volatile unsigned int i = 0; i < turns; i++)
		;
}

/* Take all frames off the wire; returns how many. */
static unsigned int drain(const struct rig *r)
{
	unsigned int n = 0;

	while (wire_recv(r->wire, frame, sizeof(frame), 0) >= 0)
		n++;
	return n;
}

/*
 * @n frames of one buffer each, after random times; the driver kicks only if it
 * has to, and @late waits between seeing that and doing it.  Each must be used
 * within seconds.  Returns the kicks.
 */
static unsigned int hammer(struct rig *r, unsigned int n, bool late)
{
	struct ring *ring = &r->ring[TX];
	unsigned int kicks = 0, seen = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint16_t before = ring->next_avail;
		uint32_t id, len;

		rig_offer_tx(r, 60, i);
		dither();
		if (late && rnd() % 2) {
			/* The index first, and the kick later, in any case. */
			ring_publish(ring);
			dither();
			ring_kick(ring);
			kicks++;
		} else {
			kicks += ring_kick_if_wanted(ring);
		}
		if (rnd() % 4)
			dither();
		/* Now and then leave it to run on. */
		if ((uint16_t)(ring->next_avail - ring->last_used) < BURST &&
		    rnd() % 4 == 0)
			continue;
		if (!EXPECT(ring_wait(ring, (uint16_t)(ring->next_avail -
						       ring->last_used),
				      PATIENCE),
			    "frame %u, at index %u, was not used in %u ms: a "
			    "kick was lost", i, before, PATIENCE))
			give_up();
		while (ring_pop(ring, &id, &len))
			;
		seen += drain(r);
	}
	REQUIRE(ring_wait(ring, (uint16_t)(ring->next_avail - ring->last_used),
			  PATIENCE), "the last of %u was not used", n);
	for (uint32_t id, len; ring_pop(ring, &id, &len);)
		;
	while (seen < n && wire_recv(r->wire, frame, sizeof(frame), 500) >= 0)
		seen++;
	EXPECT(seen == n, "of %u frames %u came out", n, seen);
	return kicks;
}

/*
 * R7: a driver that kicks only when it is asked to loses nothing.  It is asked by
 * used->flags, or with EVENT_IDX by avail_event, and then, of a burst that a
 * worker at rest has not noticed, for the first alone.  2.6.34, EVENT_IDX 3.0.  Catches TX that stalls because
 * notification was enabled too late or checked too early (8c2e6b26ffe2, 6.16).
 */
void kicks_wanted(void)
{
	unsigned int n = scaled(1000000, 2000) / 2, kicks;
	struct rig r;

	rig_make(&r, V1, 256);
	rig_start(&r);
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		struct ring *ring = &r.ring[TX];

		renegotiate(&r, V1 | (event_idx ? EVENT_IDX : 0), 65000);
		kicks = hammer(&r, n, false);
		note("%s EVENT_IDX: %u kicks for %u frames", event_idx ?
		     "with" : "without", kicks, n);
		EXPECT(kicks, "no kick was ever wanted");

		/* To a worker at rest, one by one, and only then a signal. */
		rig_settle(&r);
		kicks = 0;
		for (unsigned int i = 0; i < BURST; i++) {
			rig_offer_tx(&r, 60, i);
			kicks += ring_publish_wanted(ring);
			EXPECT(kicks, "an idle ring does not want a kick");
		}
		EXPECT(kicks == (event_idx ? 1 : BURST), "%s EVENT_IDX: of a "
		       "burst of %u, %u want a kick", event_idx ? "with" :
		       "without", BURST, kicks);
		ring_kick(ring);
		EXPECT(ring_wait(ring, BURST, PATIENCE), "no end");
		for (uint32_t id, len; ring_pop(ring, &id, &len);)
			;
		drain(&r);
		rig_alive(&r);
	}
}

/* Send one frame and wait until it is used: calls come after that, or do not. */
static void one_frame(struct rig *r)
{
	uint32_t used;
	unsigned int head = rig_offer_tx(r, 60, 1);

	ring_kick(&r->ring[TX]);
	if (!take(r, TX, head, 1, &used))
		give_up();
}

/* No call within a time in which one would have come. */
#define QUIET(r)	(!wait_readable((r)->ring[TX].call, 100))

/*
 * R8: an interrupt comes if the driver wants it, and no other: NO_INTERRUPT is
 * honoured, used_event says after which buffer, calls are never more than
 * buffers; and NOTIFY_ON_EMPTY has one come when the ring is empty nevertheless.
 * From 2.6.34, EVENT_IDX from 3.0.  Catches a call that is not made once
 * used_event is passed.
 */
void calls_wanted(void)
{
	struct ring *ring;
	uint64_t calls;
	struct rig r;

	rig_make(&r, V1, 256);
	ring = &r.ring[TX];
	rig_start(&r);
	for (unsigned int i = 0; i < 20; i++)
		one_frame(&r);
	EXPECT(wait_readable(ring->call, PATIENCE), "no call");
	usleep(100000);
	calls = events(ring->call);
	EXPECT(calls >= 1 && calls <= 20, "%llu calls for 20 frames",
	       (unsigned long long)calls);
	ring->v.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (unsigned int i = 0; i < 20; i++)
		one_frame(&r);
	EXPECT(QUIET(&r), "a call in spite of NO_INTERRUPT");
	ring->v.avail->flags = 0;
	one_frame(&r);
	EXPECT(wait_readable(ring->call, PATIENCE), "no call any more");

	renegotiate(&r, V1 | FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY), 0);
	ring->v.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	one_frame(&r);
	EXPECT(wait_readable(ring->call, PATIENCE), "NOTIFY_ON_EMPTY: no call");

	renegotiate(&r, V1 | EVENT_IDX, 65530);		/* and around */
	one_frame(&r);			/* the first after a start may call */
	usleep(100000);
	events(ring->call);
	for (unsigned int turn = 0; turn < 4; turn++) {
		/* When the tenth from here is used, and not before. */
		vring_used_event(&ring->v) = ring->last_used + 9;
		for (unsigned int i = 0; i < 9; i++)
			one_frame(&r);
		EXPECT(QUIET(&r), "a call before used_event %u, at %u",
		       vring_used_event(&ring->v), ring->last_used);
		one_frame(&r);
		EXPECT(wait_readable(ring->call, PATIENCE), "no call after "
		       "used_event %u, at %u", vring_used_event(&ring->v),
		       ring->last_used);
		calls = events(ring->call);
		EXPECT(calls == 1, "%llu calls for one used_event",
		       (unsigned long long)calls);
	}
	/* In the middle of a burst: passed is passed. */
	vring_used_event(&ring->v) = ring->last_used + BURST / 2;
	for (unsigned int i = 0; i < BURST; i++)
		rig_offer_tx(&r, 60, i);
	ring_kick(ring);
	EXPECT(ring_wait(ring, BURST, PATIENCE) &&
	       wait_readable(ring->call, PATIENCE), "a burst: no call");
	EXPECT(events(ring->call) == 1, "a burst: more than one call");
}

/* What R9's thread and its main share. */
static struct { struct rig *r; unsigned int n; atomic_uint sent, taken; } race;

static void *send_into(void *unused)
{
	unsigned int ahead = 200;	/* of what a tap's queue holds */
	uint8_t mine[64];

	for (unsigned int i = 0; i < race.n; i++) {
		while (i - atomic_load(&race.taken) > ahead)
			usleep(100);
		frame_fill(mine, sizeof(mine), i);
		wire_send(race.r->wire, mine, sizeof(mine));
		atomic_store(&race.sent, i + 1);
		if (i % 16 == 0)
			usleep(1);
	}
	return unused;
}

/*
 * R9: a kick that comes late, or when vhost is about to sleep, still wakes: TX
 * with random times between the index and the kick; RX with frames that come
 * while buffers are offered one by one.  From 2.6.34.  Catches barriers that are
 * missing when vhost enables notification again (fixed in 6.1.90, weak memory).
 */
void late_kicks(void)
{
	unsigned int n = scaled(200000, 1000);
	struct ring *rx;
	pthread_t thread;
	struct rig r;

	rig_make(&r, V1, 256);
	rx = &r.ring[RX];
	rig_start(&r);
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		renegotiate(&r, V1 | (event_idx ? EVENT_IDX : 0), 0);
		hammer(&r, n / 2, true);

		race.r = &r;
		race.n = n / 2;
		atomic_store(&race.taken, 0);
		REQUIRE(pthread_create(&thread, NULL, send_into, NULL) == 0,
			"no thread");
		for (unsigned int i = 0; i < race.n; i++) {
			unsigned int head = rig_offer_rx(&r, 200);
			uint32_t used;

			dither();
			ring_kick_if_wanted(rx);
			if (!take(&r, RX, head, 1, &used) ||
			    !frame_check(bytes_at(&r, rig_buffer(&r, RX, head))
					 + r.hdr_len, 64, i)) {
				note("frame %u of %u, and %u were sent", i,
				     race.n, atomic_load(&race.sent));
				give_up();
			}
			atomic_store(&race.taken, i + 1);
		}
		pthread_join(thread, NULL);
	}
}

static void set_call(struct rig *r, unsigned int index, int fd)
{
	struct vhost_vring_file file = { index, fd };
	int err = vhost_ioctl(r->vhost, VHOST_SET_VRING_CALL, &file);

	REQUIRE(!err, "SET_VRING_CALL: %s", strerror(-err));
}

/*
 * R10: a ring without a CALL eventfd goes on, for a driver that looks for itself;
 * one that is changed in mid-traffic loses no used buffer, and one of the two is
 * signalled.  From 2.6.34.  Catches an eventfd that is used after it was put.
 */
void call_changes(void)
{
	struct ring *ring;
	int call[2];
	struct rig r;

	rig_make(&r, V1, 256);
	ring = &r.ring[TX];
	rig_start(&r);
	for (unsigned int i = 0; i < 2; i++)
		set_call(&r, i, -1);
	rig_alive(&r);
	EXPECT(!events(r.ring[RX].call) && !events(ring->call),
	       "a call by an eventfd that was taken away");

	call[0] = ring->call;
	call[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (unsigned int i = 0; i < scaled(2000, 50); i++) {
		unsigned int head = 0;
		uint32_t used[BURST];

		for (unsigned int k = 0; k < 32; k++) {
			unsigned int desc = rig_offer_tx(&r, 60, k);

			if (k == 0)
				head = desc;
		}
		set_call(&r, TX, call[0]);
		events(call[0]);
		events(call[1]);
		ring_kick(ring);
		for (unsigned int k = 0; k < 4; k++) {
			dither();
			set_call(&r, TX, call[k % 2]);
		}
		if (!take(&r, TX, head, 32, used))
			return;
		if (!EXPECT(wait_readable(call[1], 10) ||
			    wait_readable(call[0], PATIENCE), "time %u: 32 "
			    "used, and no call", i))
			return;
		drain(&r);
	}
	rig_alive(&r);
}
