/* SPDX-License-Identifier: MIT */
/*
 * The queue walker on rings that hold anything.
 *
 * First with the memory at rest, against a second walker that is written from
 * virtio 1.2, 2.7, and only keeps a list.  Then with a thread that rewrites the
 * memory meanwhile: whatever it does, what is handed out lies in RAM.
 *
 * Input: log2 of the ring's size, features, the room for buffers (2), base (2),
 * then what is in memory from DESC on, with ring and tables side by side.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "tests/fuzz/fuzz.h"
#include "virtio/queue.h"

#define RAM		(1ULL << 20)
#define DESC		0x0000
#define AVAIL		0x0800
#define USED		0x0a00
#define TABLE		0x1000
#define FILLED		0x1800		/* bytes of it are from the input */
#define LOG_NUM_MAX	6		/* so that all of a ring is in there */

#define F_INDIRECT	1
#define F_EVENT_IDX	2

static struct memory mem;
static uint8_t *ram;

static uint64_t load(uint64_t at, unsigned int bytes)
{
	uint64_t val = 0;

	memcpy(&val, ram + at, bytes);
	return val;
}

/*
 * ---- the second walker ----
 */

struct buffer { uint64_t gpa; uint32_t len; bool write; };

struct expected {
	int result;			/* as queue_take() */
	uint16_t head;
	unsigned int n;
	struct buffer buffer[QUEUE_CHAIN_MAX];
};

static bool in_ram(uint64_t gpa, uint64_t len)
{
	return (unsigned __int128)gpa + len <= RAM;
}

/*
 * The chain that begins at entry @i of the table at @table.  @total is what has
 * been seen of it, and the ring's own table if @level is 0.
 */
static int expect_chain(struct expected *e, unsigned int max, uint64_t table,
			uint64_t entries, uint16_t i, unsigned int *total,
			bool level, bool indirect)
{
	for (uint64_t links = 0; ; links++) {
		uint64_t d = table + 16 * i, addr;
		uint32_t len;
		uint16_t flags;

		if (links == entries || i >= entries ||
		    ++*total > QUEUE_CHAIN_MAX)
			return -EPROTO;
		addr = load(d, 8);
		len = load(d + 8, 4);
		flags = load(d + 12, 2);
		if (flags & 4) {			/* INDIRECT */
			if (level || !indirect || flags & 1 || !len ||
			    len % 16 || !in_ram(addr, len))
				return -EPROTO;
			--*total;
			return expect_chain(e, max, addr, len / 16, 0, total,
					    true, indirect);
		}
		if (!(flags & 2) && e->n && e->buffer[e->n - 1].write)
			return -EPROTO;
		if (len && !in_ram(addr, len))
			return -EPROTO;
		if (len && e->n == max)
			return -ENOBUFS;
		if (len)
			e->buffer[e->n++] = (struct buffer) { addr, len,
							      flags & 2 };
		if (!(flags & 1))
			return 1;
		i = load(d + 14, 2);
	}
}

static void expect(struct expected *e, uint16_t num, uint16_t last,
		   unsigned int max, bool indirect)
{
	uint16_t ahead = load(AVAIL + 2, 2) - last;
	unsigned int total = 0;

	*e = (struct expected) { .result = 0 };
	if (ahead > num)
		e->result = -EPROTO;
	if (!ahead || ahead > num)
		return;
	e->head = load(AVAIL + 4 + 2 * (last % num), 2);
	e->result = expect_chain(e, max, DESC, num, e->head, &total, false,
				 indirect);
}

/*
 * ---- at rest ----
 */

/* Is what was taken a subset of RAM, and of the room there was? */
static void check_taken(const struct chain *c, const struct iovec *iov,
			unsigned int max)
{
	uint64_t bytes[2] = { 0 };

	MUST(c->out <= max && c->in <= max - c->out);
	for (unsigned int i = 0; i < c->out + c->in; i++) {
		uint64_t at = (uint8_t *)iov[i].iov_base - ram;

		MUST(iov[i].iov_len && in_ram(at, iov[i].iov_len));
		bytes[i >= c->out] += iov[i].iov_len;
	}
	MUST(bytes[0] == c->out_bytes && bytes[1] == c->in_bytes);
}

static void check_expected(const struct expected *e, const struct chain *c,
			   const struct iovec *iov)
{
	MUST(c->head == e->head && c->out + c->in == e->n);
	for (unsigned int i = 0; i < e->n; i++) {
		MUST(iov[i].iov_base == ram + e->buffer[i].gpa);
		MUST(iov[i].iov_len == e->buffer[i].len);
		MUST((i >= c->out) == e->buffer[i].write);
	}
}

/* 2.7.7.2, 2.7.10: give it back.  Is there an interrupt if there must be? */
static void give(struct queue *q, const struct chain *c, uint16_t num,
		 bool first)
{
	uint16_t idx = load(USED + 2, 2), next = idx + 1;
	uint64_t entry = USED + 4 + 8 * (idx % num);
	bool wants, got;

	queue_give(q, c->head, 77);
	MUST(load(USED + 2, 2) == idx);
	got = queue_publish(q);
	MUST(load(entry, 4) == c->head && load(entry + 4, 4) == 77);
	MUST(load(USED + 2, 2) == next);
	wants = q->event_idx ? first || load(AVAIL + 4 + 2 * num, 2) == idx :
			       !(load(AVAIL, 2) & 1);
	MUST(got == wants);
	MUST(!queue_publish(q));
}

static struct queue begin(const struct vring *ring, unsigned int features,
			  uint16_t base)
{
	struct queue q;
	uint64_t bits = 0;

	if (features & F_INDIRECT)
		bits |= 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	if (features & F_EVENT_IDX)
		bits |= 1ULL << VIRTIO_RING_F_EVENT_IDX;
	queue_start(&q, &mem, ring, base, bits);
	return q;
}

static void at_rest(struct queue *q, struct iovec *iov, unsigned int max)
{
	static struct expected e;

	for (unsigned int n = 0; n < 2U * q->num; n++) {
		uint16_t last = q->last_avail;
		struct chain c;
		int took;

		expect(&e, q->num, last, max, q->indirect);
		took = queue_take(q, &c, iov, max);
		MUST(took == e.result);
		MUST(q->last_avail == (uint16_t)(last + (took == 1)));
		MUST(took != -EPROTO || q->why);
		if (took <= 0)
			break;
		check_taken(&c, iov, max);
		check_expected(&e, &c, iov);
		queue_untake(q, 1);
		MUST(queue_take(q, &c, iov, max) == 1);
		give(q, &c, q->num, n == 0);
	}
	queue_kicks_off(q);
	MUST(q->event_idx || load(USED, 2) == 1);
	MUST(queue_kicks_on(q) == (load(AVAIL + 2, 2) != q->last_avail));
	MUST(q->event_idx ? load(USED + 4 + 8 * q->num, 2) == q->last_avail :
			    load(USED, 2) == 0);
}

/*
 * ---- and with another CPU at work ----
 */

static struct {
	sem_t go, done;
	bool stop;
	uint64_t seed;
} other;

/* Words that matter: lengths, flags, next, indices, addresses. */
static void *rewrite(void *unused)
{
	uint64_t r, val[4] = { 0 };

	for (;;) {
		sem_wait(&other.go);
		r = other.seed | 1;
		while (!__atomic_load_n(&other.stop, __ATOMIC_RELAXED)) {
			uint64_t *at;

			r ^= r << 13;
			r ^= r >> 7;
			r ^= r << 17;
			at = (uint64_t *)(ram + r % FILLED / 8 * 8);
			/* A word of another place, all ones, or as it was. */
			val[r >> 20 & 1] = *(volatile uint64_t *)at;
			val[2] = ~0ULL;
			*(volatile uint64_t *)at = val[r >> 32 & 3];
		}
		sem_post(&other.done);
	}
	return unused;
}

static void in_motion(struct queue *q, struct iovec *iov, unsigned int max)
{
	__atomic_store_n(&other.stop, false, __ATOMIC_RELAXED);
	sem_post(&other.go);
	for (unsigned int n = 0; n < 64; n++) {
		struct chain c;
		int took = queue_take(q, &c, iov, max);

		MUST(took == 1 || took == 0 || took == -ENOBUFS ||
		     took == -EPROTO);
		if (took == 1) {
			check_taken(&c, iov, max);
			queue_give(q, c.head, 1);
			queue_publish(q);
		} else {
			q->last_avail += n;	/* there may be more ahead */
		}
		queue_kicks_off(q);
		queue_kicks_on(q);
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	sem_wait(&other.done);
}

static void create(void)
{
	pthread_t thread;

	MUST(memory_create(&mem, RAM) == 0);
	ram = mem.region[0].hva;
	MUST(sem_init(&other.go, 0, 0) == 0);
	MUST(sem_init(&other.done, 0, 0) == 0);
	MUST(pthread_create(&thread, NULL, rewrite, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	uint16_t num = 1 << take(&in, 1) % (LOG_NUM_MAX + 1);
	unsigned int features = take(&in, 1);
	unsigned int max = take(&in, 2) % (QUEUE_CHAIN_MAX + 1);
	uint16_t base = take(&in, 2);
	struct iovec *iov = malloc(max * sizeof(*iov));	/* ASan sees its end */
	struct vring ring = { .num = num };
	struct queue q;

	if (!ram)
		create();
	take_bytes(&in, ram, FILLED);
	ring.desc = (void *)(ram + DESC);
	ring.avail = (void *)(ram + AVAIL);
	ring.used = (void *)(ram + USED);

	other.seed = load(0, 8) ^ size << 32 ^ num;
	q = begin(&ring, features, base);
	at_rest(&q, iov, max);
	q = begin(&ring, features, base);
	in_motion(&q, iov, max);
	free(iov);
	return 0;
}
