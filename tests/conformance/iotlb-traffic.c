/* SPDX-License-Identifier: MIT */
/*
 * The scenarios of group I that are about what a mapping allows, what shape it
 * has and how many there are; and what this file and iotlb-changes.c have in
 * common.  The others, and the table, are in iotlb.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/conformance/iommu.h"
#include "tests/conformance/iotlb.h"
#include "vhost/vhost.h"

void unmap(struct rig *r, uint64_t iova, uint64_t bytes)
{
	int err = iotlb_invalidate(r->vhost, iova, bytes);

	REQUIRE(!err, "INVALIDATE: %s", strerror(-err));
}

void map(struct rig *r, uint64_t iova, uint64_t bytes, const void *hva,
	 uint8_t perm)
{
	int err = iotlb_update(r->vhost, iova, bytes, hva, perm);

	REQUIRE(!err, "UPDATE: %s", strerror(-err));
}

void map_buffers(struct rig *r)
{
	iommu_map(r, r->slots, RIG_MEMORY - r->slots, VHOST_ACCESS_RW);
}

void attach_both(struct rig *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		int err = rig_backend(r, i, r->tap);

		REQUIRE(!err, "SET_BACKEND: %s", strerror(-err));
	}
}

bool stands_still(struct rig *r, unsigned int index)
{
	uint8_t frame[2048];
	unsigned int used = ring_used(&r->ring[index]);

	return wire_recv(r->wire, frame, sizeof(frame), 200) < 0 &&
	       ring_used(&r->ring[index]) == used;
}

void goes_on(struct rig *r, unsigned int len, uint32_t seq, const char *after)
{
	uint8_t frame[2048];
	uint32_t id, used;
	int n;

	ring_kick(&r->ring[TX]);
	n = wire_recv(r->wire, frame, sizeof(frame), PATIENCE);
	if (EXPECT(n == (int)len, "TX after %s: %d bytes, not %u", after, n,
		   len))
		frame_check(frame, n, seq);
	EXPECT(ring_wait(&r->ring[TX], 1, PATIENCE) &&
	       ring_pop(&r->ring[TX], &id, &used), "TX after %s: nothing used",
	       after);
}

/*
 * ---- I3: permissions ----
 */

/*
 * I3: used mapped for reading only: the ring stands still, and used is not
 * written.  A buffer of RX mapped for reading only, and one of TX for writing
 * only: the err eventfd tells, and the page is neither written nor sent.  With
 * the right access the ring goes on.  Since 4.8.
 *
 * F5, seen on 6.1, 6.12 and 7.2: SET_BACKEND writes used->flags through the
 * mapping that is for reading only, as vhost_put_user() translates any address
 * of a ring for VHOST_ACCESS_RO.  To see it: used->flags = 0x5555, UPDATE of
 * used with perm 1, SET_BACKEND: 0, and the flags are 0.
 */
void read_only(void)
{
	struct vhost_iotlb_msg miss;
	struct rig r;
	uint64_t used, buffer;
	unsigned int desc;
	uint8_t frame[2048], *p;
	uint32_t id, len;
	int err;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_set_rings(&r);
	map_buffers(&r);
	iommu_map_ring(&r, RX);
	used = rig_gpa(&r, r.ring[TX].v.used);
	iommu_map(&r, r.ring[TX].gpa, used - r.ring[TX].gpa, VHOST_ACCESS_RO);
	iommu_map(&r, used, PAGE_SIZE_4K, VHOST_ACCESS_RO);
	r.ring[TX].v.used->flags = 0x5555;
	err = rig_backend(&r, TX, r.tap);
	note("SET_BACKEND with used for reading only: %s",
	     err ? strerror(-err) : "taken");
	EXPECT(r.ring[TX].v.used->flags == 0x5555,
	       "F5: used->flags was written, and used is for reading only");
	r.ring[TX].v.used->flags = 0;
	err = rig_backend(&r, RX, r.tap);
	EXPECT(!err, "SET_BACKEND of RX: %s", strerror(-err));
	rig_offer_tx(&r, 100, 1);
	ring_kick(&r.ring[TX]);
	EXPECT(stands_still(&r, TX), "TX went on with used for reading only");
	EXPECT(r.ring[TX].v.used->flags == 0 && r.ring[TX].v.used->idx == 0,
	       "used was written, and is for reading only");
	unmap(&r, used, PAGE_SIZE_4K);
	iommu_map(&r, used, PAGE_SIZE_4K, VHOST_ACCESS_RW);
	attach_both(&r);		/* if it was refused before */
	goes_on(&r, 100, 1, "used was for reading only");
	events(r.ring[TX].err);

	/* A buffer that RX may not write. */
	desc = rig_offer_rx(&r, 1024);
	buffer = rig_buffer(&r, RX, desc);
	p = rig_ptr(&r, buffer);
	memset(p, POISON, PAGE_SIZE_4K);
	unmap(&r, 0, ~0ULL);
	for (unsigned int i = 0; i < 2; i++)
		iommu_map_ring(&r, i);
	iommu_map(&r, buffer, PAGE_SIZE_4K, VHOST_ACCESS_RO);
	frame_fill(frame, 300, 2);
	wire_send(r.wire, frame, 300);
	ring_kick(&r.ring[RX]);
	EXPECT(wait_readable(r.ring[RX].err, PATIENCE), "RX: no error for a "
	       "buffer that is for reading only");
	EXPECT(ring_used(&r.ring[RX]) == 0 && p[0] == POISON &&
	       memcmp(p, p + 1, PAGE_SIZE_4K - 1) == 0,
	       "RX: a buffer for reading only was used or written");
	EXPECT(!iotlb_miss(r.vhost, &miss, 0), "a miss of what is mapped");
	unmap(&r, buffer, 1);
	iommu_map(&r, buffer, PAGE_SIZE_4K, VHOST_ACCESS_WO);
	ring_kick(&r.ring[RX]);
	REQUIRE(ring_wait(&r.ring[RX], 1, PATIENCE) &&
		ring_pop(&r.ring[RX], &id, &len),
		"RX does not go on with a buffer that it may write");
	frame_check(p + r.hdr_len, 300, 2);

	/* And one that TX may not read. */
	desc = rig_offer_tx(&r, 100, 3);
	buffer = rig_buffer(&r, TX, desc);
	iommu_map(&r, buffer, PAGE_SIZE_4K, VHOST_ACCESS_WO);
	ring_kick(&r.ring[TX]);
	EXPECT(wait_readable(r.ring[TX].err, PATIENCE), "TX: no error for a "
	       "buffer that is for writing only");
	EXPECT(stands_still(&r, TX), "TX: a buffer that is for writing only "
	       "was sent");
	unmap(&r, buffer, PAGE_SIZE_4K);
	iommu_map(&r, buffer, PAGE_SIZE_4K, VHOST_ACCESS_RO);
	goes_on(&r, 100, 3, "a buffer was for writing only");
	rig_stop(&r);
	rig_free(&r);
}

/*
 * ---- I6: pieces ----
 */

#define ONES		20U	/* bytes that each have a mapping */
#define CUT		400U
#define FRAME		500U

/* Where byte @i of the buffer is; scattered, then in two that overlap. */
static uint8_t *byte_at(uint8_t *area, unsigned int i)
{
	return i < ONES ? area + 64 * i + 3 :
	       area + (i < CUT ? 0x2005 : 0x3007) + i;
}

/* Map a buffer of @bytes at @iova by pieces of @area, not all in order. */
static void map_pieces(struct rig *r, uint64_t iova, unsigned int bytes,
		       uint8_t *area)
{
	for (unsigned int i = ONES; i-- > 0;)
		map(r, iova + i, 1, byte_at(area, i), VHOST_ACCESS_RW);
	/*
	 * [20, 200), then [150, 400) with the same bytes in common: it is entered
	 * in its midst, and what is beyond its end lies elsewhere.
	 */
	map(r, iova + CUT, bytes - CUT, byte_at(area, CUT), VHOST_ACCESS_RW);
	map(r, iova + 150, CUT - 150, byte_at(area, 150), VHOST_ACCESS_RW);
	map(r, iova + ONES, 200 - ONES, byte_at(area, ONES), VHOST_ACCESS_RW);
	/* A neighbour on each side, which must not be taken for a part. */
	map(r, iova - 7, 7, area + 0x4000, VHOST_ACCESS_RW);
	map(r, iova + bytes, 100, area + 0x5000, VHOST_ACCESS_RW);
}

/* A ring in pieces that cut structures, but not a field of one. */
static void map_ring_in_pieces(struct rig *r, unsigned int index)
{
	const struct vring *v = &r->ring[index].v;
	const struct {
		void *p;
		unsigned int cut[4], bytes;
	} part[] = {
		{ v->desc,  { 0, 24, 4000 },	PAGE_SIZE_4K },
		{ v->avail, { 0, 2, 4, 20 },	4 + 2 * v->num },
		{ v->used,  { 0, 2, 4, 16 },	4 + 8 * v->num },
	};

	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int c = 0; c < 4; c++) {
			unsigned int from = part[i].cut[c], end;

			if (c && !from)
				break;
			end = c < 3 && part[i].cut[c + 1] ?
			      part[i].cut[c + 1] : part[i].bytes;
			map(r, rig_gpa(r, part[i].p) + from, end - from,
			    (uint8_t *)part[i].p + from, VHOST_ACCESS_RW);
		}
}

/*
 * A buffer in two pieces, of which the second ends where the address space
 * does: the end of what is looked up must not go around.
 */
static void last_bytes(struct rig *r, uint8_t *area, uint32_t seq)
{
	struct ring *tx = &r->ring[TX];
	unsigned int head = tx->next_avail & (tx->v.num - 1);
	unsigned int bytes = r->hdr_len + FRAME;
	uint64_t iova = -(uint64_t)bytes;
	uint8_t flat[FRAME + 64], got[2048];
	int n;

	memset(flat, 0, r->hdr_len);
	frame_fill(flat + r->hdr_len, FRAME, seq);
	memcpy(area, flat, 100);
	memcpy(area + 0x3001, flat + 100, bytes - 100);
	map(r, iova, 100, area, VHOST_ACCESS_RO);
	map(r, iova + 100, bytes - 100, area + 0x3001, VHOST_ACCESS_RO);
	ring_desc(tx, head, iova, bytes, 0, 0);
	ring_offer(tx, head);
	ring_kick(tx);
	n = wire_recv(r->wire, got, sizeof(got), PATIENCE);
	if (EXPECT(n == (int)FRAME, "TX of the last bytes of the address "
		   "space: %d bytes, not %u", n, FRAME))
		frame_check(got, FRAME, seq);
}

/*
 * I6: a buffer whose first bytes have a mapping each, in memory all over the
 * place, the rest one of two that overlap; and rings of which each part is cut.
 * The data is exact both ways, nothing beside it is written, and nothing that
 * is mapped is asked for.  Then two pieces at the very end of the addresses.
 * "vhost: fix range used in translate_desc" (6.2 and stable updates): the range
 * looked up moved on with each piece, and there it went around.
 */
void in_pieces(void)
{
	uint8_t flat[2048], got[2048], *area;
	struct vhost_iotlb_msg miss;
	unsigned int bytes;
	uint32_t id, len;
	uint64_t gpa;
	struct rig r;
	int n;

	rig_make(&r, MODERN | IOTLB, 256);
	bytes = r.hdr_len + FRAME;
	iommu_set_rings(&r);
	for (unsigned int i = 0; i < 2; i++)
		map_ring_in_pieces(&r, i);
	attach_both(&r);
	gpa = rig_alloc(&r, 0x8000);
	area = rig_ptr(&r, gpa);

	/* Out. */
	memset(area, POISON, 0x8000);
	map_pieces(&r, ELSEWHERE, bytes, area);
	memset(flat, 0, r.hdr_len);
	frame_fill(flat + r.hdr_len, FRAME, 1);
	for (unsigned int i = 0; i < bytes; i++)
		*byte_at(area, i) = flat[i];
	ring_desc(&r.ring[TX], 0, ELSEWHERE, bytes, 0, 0);
	ring_offer(&r.ring[TX], 0);
	ring_kick(&r.ring[TX]);
	n = wire_recv(r.wire, got, sizeof(got), PATIENCE);
	if (EXPECT(n == (int)FRAME, "TX: %d bytes, not %u", n, FRAME))
		frame_check(got, FRAME, 1);

	/* And in, in another place, so that it is not the same by luck. */
	memset(area, POISON, 0x8000);
	map_pieces(&r, 2 * ELSEWHERE, bytes, area);
	ring_desc(&r.ring[RX], 0, 2 * ELSEWHERE, bytes, VRING_DESC_F_WRITE, 0);
	ring_offer(&r.ring[RX], 0);
	ring_kick(&r.ring[RX]);
	frame_fill(flat, FRAME, 2);
	wire_send(r.wire, flat, FRAME);
	REQUIRE(ring_wait(&r.ring[RX], 1, PATIENCE) &&
		ring_pop(&r.ring[RX], &id, &len), "RX: nothing used");
	EXPECT(len == bytes, "RX: %u bytes, not %u", len, bytes);
	for (unsigned int i = 0; i < bytes; i++) {
		got[i] = *byte_at(area, i);
		*byte_at(area, i) = POISON;
	}
	frame_check(got + r.hdr_len, FRAME, 2);
	EXPECT(area[0] == POISON && memcmp(area, area + 1, 0x8000 - 1) == 0,
	       "RX: something beside the pieces was written");
	last_bytes(&r, area, 3);
	EXPECT(!iotlb_miss(r.vhost, &miss, 0), "a miss of %#llx, and all is "
	       "mapped", (unsigned long long)miss.iova);
	EXPECT(!events(r.ring[TX].err) && !events(r.ring[RX].err), "an error");
	rig_stop(&r);
	rig_free(&r);
}

/*
 * ---- I9: many ----
 */

static unsigned int max_entries(void)
{
	FILE *f = fopen("/sys/module/vhost/parameters/max_iotlb_entries", "re");
	unsigned int n = 2048;

	if (!f || fscanf(f, "%u", &n) != 1)
		note("max_iotlb_entries cannot be read: %u, as is usual", n);
	if (f)
		fclose(f);
	return n;
}

/* KiB of the kernel's memory that nothing can be done about. */
static long slab(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	REQUIRE(n >= 0, "/proc/meminfo has no SUnreclaim");
	return n;
}

static void map_many(struct rig *r, unsigned int n)
{
	static uint64_t next = ELSEWHERE;

	for (unsigned int i = 0; i < n; i++, next += PAGE_SIZE_4K)
		map(r, next, PAGE_SIZE_4K, r->mem.region[0].hva,
		    VHOST_ACCESS_RW);
}

/* Map a buffer, then @n pages and the rings; is the buffer still there? */
static bool remembered(struct rig *r, unsigned int n, uint32_t seq)
{
	struct vhost_iotlb_msg miss;
	bool asked = false;
	uint64_t buffer;

	buffer = rig_buffer(r, TX, rig_offer_tx(r, 100, seq));
	unmap(r, 0, ~0ULL);
	iommu_map(r, buffer, PAGE_SIZE_4K, VHOST_ACCESS_RW);
	map_many(r, n);
	for (unsigned int i = 0; i < 2; i++)
		iommu_map_ring(r, i);
	ring_kick(&r->ring[TX]);
	/* The rings may have been asked for while they were not mapped. */
	while (!asked && iotlb_miss(r->vhost, &miss, 300))
		asked = miss.iova == buffer;
	if (asked)
		iommu_map(r, buffer, PAGE_SIZE_4K, VHOST_ACCESS_RW);
	goes_on(r, 100, seq, "many UPDATEs");
	return !asked;
}

/*
 * I9: the table holds max_iotlb_entries (2048) and retires the oldest for one
 * more: a buffer mapped before fewer others is still known, before as many is
 * asked for again.  After 100,000 UPDATEs the kernel has not grown by more than
 * such a table can, and traffic recovers by way of misses.
 * CVE-2026-74713 (5.7 to 7.1.8): the bound could be stepped over.
 */
void many_updates(void)
{
	unsigned int max = max_entries(), many = scaled(100000, 5000);
	struct iommu m;
	struct rig r;
	long before, grown;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	EXPECT(remembered(&r, max - 10, 1), "asked for again after %u others",
	       max - 10);
	EXPECT(!remembered(&r, max, 2), "still known after %u others", max);

	before = slab();
	map_many(&r, many);
	grown = slab() - before;
	note("%u UPDATEs, and the kernel has grown by %ld KiB", many, grown);
	/* An entry takes 96 bytes; only many of them stand out. */
	if (many >= 50000)
		EXPECT(grown < 4096, "the kernel has grown by %ld KiB", grown);
	iommu_serve(&m, &r);
	EXPECT(rig_alive(&r), "dead after %u UPDATEs", many);
	EXPECT(atomic_load(&m.misses) > 0, "all is still mapped after %u "
	       "UPDATEs", many);
	iommu_end(&m);
	rig_stop(&r);
	rig_free(&r);
}

/*
 * ---- I12: INVALIDATE under load ----
 */

#define PAGES		16U	/* a buffer each */

struct pour {
	int wire;
	atomic_bool stop;
	pthread_t thread;
};

static void *pour(void *arg)
{
	struct pour *p = arg;
	uint8_t frame[1514];

	for (uint32_t seq = 0; !atomic_load(&p->stop); seq++) {
		frame_fill(frame, sizeof(frame), seq);
		/* The tap's queue may be full: that one is lost. */
		send(p->wire, frame, sizeof(frame), MSG_DONTWAIT);
		if (seq % 8 == 0)
			usleep(300);
	}
	return NULL;
}

/*
 * Take what was received, offer it again, and answer what is asked.  Answers
 * are entries of their own: @as_one, if there were any, is no longer so.
 */
static unsigned int turn(struct rig *r, uint8_t *area, bool *as_one)
{
	struct vhost_iotlb_msg miss;
	unsigned int n = 0;
	uint32_t id, len;

	for (; ring_pop(&r->ring[RX], &id, &len); n++) {
		REQUIRE(id < PAGES, "used descriptor %u", id);
		ring_offer(&r->ring[RX], id);
	}
	if (n)
		ring_kick(&r->ring[RX]);
	while (iotlb_miss(r->vhost, &miss, 0)) {
		uint64_t page = (miss.iova - ELSEWHERE) / PAGE_SIZE_4K;

		REQUIRE(miss.iova >= ELSEWHERE && page < PAGES, "a miss of "
			"%#llx", (unsigned long long)miss.iova);
		map(r, ELSEWHERE + page * PAGE_SIZE_4K, PAGE_SIZE_4K,
		    area + page * PAGE_SIZE_4K, VHOST_ACCESS_RW);
		*as_one = false;
	}
	return n;
}

/* Map all buffers to @area: one entry, or one for each. */
static void map_area(struct rig *r, uint8_t *area, bool as_one)
{
	if (as_one) {
		map(r, ELSEWHERE, PAGES * PAGE_SIZE_4K, area, VHOST_ACCESS_RW);
		return;
	}
	for (unsigned int i = 0; i < PAGES; i++)
		map(r, ELSEWHERE + i * PAGE_SIZE_4K, PAGE_SIZE_4K,
		    area + i * PAGE_SIZE_4K, VHOST_ACCESS_RW);
}

/*
 * I12: frames pour into buffers whose pages are taken from under them again and
 * again.  Once write() of an INVALIDATE has returned, the old pages are not
 * written any more, however the range overlapped the entries: exactly, one byte
 * of one that is larger, or from before its start.  Frames go on to the new
 * pages.  Since 4.8.
 */
void invalidated(void)
{
	unsigned int rounds = scaled(3000, 60);
	bool as_one = true;	/* entry of the table, not many */
	struct pour p;
	uint8_t *area[2];
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	for (unsigned int i = 0; i < 2; i++)
		area[i] = rig_ptr(&r, rig_alloc(&r, PAGES * PAGE_SIZE_4K));
	for (unsigned int i = 0; i < PAGES; i++) {
		ring_desc(&r.ring[RX], i, ELSEWHERE + i * PAGE_SIZE_4K,
			  PAGE_SIZE_4K, VRING_DESC_F_WRITE, 0);
		ring_offer(&r.ring[RX], i);
	}
	map_area(&r, area[0], as_one);
	ring_kick(&r.ring[RX]);
	p.wire = r.wire;
	atomic_init(&p.stop, false);
	REQUIRE(pthread_create(&p.thread, NULL, pour, &p) == 0, "a thread");

	for (unsigned int i = 0; i < rounds; i++) {
		uint8_t *old = area[i & 1], *new = area[~i & 1];
		uint64_t at = ELSEWHERE, bytes = PAGES * PAGE_SIZE_4K;
		unsigned int n = 0;
		time_t end;

		if (as_one && rnd() % 3 == 0) {		/* a byte of it */
			at += rnd() % bytes;
			bytes = 1;
		} else if (rnd() % 2) {			/* and around it */
			at -= 1 + rnd() % 4096;
			bytes += 8192;
		}
		unmap(&r, at, bytes);
		memset(old, POISON, PAGES * PAGE_SIZE_4K);
		as_one = rnd() % 2;
		if (rnd() % 2)		/* else they are asked for */
			map_area(&r, new, as_one);
		else
			as_one = false;
		for (end = time(NULL) + PATIENCE / 1000; n < PAGES / 2;) {
			REQUIRE(time(NULL) <= end, "round %u: after an "
				"INVALIDATE nothing is received", i);
			n += turn(&r, new, &as_one);
			usleep(50);
		}
		if (!EXPECT(old[0] == POISON && memcmp(old, old + 1, PAGES *
			    PAGE_SIZE_4K - 1) == 0, "round %u: an old page was "
			    "written after INVALIDATE", i))
			break;
	}
	atomic_store(&p.stop, true);
	pthread_join(p.thread, NULL);
	rig_stop(&r);
	rig_free(&r);
}
