/* SPDX-License-Identifier: MIT */
/*
 * D9, D10: rings and buffers in awkward places, and the bits of those.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "machine/uapi.h"
#include "tests/conformance/iommu.h"
#include "tests/conformance/log.h"
#include "vhost/vhost.h"

/*
 * ---- used rings across pages (D9, D10) ----
 */

#define BURST	8U
#define IN_ORDER	FEATURE(VIRTIO_F_IN_ORDER)

/* Move RX's used ring to where a page ends right after entry @entry. */
static void place_used(struct rig *r, uint64_t gpa, unsigned int entry)
{
	uint64_t offset = -(4 + 8 * (entry + 1ULL)) % PAGE;

	r->ring[RX].v.used = rig_ptr(r, gpa + offset);
}

/*
 * BURST frames that waited for buffers, so that one run of the worker uses them
 * all: from entry @start on, with a page's end behind entry @entry.
 */
static void used_burst(struct rig *r, uint64_t gpa, unsigned int start,
		       unsigned int entry, const char *where)
{
	static uint8_t allowed[RIG_MEMORY / PAGE];
	struct ring *ring = &r->ring[RX];
	unsigned int num = ring->v.num;
	uint64_t used, bytes = used_bytes(ring) + 2 * PAGE;
	uint8_t frame[200];
	char what[80];
	struct shadow s;
	struct log log;

	snprintf(what, sizeof(what), "%u entries, from %u, page's end behind "
		 "%u, %s", num, start, entry, where);
	place_used(r, gpa, entry);
	used = rig_gpa(r, ring->v.used);
	memset(ring->v.used, POISON, bytes - 2 * PAGE);
	ring->v.used->flags = 0;
	rig_rewind(r, start);

	memset(allowed, 0, sizeof(allowed));
	mark(allowed, used, used_bytes(ring));
	mark(allowed, rig_gpa(r, r->ring[TX].v.used), used_bytes(&r->ring[TX]));
	log_make(&log, RIG_MEMORY);
	shadow_take(&s, r, gpa, (bytes + 2 * PAGE) & -(uint64_t)PAGE);
	start_logged(r, &log);
	for (unsigned int i = 0; i < BURST; i++) {
		frame_fill(frame, sizeof(frame), i);
		wire_send(r->wire, frame, sizeof(frame));
	}
	for (unsigned int i = 0; i < BURST; i++) {
		unsigned int desc = rig_offer_rx(r, 400);

		mark(allowed, rig_buffer(r, RX, desc), 400);
	}
	ring_kick(ring);
	REQUIRE(ring_wait(ring, BURST, PATIENCE), "%s: %u used", what,
		ring_used(ring));
	rig_stop(r);
	for (unsigned int i = 0; i < BURST; i++) {
		unsigned int desc = (start + i) & (num - 1);
		uint64_t buffer = rig_buffer(r, RX, desc);

		frame_check((uint8_t *)rig_ptr(r, buffer) + r->hdr_len,
			    sizeof(frame), i);
		EXPECT(logged(&log, buffer / PAGE), "%s: a buffer is not in "
		       "the log", what);
	}
	check_changed(&s, r, &log, what);
	check_allowed(&log, allowed, RIG_MEMORY / PAGE, what);
	free(s.copy);
	log_free(&log);
}

static void used_across_pages(uint64_t features)
{
	static const unsigned int sizes[] = { 256, 1024, 4096, 32768 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned int num = sizes[i];
		struct rig r;
		uint64_t gpa;

		rig_make(&r, features, num);
		gpa = rig_alloc(&r, 4 + 8ULL * num + 8 * PAGE);
		used_burst(&r, gpa, 5, 7, "in the middle");
		used_burst(&r, gpa, num - 10, num - 6, "near the end");
		used_burst(&r, gpa, num - BURST, num - 4, "to the end");
		used_burst(&r, gpa, num - 3, 1, "around the end");
		rig_free(&r);
	}
}

/*
 * D9: VIRTIO_F_IN_ORDER, and a used ring that crosses pages just where it is
 * written, rings of 256 to 32768.  Since 6.17, when vhost began to offer it.
 *
 * F3, seen on 7.2: vhost_add_used_n_in_order() reckons what it logs from where
 * it will write next, not from where it began.  8 frames at once that end 2
 * before the end of the ring log 2 entries, not 8: with a page's end between,
 * the page behind it has changed and is not in the log.  8 frames around the
 * end log nearly the whole length of the ring from near its end on: pages that
 * are not the ring's, and its first entries not at all.
 */
void in_order(void)
{
	used_across_pages(MODERN | IN_ORDER);
}

/*
 * ---- the shape of memory (D10) ----
 */

#define HIGH		(5ULL << 30)
#define ALIAS		(8ULL << 30)

/* Regions above 4 GiB: two that touch in guest memory only, then a hole. */
static const struct high {
	uint64_t gpa, bytes;
} highs[] = {
	{ HIGH,			16 * PAGE },
	{ HIGH + 16 * PAGE,	16 * PAGE },
	{ HIGH + (1 << 30),	PAGE },
};

#define HIGHS	(sizeof(highs) / sizeof(highs[0]))

struct table {
	struct vhost_memory head;
	struct vhost_memory_region region[1 + HIGHS];
};

static void add_region(struct table *t, uint64_t gpa, uint64_t bytes, void *hva)
{
	t->region[t->head.nregions++] = (struct vhost_memory_region) {
		.guest_phys_addr = gpa, .memory_size = bytes,
		.userspace_addr = (uintptr_t)hva };
}

static void set_table(struct rig *r, struct table *t)
{
	int err = vhost_ioctl(r->vhost, VHOST_SET_MEM_TABLE, t);

	REQUIRE(!err, "SET_MEM_TABLE: %s", strerror(-err));
}

/* Receive one frame into @gpa; exactly the pages of it are in the log. */
static void high_frame(struct rig *r, struct log *log, uint64_t gpa,
		       unsigned int len, uint64_t used_page)
{
	uint64_t last = (gpa + r->hdr_len + len - 1) / PAGE;
	struct ring *ring = &r->ring[RX];
	unsigned int head = ring->next_avail & (ring->v.num - 1);
	static uint8_t frame[65536];
	uint32_t id, got;

	log_harvest(log, NULL);
	ring_desc(ring, head, gpa, r->hdr_len + len, VRING_DESC_F_WRITE, 0);
	ring_offer(ring, head);
	ring_kick(ring);
	frame_fill(frame, len, head);
	wire_send(r->wire, frame, len);
	REQUIRE(ring_wait(ring, 1, PATIENCE) && ring_pop(ring, &id, &got),
		"no frame at %#llx", (unsigned long long)gpa);
	EXPECT(got == r->hdr_len + len, "%u bytes, not %u", got,
	       r->hdr_len + len);
	for (uint64_t p = gpa / PAGE; p <= last; p++)
		EXPECT(logged(log, p), "page %#llx is not in the log",
		       (unsigned long long)p);
	for (uint64_t w = 0; w < log->bytes / 8; w++) {
		uint64_t bits = log->word[w];

		for (unsigned int b = 0; bits; b++, bits >>= 1) {
			uint64_t p = w * 64 + b;

			if (bits & 1)
				EXPECT((p >= gpa / PAGE && p <= last) ||
				       p == used_page, "page %#llx is in the "
				       "log", (unsigned long long)p);
		}
	}
}

static void high_memory(void)
{
	struct table t = { .head.nregions = 0 };
	uint8_t *area[HIGHS];
	struct log log;
	struct rig r;
	uint64_t used, last;

	rig_make(&r, MODERN, 64);
	log_make(&log, highs[HIGHS - 1].gpa + highs[HIGHS - 1].bytes);
	add_region(&t, 0, RIG_MEMORY, r.mem.region[0].hva);
	for (unsigned int i = 0; i < HIGHS; i++) {
		/* Unmapped pages between: what runs over is a fault. */
		area[i] = mmap(NULL, highs[i].bytes + 2 * PAGE, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		REQUIRE(area[i] != MAP_FAILED, "mmap: %s", strerror(errno));
		area[i] += PAGE;
		mprotect(area[i], highs[i].bytes, PROT_READ | PROT_WRITE);
		add_region(&t, highs[i].gpa, highs[i].bytes, area[i]);
	}
	rig_set_tables(&r);
	set_table(&r, &t);
	for (unsigned int i = 0; i < 2; i++)
		rig_set_ring(&r, i);
	log_on(&r, &log);
	attach(&r);
	used = rig_gpa(&r, r.ring[RX].v.used) / PAGE;
	REQUIRE(rig_alive(&r), "not alive");

	high_frame(&r, &log, HIGH, 100, used);
	high_frame(&r, &log, HIGH + 3 * PAGE - 1, 1500, used);
	/* The header ends where a page does. */
	high_frame(&r, &log, HIGH + PAGE - r.hdr_len, 1500, used);
	/* From one region into the next, which is elsewhere in our memory. */
	high_frame(&r, &log, highs[1].gpa - 700, 3 * PAGE, used);
	EXPECT(area[0][16 * PAGE - 1] != 0 && area[1][0] != 0,
	       "the frame is not on both sides");
	last = highs[HIGHS - 1].gpa;
	high_frame(&r, &log, last, PAGE - r.hdr_len, used);
	EXPECT(events(r.ring[RX].err) == 0, "an error");
	rig_stop(&r);
	rig_free(&r);
}

/*
 * One address of ours that is guest memory twice.  vhost logs what the guest
 * names; but behind an IOMMU it knows our addresses only, and must log both.
 */
static void aliases(void)
{
	struct table t = { .head.nregions = 0 };
	uint64_t buffer, page, alias = ALIAS / PAGE, used;
	struct log log;
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 64);
	log_make(&log, ALIAS + RIG_MEMORY);
	add_region(&t, 0, RIG_MEMORY, r.mem.region[0].hva);
	add_region(&t, ALIAS, RIG_MEMORY, r.mem.region[0].hva);
	iommu_set_rings(&r);
	set_table(&r, &t);
	log_on(&r, &log);	/* which empties the IOTLB */
	iommu_map(&r, 0, RIG_MEMORY, VHOST_ACCESS_RW);
	attach(&r);
	REQUIRE(rig_alive(&r), "not alive");
	log_harvest(&log, NULL);
	buffer = rig_buffer(&r, RX, r.ring[RX].next_avail & 63);
	rig_receive(&r, 1000, 1);
	rig_stop(&r);
	page = buffer / PAGE;
	EXPECT(logged(&log, page) && logged(&log, alias + page),
	       "a buffer that is at two addresses: the log has %u and %u",
	       logged(&log, page), logged(&log, alias + page));
	used = rig_gpa(&r, r.ring[RX].v.used) / PAGE;
	EXPECT(logged(&log, used) && logged(&log, alias + used),
	       "a used ring that is at two addresses: the log has %u and %u",
	       logged(&log, used), logged(&log, alias + used));
	rig_free(&r);
}

/*
 * D10: the bits are those of the right pages where memory is awkward: used
 * rings that cross pages (as in D9, but any order), buffers above 4 GiB, across
 * pages and from one region into the next, holes between, and, with an IOTLB,
 * memory that the guest has at two addresses.  Any kernel.
 */
void awkward_memory(void)
{
	used_across_pages(MODERN);
	high_memory();
	aliases();
}
