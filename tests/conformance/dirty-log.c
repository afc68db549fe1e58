/* SPDX-License-Identifier: MIT */
/*
 * D: the dirty log, which a migration lives by.
 *
 * vhost sets bit n of a bitmap of ours when it has written page n of guest
 * memory.  A bit too few and the guest that wakes up elsewhere has old bytes in
 * a buffer or a ring; a bit too many is only a page copied for nothing, but far
 * too many mean that an address was reckoned wrong.
 *
 * The longer ones are in dirty-rounds.c (D1, D2), migration.c (D8) and
 * dirty-places.c (D9, D10); log.h has what they share.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/log.h"
#include "vhost/vhost.h"

/*
 * ---- logs that cannot be written (D3, D4) ----
 */

/* Does any of the means that vhost has say that the log is broken? */
static bool complains(struct rig *r, const void *base, const char *what)
{
	int err;

	rig_set_tables(r);
	for (unsigned int i = 0; i < 2; i++)
		rig_set_ring(r, i);
	err = base ? set_log_base(r, base) : 0;
	if (!err)
		err = vhost_set_features(r->vhost, r->features | LOG_ALL);
	for (unsigned int i = 0; i < 2 && !err; i++)
		err = log_ring(r, i, true);
	for (unsigned int i = 0; i < 2 && !err; i++)
		err = rig_backend(r, i, r->tap);
	if (err) {
		note("%s: %s", what, strerror(-err));
		return true;
	}
	/* It runs; what does it do when it has something to log? */
	if (!rig_receive(r, 1000, 1) || !rig_send(r, 1000, 2))
		return true;
	rig_stop(r);
	return events(r->ring[RX].err) || events(r->ring[TX].err);
}

/*
 * D3: LOG_ALL and F_LOG with no SET_LOG_BASE before, and with a bitmap that is
 * not mapped; frames pass.  Either an ioctl must refuse or the err eventfd must
 * tell, for bits that are lost and nobody knows of make a migration copy a
 * guest that is not the one that ran.
 *
 * F2, seen on 6.1, 6.12 and 7.2: neither.  To see it: SET_OWNER, SET_MEM_TABLE,
 * SET_FEATURES(1 << 26), rings, SET_BACKEND with a tap, one frame in: it is
 * received, and no log was ever named.  A NULL base passes access_ok(), and
 * handle_rx() does not look at what vhost_log_write() returns.
 */
static void no_bitmap(void)
{
	void *gone = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rig r;

	rig_make(&r, MODERN, 16);
	EXPECT(complains(&r, NULL, "no log"),
	       "written pages are lost: there is no log");
	rig_free(&r);

	rig_make(&r, MODERN, 16);
	REQUIRE(gone != MAP_FAILED, "mmap: %s", strerror(errno));
	munmap(gone, PAGE);
	EXPECT(complains(&r, gone, "a log that is not mapped"),
	       "written pages are lost: the log is not mapped");
	rig_free(&r);
}

/* Guest memory, and one page more where the log would end at @gpa / 32768. */
static int set_memory_up_to(struct rig *r, uint64_t gpa)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} table = { .head.nregions = 2 };

	table.region[0] = (struct vhost_memory_region) {
		.guest_phys_addr = 0, .memory_size = RIG_MEMORY,
		.userspace_addr = (uintptr_t)r->mem.region[0].hva };
	table.region[1] = table.region[0];
	table.region[1].guest_phys_addr = gpa;
	table.region[1].memory_size = PAGE;
	return vhost_ioctl(r->vhost, VHOST_SET_MEM_TABLE, &table);
}

/*
 * D4: a log that would end beyond user space, because of its base or because of
 * how high guest memory lies.  EFAULT from whichever call comes last: from
 * SET_FEATURES, SET_LOG_BASE and SET_VRING_ADDR while a ring runs, else from
 * SET_BACKEND; and what was in force before stays so.  (One that is merely too
 * short cannot be told from a good one: only access_ok() is asked.)
 */
static void short_bitmap(void)
{
	/* The kernel's half, whatever the size of the address space. */
	const void *bad = (const void *)0xffff800000000000ULL;
	struct log log;
	struct rig r;
	int err;

	rig_make(&r, MODERN, 16);
	log_make(&log, RIG_MEMORY);
	rig_start(&r);
	err = set_log_base(&r, bad);
	EXPECT(!err, "SET_LOG_BASE that is not used yet: %s", strerror(-err));
	err = vhost_set_features(r.vhost, r.features | LOG_ALL);
	EXPECT(err == -EFAULT, "LOG_ALL with a bad log: %s", strerror(-err));
	err = log_ring(&r, RX, true);
	EXPECT(err == -EINVAL, "F_LOG with a bad log: %s", strerror(-err));
	EXPECT(rig_alive(&r), "dead after a bad log was refused");

	log_on(&r, &log);
	err = set_log_base(&r, bad);
	EXPECT(err == -EFAULT, "SET_LOG_BASE of a bad one: %s", strerror(-err));
	EXPECT(rig_receive(&r, 100, 7) &&
	       logged(&log, rig_buffer(&r, RX, 4) / PAGE),
	       "the good log is not written any more");

	err = set_memory_up_to(&r, 1ULL << 62);
	EXPECT(err == -EFAULT, "guest memory whose log ends beyond user "
	       "space: %s", strerror(-err));
	EXPECT(rig_alive(&r), "dead after a bad table was refused");
	rig_stop(&r);

	err = set_log_base(&r, bad);
	EXPECT(!err, "SET_LOG_BASE while stopped: %s", strerror(-err));
	err = rig_backend(&r, RX, r.tap);
	EXPECT(err == -EFAULT, "SET_BACKEND with a bad log: %s",
	       strerror(-err));
	err = set_log_base(&r, (const void *)log.word);
	EXPECT(!err, "SET_LOG_BASE of a good one: %s", strerror(-err));
	err = set_memory_up_to(&r, 1ULL << 62);
	EXPECT(!err, "SET_MEM_TABLE while stopped: %s", strerror(-err));
	err = rig_backend(&r, RX, r.tap);
	EXPECT(err == -EFAULT, "SET_BACKEND with memory whose log ends beyond "
	       "user space: %s", strerror(-err));
	rig_free(&r);
}

/*
 * ---- a stream of frames while something else goes on (D5, D11) ----
 */

struct flood {
	int wire;
	atomic_bool stop;
	pthread_t thread;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	uint8_t frame[1514];
	uint32_t seq = 0;

	while (!atomic_load(&f->stop)) {
		for (unsigned int i = 0; i < 8; i++, seq++) {
			unsigned int len = 60 + seq * 37 % 1400;

			frame_fill(frame, len, seq);
			/* The tap's queue may be full: that one is lost. */
			if (send(f->wire, frame, len, MSG_DONTWAIT) < 0)
				break;
		}
		usleep(500);
	}
	return NULL;
}

static void flood_start(struct flood *f, struct rig *r)
{
	f->wire = r->wire;
	atomic_init(&f->stop, false);
	REQUIRE(pthread_create(&f->thread, NULL, flood, f) == 0, "a thread");
}

static void flood_end(struct flood *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
}

/*
 * Take all that was received, and offer it again.  Returns how many; adds the
 * first page of each buffer to @pages.
 */
static unsigned int recycle(struct rig *r, uint8_t *pages)
{
	uint32_t id, len;
	unsigned int n = 0;

	for (; ring_pop(&r->ring[RX], &id, &len); n++) {
		REQUIRE(id < r->ring[RX].v.num, "used descriptor %u", id);
		if (pages)
			pages[rig_buffer(r, RX, id) / PAGE] = 1;
		ring_offer(&r->ring[RX], id);
	}
	if (n)
		ring_kick(&r->ring[RX]);
	return n;
}

static void recycle_some(struct rig *r, uint8_t *pages, unsigned int some)
{
	for (unsigned int n = 0; n < some;) {
		REQUIRE(ring_wait(&r->ring[RX], 1, PATIENCE),
			"RX: nothing received");
		n += recycle(r, pages);
	}
}

/*
 * D5: LOG_ALL switched on and off while frames pour in.  All that came within a
 * window (after SET_FEATURES had returned, before the next was called) is in
 * the log, and nothing that came after one is.  Any kernel.
 */
static void toggled(void)
{
	static uint8_t pages[RIG_MEMORY / PAGE];
	unsigned int windows = scaled(10000, 100), lost = 0, extra = 0;
	struct flood f;
	struct log log;
	struct rig r;

	rig_make(&r, MODERN, 64);
	log_make(&log, RIG_MEMORY);
	rig_start(&r);
	EXPECT(set_log_base(&r, (const void *)log.word) == 0, "SET_LOG_BASE");
	for (unsigned int i = 0; i < 64; i++)
		rig_offer_rx(&r, 2048);
	ring_kick(&r.ring[RX]);
	flood_start(&f, &r);

	for (unsigned int w = 0; w < windows && !lost && !extra; w++) {
		int err;

		memset(pages, 0, sizeof(pages));
		log_harvest(&log, NULL);
		err = vhost_set_features(r.vhost, r.features | LOG_ALL);
		REQUIRE(!err, "LOG_ALL on: %s", strerror(-err));
		recycle(&r, NULL);		/* may be from before */
		recycle_some(&r, pages, 1 + rnd() % 8);
		err = vhost_set_features(r.vhost, r.features);
		REQUIRE(!err, "LOG_ALL off: %s", strerror(-err));
		for (unsigned int p = 0; p < RIG_MEMORY / PAGE; p++)
			lost += pages[p] && !logged(&log, p);

		recycle(&r, NULL);
		log_harvest(&log, NULL);
		recycle_some(&r, NULL, 1 + rnd() % 4);
		for (unsigned int p = 0; p < RIG_MEMORY / PAGE; p++)
			extra += logged(&log, p);
		if (lost || extra)
			note("window %u of %u", w, windows);
	}
	flood_end(&f);
	EXPECT(!lost, "%u pages written in a window are not in the log", lost);
	EXPECT(!extra, "%u pages in the log while it was off", extra);
	rig_stop(&r);
	rig_free(&r);
}

static int set_log_fd(struct rig *r, int fd)
{
	return vhost_ioctl(r->vhost, VHOST_SET_LOG_FD, &fd);
}

/*
 * D6: SET_LOG_FD: the eventfd is signalled after logged writes of data and of
 * the used ring, not without a log, and no more once it was taken away.  EBADF
 * and EINVAL for what is no eventfd.  Any kernel.
 */
static void log_fd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;
	struct log log;
	struct rig r;

	REQUIRE(fd >= 0, "eventfd: %s", strerror(errno));
	rig_make(&r, MODERN, 16);
	log_make(&log, RIG_MEMORY);
	rig_start(&r);
	err = set_log_fd(&r, 9999);
	EXPECT(err == -EBADF, "a closed descriptor: %s", strerror(-err));
	err = set_log_fd(&r, r.tap);
	EXPECT(err == -EINVAL, "a tap: %s", strerror(-err));
	err = set_log_fd(&r, fd);
	EXPECT(!err, "an eventfd: %s", strerror(-err));

	rig_receive(&r, 100, 1);
	rig_send(&r, 100, 2);
	EXPECT(events(fd) == 0, "signalled, and nothing is logged");
	/* Data only: TX writes none. */
	EXPECT(set_log_base(&r, (const void *)log.word) == 0 &&
	       vhost_set_features(r.vhost, r.features | LOG_ALL) == 0,
	       "LOG_ALL");
	rig_receive(&r, 100, 3);
	EXPECT(wait_readable(fd, PATIENCE) && events(fd),
	       "not signalled for a frame received");
	log_on(&r, &log);
	rig_send(&r, 100, 4);
	EXPECT(wait_readable(fd, PATIENCE) && events(fd),
	       "not signalled for TX's used ring");

	err = set_log_fd(&r, -1);
	EXPECT(!err, "-1: %s", strerror(-err));
	events(fd);
	rig_receive(&r, 100, 5);
	rig_send(&r, 100, 6);
	rig_stop(&r);
	EXPECT(events(fd) == 0, "signalled after it was taken away");
	rig_free(&r);
}

/*
 * ---- descriptors of no bytes (D7) ----
 */

static const struct zeros {
	const char *name;
	uint64_t features;
	unsigned int num;	/* of the ring */
	unsigned int zeros;	/* before each buffer that has bytes */
	unsigned int piece;	/* bytes of that */
	unsigned int chains;
} zeros[] = {
	{ "a long chain",	MODERN,			2048, 1500, 2048, 1 },
	{ "a long table",	MODERN | INDIRECT,	256, 5000, 2048, 1 },
	{ "many long tables",	MODERN | INDIRECT | MERGEABLE,
							256, 1000, 128, 9 },
};

/* @z->zeros of no bytes, and one of some.  The gpa of that. */
static uint64_t offer_zeros(struct rig *r, const struct zeros *z,
			    unsigned int head)
{
	struct ring *ring = &r->ring[RX];
	uint64_t buffer = rig_alloc(r, z->piece);
	struct vring_desc *table = ring->v.desc;

	if (z->features & INDIRECT) {
		uint64_t gpa = rig_alloc(r, (z->zeros + 1) * sizeof(*table));

		table = rig_ptr(r, gpa);
		ring_desc(ring, head, gpa, (z->zeros + 1) * sizeof(*table),
			  VRING_DESC_F_INDIRECT, 0);
	}
	for (unsigned int i = 0; i < z->zeros; i++)
		table[i] = (struct vring_desc) {
			.addr = buffer, .len = 0,
			.flags = VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
			.next = i + 1,
		};
	table[z->zeros] = (struct vring_desc) {
		.addr = buffer, .len = z->piece, .flags = VRING_DESC_F_WRITE };
	ring_offer(ring, head);
	return buffer;
}

/*
 * D7: chains of more than a thousand writable descriptors of length 0, direct,
 * indirect and mergeable, with LOG_ALL on.  The frame arrives in the bytes that
 * there are, those are in the log, and the kernel's own log has no splat.
 * CVE-2019-14835: each such descriptor took an entry of vq->log, which has room
 * for as many as there are iovecs.  Any kernel.
 */
static void nothing_to_write(void)
{
	for (unsigned int i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
		const struct zeros *z = &zeros[i];
		uint8_t frame[1514], got[2048 + 9 * 128];
		uint64_t buffer[16];
		unsigned int filled = 0;
		uint32_t id, len;
		struct log log;
		struct rig r;

		rig_make(&r, z->features, z->num);
		log_make(&log, RIG_MEMORY);
		start_logged(&r, &log);
		for (unsigned int c = 0; c < z->chains; c++)
			buffer[c] = offer_zeros(&r, z, c);
		ring_kick(&r.ring[RX]);
		frame_fill(frame, 1000, i);
		wire_send(r.wire, frame, 1000);
		REQUIRE(ring_wait(&r.ring[RX], (1000 + r.hdr_len + z->piece - 1)
				  / z->piece, PATIENCE),
			"%s: the frame did not come", z->name);
		while (ring_pop(&r.ring[RX], &id, &len)) {
			REQUIRE(id < z->chains && len <= z->piece,
				"%s: used (%u, %u)", z->name, id, len);
			memcpy(got + filled, rig_ptr(&r, buffer[id]), len);
			filled += len;
			EXPECT(logged(&log, buffer[id] / PAGE), "%s: buffer %u "
			       "is not in the log", z->name, id);
		}
		if (EXPECT(filled == 1000 + r.hdr_len, "%s: %u bytes", z->name,
			   filled))
			frame_check(got + r.hdr_len, 1000, i);
		EXPECT(events(r.ring[RX].err) == 0, "%s: an error", z->name);
		rig_stop(&r);
		rig_free(&r);
	}
}

/*
 * ---- harvesting meanwhile (D11) ----
 */

struct harvester {
	_Atomic uint64_t *from;
	_Atomic uint64_t found;
	atomic_bool stop;
	pthread_t thread;
};

static void *harvest(void *arg)
{
	struct harvester *h = arg;

	while (!atomic_load(&h->stop)) {
		atomic_fetch_or(&h->found, atomic_exchange(h->from, 0));
		sched_yield();
	}
	return NULL;
}

#define STRETCH		16U	/* pages that one frame fills */

/* A frame for each of two stretches waits already; hand out the buffers. */
static void offer_stretches(struct rig *r, uint64_t gpa)
{
	for (unsigned int i = 0; i < 2; i++) {
		ring_desc(&r->ring[RX], i, gpa + i * 2 * STRETCH * PAGE,
			  STRETCH * PAGE, VRING_DESC_F_WRITE, 0);
		ring_offer(&r->ring[RX], i);
	}
}

/*
 * D11: two vhosts, as of two cards or queues, log into one bitmap, all of it
 * into one word: each receives frames that fill 16 pages, and these take turns.
 * A thread takes the bits out with an exchange as fast as it can.  After each
 * round all 64 were seen: none is lost between the three.  Any kernel; it takes
 * two processors to lose one.
 */
static void harvested(void)
{
	unsigned int rounds = scaled(2000, 200);
	static uint8_t frame[STRETCH * PAGE];
	struct harvester h;
	struct rig r[2];
	struct log log;
	uint64_t gpa = 0;

	log_make(&log, RIG_MEMORY);
	for (unsigned int i = 0; i < 2; i++) {
		rig_make(&r[i], MODERN, 64);
		start_logged(&r[i], &log);
		/* The same in both, as all that was taken before is. */
		gpa = rig_alloc(&r[i], 128 * PAGE);
	}
	gpa = (gpa + 64 * PAGE - 1) & -(64ULL * PAGE);
	h.from = &log.word[gpa / PAGE / 64];
	atomic_init(&h.found, 0);
	atomic_init(&h.stop, false);
	REQUIRE(pthread_create(&h.thread, NULL, harvest, &h) == 0, "a thread");

	for (unsigned int round = 0; round < rounds; round++) {
		unsigned int len = sizeof(frame) - r[0].hdr_len;

		atomic_store(&h.found, 0);
		frame_fill(frame, len, round);
		for (unsigned int i = 0; i < 4; i++)
			wire_send(r[i & 1].wire, frame, len);
		for (unsigned int i = 0; i < 2; i++)
			offer_stretches(&r[i], gpa + i * STRETCH * PAGE);
		ring_kick(&r[0].ring[RX]);
		ring_kick(&r[1].ring[RX]);
		for (unsigned int i = 0; i < 2; i++) {
			struct ring *rx = &r[i].ring[RX];
			uint32_t id, used;

			REQUIRE(ring_wait(rx, 2, PATIENCE), "round %u: %u "
				"frames", round, ring_used(rx));
			while (ring_pop(rx, &id, &used))
				EXPECT(used == sizeof(frame), "%u bytes", used);
		}
		/* What the thread has in its hands comes a moment later. */
		for (unsigned int t = 0; t < 5 * PATIENCE && ~h.found; t++)
			usleep(200);
		if (!EXPECT(!~h.found, "round %u: of 64 pages these are in the "
			    "log: %#llx", round, (unsigned long long)h.found))
			break;
	}
	atomic_store(&h.stop, true);
	pthread_join(h.thread, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		rig_stop(&r[i]);
		rig_free(&r[i]);
	}
}

const struct scenario dirty_log[] = {
	{ "D1", "every page that changed is in the log", shadow_compare, 60 },
	{ "D2", "no other page is in the log", nothing_else, 60 },
	{ "D3", "LOG_ALL without a log says so", no_bitmap, 0 },
	{ "D4", "a log that ends beyond user space is refused", short_bitmap,
	  0 },
	{ "D5", "LOG_ALL on and off under load", toggled, 120 },
	{ "D6", "the log's eventfd is signalled", log_fd, 0 },
	{ "D7", "a thousand descriptors of no bytes", nothing_to_write, 0 },
	{ "D8", "a guest moves to another process", migration, 60 },
	{ "D9", "used rings across pages, IN_ORDER", in_order, 60 },
	{ "D10", "used rings across pages, high memory, holes, aliases",
	  awkward_memory, 60 },
	{ "D11", "bits harvested while they are set", harvested, 120 },
	{ 0 }
};
