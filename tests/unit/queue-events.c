/* SPDX-License-Identifier: MIT */
/*
 * The device's half of a ring: giving back, interrupts and kicks, and a driver
 * on another CPU that acts at the worst of moments.
 *
 * Races are wanted here, so this is for ASan and UBSan, not for TSan.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "tests/unit/ring.h"

#define ROUNDS	50000		/* of each race */

/*
 * ---- does the driver want an interrupt? ----
 */

/* Was and now: what was published before, and how many are now. */
static const struct {
	const char *what;
	uint16_t was, n, event;
	bool wanted;
} events[] = {
	{ "the next one",			10, 1, 10, true },
	{ "the next one, of many",		10, 9, 10, true },
	{ "one in the middle",			10, 9, 15, true },
	{ "the last one",			10, 9, 18, true },
	{ "one that is yet to come",		10, 9, 19, false },
	{ "one long past",			10, 9, 9, false },
	{ "half way round",			10, 9, 32778, false },
	{ "65535, and on to 0",			65535, 1, 65535, true },
	{ "0, coming from 65533",		65533, 4, 0, true },
	{ "1, coming from 65533",		65533, 4, 1, false },
	{ "65533, coming from there",		65533, 4, 65533, true },
	{ "65532, coming from 65533",		65533, 4, 65532, false },
};

static void give(struct queue *q, unsigned int n)
{
	while (n--)
		queue_give(q, 0, 0);
}

/* A queue that has published so far as @was. */
static void start_at(struct queue *q, uint16_t was, uint64_t features)
{
	start(q, 16, features);
	ring.used->idx = was - 1;
	queue_start(q, &mem, &ring, 0, features);
	give(q, 1);
	queue_publish(q);
}

static void test_used_event(void)
{
	for (unsigned int i = 0; i < ROWS(events); i++) {
		struct queue q;

		start_at(&q, events[i].was, F_EVENT_IDX);
		/* Without EVENT_IDX this would say no. */
		ring.avail->flags = events[i].wanted;
		*used_event() = events[i].event;
		give(&q, events[i].n);
		CHECK(queue_publish(&q) == events[i].wanted,
		      "used_event is %s: %s", events[i].what,
		      events[i].wanted ? "an interrupt" : "none");
		CHECK(ring.used->idx ==
		      (uint16_t)(events[i].was + events[i].n),
		      "published all the same");
	}
}

static void test_publish(void)
{
	struct queue q;

	start(&q, 16, F_EVENT_IDX);
	*used_event() = 1000;
	CHECK(!queue_publish(&q), "nothing to publish: no interrupt");
	give(&q, 1);
	CHECK(queue_publish(&q), "the first one, whatever used_event says");
	CHECK(!queue_publish(&q), "nothing new since");
	*used_event() = 0;
	CHECK(!queue_publish(&q), "nor if that one is what was waited for");
	give(&q, 1);
	CHECK(!queue_publish(&q), "the second one was not asked for");

	start(&q, 16, 0);
	CHECK(!queue_publish(&q), "no EVENT_IDX, nothing to publish");
	give(&q, 3);
	CHECK(queue_publish(&q) && ring.used->idx == 3, "flags are 0: wanted");
	*used_event() = 3;
	ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	give(&q, 1);
	CHECK(!queue_publish(&q) && ring.used->idx == 4,
	      "NO_INTERRUPT: not, and used_event says nothing");
	ring.avail->flags = 0xfffe;
	give(&q, 1);
	CHECK(queue_publish(&q), "other flags say nothing");
}

/* What an earlier user of the same ring left in there. */
static void test_start(void)
{
	struct queue q;

	start(&q, 16, 0);
	ring.used->idx = 65535;
	ring.used->flags = VRING_USED_F_NO_NOTIFY;
	ring.avail->idx = 8;
	queue_start(&q, &mem, &ring, 7, F_EVENT_IDX);
	CHECK(q.last_avail == 7, "the base is what to take next");
	CHECK(ring.used->flags == 0, "EVENT_IDX: the flags are 0 (2.7.10.1)");
	queue_give(&q, 3, 77);
	CHECK(ring.used->ring[15].id == 3 && ring.used->ring[15].len == 77,
	      "used goes on from where it was");
	CHECK(queue_publish(&q) && ring.used->idx == 0, "and across 65536");
}

/*
 * ---- kicks ----
 */

static void test_kicks(void)
{
	struct chain c;
	struct iovec iov;
	struct queue q;

	start(&q, 4, 0);
	ring.desc[0] = (struct vring_desc) { DATA, 1, 0, 0 };
	queue_kicks_off(&q);
	CHECK(ring.used->flags == VRING_USED_F_NO_NOTIFY, "kicks off");
	CHECK(!queue_kicks_on(&q) && ring.used->flags == 0,
	      "kicks on, and there is nothing");
	CHECK(*avail_event() == 0, "avail_event is not touched");
	queue_kicks_off(&q);
	offer(0);
	CHECK(queue_kicks_on(&q), "one came before that: look again");
	CHECK(queue_take(&q, &c, &iov, 1) == 1 && !queue_kicks_on(&q),
	      "now there is nothing");

	start(&q, 4, F_EVENT_IDX);
	queue_start(&q, &mem, &ring, 65535, F_EVENT_IDX);
	ring.avail->idx = 65535;
	ring.desc[0] = (struct vring_desc) { DATA, 1, 0, 0 };
	CHECK(!queue_kicks_on(&q) && *avail_event() == 65535,
	      "EVENT_IDX: kick for entry 65535");
	queue_kicks_off(&q);
	CHECK(*avail_event() == 65535 && ring.used->flags == 0,
	      "off: nothing to do");
	offer(0);
	CHECK(queue_kicks_on(&q), "one came before that: look again");
	CHECK(queue_take(&q, &c, &iov, 1) == 1 && !queue_kicks_on(&q) &&
	      *avail_event() == 0, "after that, kick for entry 0");
	CHECK(ring.used->flags == 0, "flags stay 0 (2.7.10.1)");
}

/*
 * ---- two that must not miss each other ----
 *
 * Each says something and then looks at what the other said.  That both look
 * too early, and both then wait for ever, takes a store that a CPU has not let
 * go of yet when it loads: this is what the full barriers are for.
 */

static unsigned int arrived;		/* at the gates, all rounds together */
static uint64_t race_features;
static bool driver_saw;
static struct queue raced;

/* Both are here for the @n-th time. */
static void gate(unsigned int n)
{
	unsigned int spins = 0;

	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 2 * n)
		if (++spins % 1000 == 0)
			sched_yield();
}

/* Not always at the same moment of what the device does. */
static void linger(unsigned int i)
{
	for (volatile unsigned int n = i % 64; n; n--)
		;
}

/* Offer a chain; does the device want a kick for it? */
static void *driver_offers(void *arg)
{
	volatile uint16_t *idx = &ring.avail->idx, *event = avail_event();
	const volatile uint16_t *flags = &ring.used->flags;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		gate(2 * i + 1);
		linger(i);
		*idx = i + 1;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		driver_saw = race_features ? *event == (uint16_t)i : !*flags;
		gate(2 * i + 2);
	}
	return arg;
}

/* Ask for interrupts again; is there something already? */
static void *driver_waits(void *arg)
{
	const volatile uint16_t *idx = &ring.used->idx;
	volatile uint16_t *event = used_event();
	volatile uint16_t *flags = &ring.avail->flags;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		*event = i - 1;
		*flags = VRING_AVAIL_F_NO_INTERRUPT;
		gate(2 * i + 1);
		linger(i);
		*(race_features ? event : flags) = race_features ? i : 0;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		driver_saw = *idx == (uint16_t)(i + 1);
		gate(2 * i + 2);
	}
	return arg;
}

static bool device_asks(unsigned int i)
{
	raced.last_avail = i;
	return queue_kicks_on(&raced);
}

static bool device_gives(unsigned int i)
{
	queue_give(&raced, i % 4, 0);
	return queue_publish(&raced);
}

/* Ready for the next round, before the driver is let into it. */
static void device_waits(unsigned int i)
{
	queue_kicks_off(&raced);
	*avail_event() = i - 1;
}

static unsigned int missed(void *(*driver)(void *), uint64_t features,
			   bool (*device)(unsigned int))
{
	unsigned int count = 0;
	pthread_t thread;

	arrived = 0;
	race_features = features;
	start(&raced, 4, features);
	if (pthread_create(&thread, NULL, driver, NULL))
		abort();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool device_saw;

		device_waits(i);
		gate(2 * i + 1);
		device_saw = device(i);
		gate(2 * i + 2);
		count += !device_saw && !driver_saw;
	}
	pthread_join(thread, NULL);
	return count;
}

static void test_races(void)
{
	CHECK(missed(driver_offers, 0, device_asks) == 0,
	      "no kick is missed");
	CHECK(missed(driver_offers, F_EVENT_IDX, device_asks) == 0,
	      "with EVENT_IDX neither");
	CHECK(missed(driver_waits, 0, device_gives) == 0,
	      "no interrupt is missed");
	CHECK(missed(driver_waits, F_EVENT_IDX, device_gives) == 0,
	      "with EVENT_IDX neither");
}

/*
 * ---- a guest that rewrites everything, all the time ----
 */

static volatile bool enough;
static volatile uint16_t near;		/* where the device is in avail */

static uint64_t random64(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Mostly right, so that what is wrong turns up in all the deeper places. */
static struct vring_desc random_desc(void)
{
	static const uint64_t places[] = {
		DATA, END - 64, LOW_END - 64, 0, LOW_END, END, -64ULL, HIGH - 1,
	};
	static const uint32_t sizes[] = { 1, 64, 16, 32, 65, 0, -1U, 128 };
	uint64_t r = random64();
	struct vring_desc d = {
		.addr = places[r & 32 ? r & 7 : r & 1],
		.len = sizes[r & 64 ? r >> 8 & 7 : r >> 8 & 3],
		.flags = r >> 16 & (r & 128 ? 7 : NEXT | WRITE),
		.next = r >> 24 & (r & 256 ? 15 : 7),
	};

	if (d.flags & INDIRECT && r & 512)
		d = (struct vring_desc) { r & 1024 ? TABLE : DESC, 64,
					  INDIRECT, 0 };
	return d;
}

/* One field at a time: half of a descriptor is new, half of it old. */
static void rewrite(volatile struct vring_desc *d)
{
	struct vring_desc from = random_desc();

	d->len = from.len;
	d->addr = from.addr;
	d->flags = from.flags;
	d->next = from.next;
}

static void *guest(void *arg)
{
	volatile struct vring_desc *desc = ring.desc, *table = at(TABLE);
	volatile struct vring_avail *avail = ring.avail;

	while (!enough) {
		uint64_t r = random64();

		rewrite(&desc[r & 7]);
		rewrite(&table[r >> 8 & 7]);
		avail->ring[r >> 16 & 7] = r >> 20 & (r & 4096 ? 15 : 7);
		avail->idx = near + (r >> 24 & (r & 8192 ? 15 : 7));
		*(volatile uint16_t *)used_event() = r >> 32;
		*(volatile uint16_t *)avail_event() = r >> 32;
		ring.used->flags = r >> 48;
	}
	return arg;
}

static bool in_ram(const struct iovec *v)
{
	for (unsigned int r = 0; r < mem.nr; r++) {
		const struct memory_region *m = &mem.region[r];
		uint64_t from = (uintptr_t)v->iov_base - (uintptr_t)m->hva;

		if (v->iov_base >= m->hva && from < m->size)
			return v->iov_len <= m->size - from;
	}
	return false;
}

/* Is what was taken sound, whatever the guest did meanwhile? */
static bool sound(const struct chain *c, const struct iovec *iov)
{
	uint64_t out = 0, in = 0;

	if (c->out > 16 || c->in > 16 - c->out || c->head >= ring.num)
		return false;
	for (unsigned int i = 0; i < c->out + c->in; i++) {
		if (!in_ram(&iov[i]) || iov[i].iov_len == 0)
			return false;
		*(i < c->out ? &out : &in) += iov[i].iov_len;
	}
	return out == c->out_bytes && in == c->in_bytes;
}

static void test_hostile(void)
{
	struct iovec *iov = malloc(16 * sizeof(*iov));
	unsigned int taken = 0, refused = 0, unsound = 0, lost = 0;
	pthread_t thread;
	struct queue q;

	start(&q, 8, F_INDIRECT | F_EVENT_IDX);
	if (!iov || pthread_create(&thread, NULL, guest, NULL))
		abort();
	/* Until there was enough of both, however the threads were run. */
	while (taken + refused < 500000 || taken < 50000 || refused < 50000) {
		uint16_t was = q.last_avail;
		struct chain c;
		int took = queue_take(&q, &c, iov, 16);

		if (took == 1) {
			taken++;
			unsound += !sound(&c, iov);
			queue_give(&q, c.head, 0);
			queue_publish(&q);
		} else {
			refused += took == -EPROTO;
			lost += q.last_avail != was;
			queue_kicks_on(&q);
		}
		/* Whatever it was, on to the next. */
		q.last_avail = was + 1;
		near = q.last_avail;
	}
	enough = true;
	pthread_join(thread, NULL);
	CHECK(unsound == 0, "each buffer in RAM, each sum that of its parts");
	CHECK(lost == 0, "what was refused stays where it is");
	free(iov);
}

int main(void)
{
	if (memory_create(&mem, END - HIGH + LOW_END) < 0) {
		SKIP("no address space for RAM on both sides of the hole");
		return done();
	}
	test_used_event();
	test_publish();
	test_start();
	test_kicks();
	test_races();
	test_hostile();
	memory_destroy(&mem);
	return done();
}
