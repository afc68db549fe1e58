/* SPDX-License-Identifier: MIT */
/*
 * H: a guest that breaks the rules of the ring, or takes the memory away.  What
 * must hold whatever it does, and how that is checked, is in victim.h.
 *
 * Here are rings, chains and tables; frames and their headers are in
 * hostile-frames.c, what happens while vhost looks in hostile-memory.c.
 */
#include <stdio.h>
#include <string.h>

#include "tests/conformance/victim.h"
#include "vhost/vhost.h"

/* ---- H1, H2: avail ---- */

/* Every entry of avail names a descriptor that would do, were it looked at. */
static void fill_avail(struct victim *p, unsigned int index)
{
	struct rig *r = &p->bad;
	struct ring *ring = &r->ring[index];
	uint32_t len = lay_frame(r, p->work, LEN, 1);

	ring_desc(ring, 0, p->work, index == TX ? len : PAGE,
		  index == TX ? 0 : VRING_DESC_F_WRITE, 0);
	for (unsigned int i = 0; i < NUM; i++)
		ring->v.avail->ring[i] = 0;
}

/*
 * H1: avail->idx runs ahead by more than the ring has, by a lot, or backwards:
 * ERR and a ring that stands, for RX and TX.  Ahead by just a ringful is the
 * most that is allowed, and all of it must be sent.
 */
static void avail_jumps(void)
{
	static const uint16_t jump[] = { NUM + 1, 0x8000, 0xffff };
	struct victim p;
	struct ring *tx;
	char what[32];

	victim_make(&p, PLAIN);
	tx = &p.bad.ring[TX];
	for (unsigned int index = RX; index <= TX; index++)
		for (unsigned int i = 0; i < 3; i++) {
			fill_avail(&p, index);
			p.bad.ring[index].next_avail += jump[i];
			snprintf(what, sizeof(what), "avail->idx + %u", jump[i]);
			expect_broken(&p, index, what);
		}

	fill_avail(&p, TX);
	tx->next_avail += NUM;
	ring_kick(tx);
	EXPECT(ring_wait(tx, NUM, SOON_MS), "a full ring: %u of %u used",
	       ring_used(tx), NUM);
	EXPECT(!events(tx->err), "a full ring: ERR");
	victim_free(&p);
}

#define TABLE_ENTRIES	65536U	/* all that 16 bits can name */

/*
 * A table of descriptors for ring @index that goes on behind its end, as far as
 * any number leads, with descriptors that would do: who follows one beyond the
 * end sends a frame, or fills a buffer.  vhost is told of the first NUM.
 */
static void lay_long_table(struct victim *p, unsigned int index)
{
	struct rig *r = &p->bad;
	struct ring *ring = &r->ring[index];
	uint64_t gpa = p->work + TABLE_ENTRIES * sizeof(struct vring_desc);
	uint32_t len = lay_frame(r, gpa, LEN, 7);
	const struct vhost_ring set = {
		.desc = rig_ptr(r, p->work), .avail = ring->v.avail,
		.used = ring->v.used, .num = NUM, .kick_fd = ring->kick,
		.call_fd = ring->call, .err_fd = ring->err,
	};
	struct vring_desc *d = set.desc;
	int err;

	for (unsigned int i = 0; i < TABLE_ENTRIES; i++)
		d[i] = (struct vring_desc){
			.addr = gpa,
			.len = index == TX ? len : PAGE,
			.flags = index == TX ? 0 : VRING_DESC_F_WRITE,
		};
	REQUIRE(!rig_backend(r, index, -1), "no stop");
	err = vhost_set_ring(r->vhost, index, &set);
	REQUIRE(!err && !rig_backend(r, index, r->tap), "the ring: %s",
		strerror(-err));
}

/*
 * H2: an avail entry names a descriptor behind the table's end: ERR.  The last
 * one that is in it must do.
 */
static void head_out_of_range(void)
{
	static const uint16_t head[] = { NUM, NUM + 1, 0x7fff, 0x8000, 0xffff };
	struct victim p;
	char what[32];

	victim_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++)
		for (unsigned int i = 0; i < 5; i++) {
			lay_long_table(&p, index);
			ring_offer(&p.bad.ring[index], head[i]);
			snprintf(what, sizeof(what), "head %u", head[i]);
			expect_broken(&p, index, what);
		}

	lay_long_table(&p, TX);
	ring_offer(&p.bad.ring[TX], NUM - 1);
	expect_fine(&p, 7, LEN, "the last descriptor");
	victim_free(&p);
}

/* ---- H3: chains ---- */

/*
 * H3: chains that never end, or lead out of the table: ERR, for RX and TX, and
 * also if its descriptors are empty and so no limit of segments stops it.  A
 * chain of all the descriptors there are is the longest that is no loop.
 */
static void chain_loops(void)
{
	static const struct {
		const char *what;
		uint32_t len;
		uint16_t next0, next1;	/* where descriptors 0 and 1 lead */
	} loop[] = {
		{ "a descriptor after itself",	64, 0, 0 },
		{ "two in a circle",		64, 1, 0 },
		{ "two in a circle, empty",	0,  1, 0 },
		{ "a tail that circles",	64, 1, 1 },
		{ "next just outside",		64, 1, NUM },
		{ "next far outside",		64, 1, 0xffff },
	};
	struct victim p;
	struct vring_desc *d;
	uint32_t len;

	victim_make(&p, PLAIN);
	d = rig_ptr(&p.bad, p.work);
	for (unsigned int index = RX; index <= TX; index++)
		for (unsigned int i = 0; i < 6; i++) {
			lay_long_table(&p, index);
			d[0].flags |= VRING_DESC_F_NEXT;
			d[1].flags |= VRING_DESC_F_NEXT;
			d[0].len = d[1].len = loop[i].len;
			d[0].next = loop[i].next0;
			d[1].next = loop[i].next1;
			ring_offer(&p.bad.ring[index], 0);
			expect_broken(&p, index, loop[i].what);
		}

	len = lay_frame(&p.bad, p.work, 1000, 8);
	for (unsigned int i = 0; i < NUM; i++)
		ring_desc(&p.bad.ring[TX], i, p.work + i,
			  i < NUM - 1 ? 1 : len - (NUM - 1),
			  i < NUM - 1 ? VRING_DESC_F_NEXT : 0,
			  (uint16_t)(i + 1));
	ring_offer(&p.bad.ring[TX], 0);
	expect_fine(&p, 8, 1000, "a chain of all descriptors");
	victim_free(&p);
}

/* ---- H4: indirect tables ---- */

/*
 * A table of @n at the first work page, its descriptors one byte each but for
 * the last: @len bytes in all.  They lie behind the table.
 */
static void lay_table(struct victim *p, unsigned int index, unsigned int n,
		      uint32_t len)
{
	struct vring_desc *d = rig_ptr(&p->bad, p->work);
	uint64_t data = p->work + 280ULL * PAGE;
	uint16_t flags = index == RX ? VRING_DESC_F_WRITE : 0;

	for (unsigned int i = 0; i < n; i++)
		d[i] = (struct vring_desc){
			.addr = data + i,
			.len = i < n - 1 ? 1 : len - (n - 1),
			.flags = i < n - 1 ? VRING_DESC_F_NEXT | flags : flags,
			.next = (uint16_t)(i + 1),
		};
}

static void offer_table(struct victim *p, unsigned int index, uint64_t gpa,
			uint32_t bytes, uint16_t more)
{
	ring_desc(&p->bad.ring[index], 0, gpa, bytes,
		  VRING_DESC_F_INDIRECT | more, 1);
	ring_offer(&p->bad.ring[index], 0);
}

/*
 * H4: indirect tables that are nested, empty, no whole number of descriptors
 * long, too long, without an end, or not in memory: ERR.  vhost reads a table
 * in its order and does not look at `next` in it.
 *
 * INDIRECT together with NEXT, which virtio 1.2 forbids (2.7.5.3.1), is no
 * error to vhost on any kernel: the table and what follows are one chain.
 */
static void indirect_tables(void)
{
	struct victim p;
	struct vring_desc *d;
	uint32_t len;

	victim_make(&p, PLAIN);
	d = rig_ptr(&p.bad, p.work);
	for (unsigned int index = RX; index <= TX; index++) {
		lay_table(&p, index, 4, 2048);
		d[1].flags |= VRING_DESC_F_INDIRECT;
		offer_table(&p, index, p.work, 4 * sizeof(*d), 0);
		expect_broken(&p, index, "a table in a table");

		lay_table(&p, index, 4, 2048);
		d[3].flags |= VRING_DESC_F_NEXT;
		offer_table(&p, index, p.work, 4 * sizeof(*d), 0);
		expect_broken(&p, index, "a table whose last goes on");

		lay_table(&p, index, 4, 2048);
		offer_table(&p, index, p.work, 4 * sizeof(*d) + 8, 0);
		expect_broken(&p, index, "a table of 4 1/2");
		lay_table(&p, index, 1, 2048);
		offer_table(&p, index, p.work, sizeof(*d) - 1, 0);
		expect_broken(&p, index, "a table of 15 bytes");
		offer_table(&p, index, p.work, 0, 0);
		expect_broken(&p, index, "a table of nothing");

		/* Good but for its size: what is read first would do. */
		lay_table(&p, index, 2, 2048);
		offer_table(&p, index, p.work,
			    (TABLE_ENTRIES + 1) * sizeof(*d), 0);
		expect_broken(&p, index, "a table of 65537");

		offer_table(&p, index, RIG_MEMORY, 4 * sizeof(*d), 0);
		expect_broken(&p, index, "a table beyond memory");
		lay_table(&p, index, 4, 2048);
		offer_table(&p, index, RIG_MEMORY - sizeof(*d),
			    4 * sizeof(*d), 0);
		expect_broken(&p, index, "a table half beyond memory");
	}

	/* The first half of the frame in the table, the second behind it. */
	lay_table(&p, TX, 4, 112);
	len = lay_frame(&p.bad, p.work + 280ULL * PAGE, LEN, 9);
	ring_desc(&p.bad.ring[TX], 1, p.work + 280ULL * PAGE + 112, len - 112,
		  0, 0);
	offer_table(&p, TX, p.work, 4 * sizeof(*d), VRING_DESC_F_NEXT);
	expect_fine(&p, 9, LEN, "INDIRECT and NEXT");
	victim_free(&p);
}

/* ---- H5: addresses and directions ---- */

/*
 * Three regions: [0, 32M) and [32M, 48M), whose memory is not where the first
 * ends, then a hole to 56M, then the rest.
 */
static void set_holey_memory(struct rig *r)
{
	uintptr_t hva = (uintptr_t)rig_ptr(r, 0);
	const struct vhost_memory_region region[] = {
		{ 0, 32U << 20, hva, 0 },
		{ 32U << 20, 16U << 20, hva + (40U << 20), 0 },
		{ 56U << 20, 8U << 20, hva + (56U << 20), 0 },
	};

	rig_set_regions(r, region, 3);
}

/*
 * H5: buffers outside memory, reaching into a hole, or whose end wraps: ERR.
 * Directions that make no sense, too: TX with a writable buffer, RX with a
 * readable one, readable after writable.  A buffer across two regions that
 * touch is allowed, and its second half is where the second region says
 * ("fix range used in translate_desc", 6.2).
 */
static void wrong_addresses(void)
{
	static const struct { const char *what; uint64_t gpa; uint32_t len; }
	wrong[] = {
		{ "first byte beyond memory",	RIG_MEMORY, 2048 },
		{ "last byte beyond memory",	RIG_MEMORY - 2047, 2048 },
		{ "in the hole",		50U << 20, 2048 },
		{ "into the hole",		(48U << 20) - 100, 2048 },
		{ "over the hole",		(48U << 20) - 100, 9U << 20 },
		{ "out of the hole",		(56U << 20) - 100, 2048 },
		{ "end wraps",			-4096ULL, 8192 },
		{ "end wraps to 0",		-2048ULL, 2048 },
		{ "at the top of all",		~0ULL, 1 },
		{ "4G - 1 bytes",		1U << 20, 0xffffffff },
		{ "address 1 << 63",		1ULL << 63, 2048 },
	};
	struct victim p;
	struct ring *ring;
	uint64_t border = (32U << 20) - 100;
	uint8_t copy[12 + LEN];
	uint32_t len;

	victim_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++)
		for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong);
		     i++) {
			set_holey_memory(&p.bad);
			ring_desc(&p.bad.ring[index], 0, wrong[i].gpa,
				  wrong[i].len,
				  index == RX ? VRING_DESC_F_WRITE : 0, 0);
			ring_offer(&p.bad.ring[index], 0);
			expect_broken(&p, index, wrong[i].what);
		}

	ring = &p.bad.ring[TX];
	len = lay_frame(&p.bad, p.work, LEN, 10);
	ring_desc(ring, 0, p.work, len, VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	expect_broken(&p, TX, "a writable buffer");
	ring_desc(ring, 0, p.work, len, VRING_DESC_F_NEXT, 1);
	ring_desc(ring, 1, p.work + PAGE, 64, VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	expect_broken(&p, TX, "a writable buffer at its end");
	ring = &p.bad.ring[RX];
	ring_desc(ring, 0, p.work, 2048, 0, 0);
	ring_offer(ring, 0);
	expect_broken(&p, RX, "a readable buffer");
	ring_desc(ring, 0, p.work, 64, VRING_DESC_F_NEXT, 1);
	ring_desc(ring, 1, p.work + PAGE, 2048, VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	expect_broken(&p, RX, "readable, then writable");
	ring_desc(ring, 0, p.work, 2048, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
		  1);
	ring_desc(ring, 1, p.work + PAGE, 64, 0, 0);
	ring_offer(ring, 0);
	expect_broken(&p, RX, "writable, then readable");

	/* The second region's memory is 8M further than its address. */
	set_holey_memory(&p.bad);
	len = lay_frame(&p.bad, p.work, LEN, 11);
	memcpy(copy, rig_ptr(&p.bad, p.work), len);
	memcpy(rig_ptr(&p.bad, border), copy, 100);
	memcpy(rig_ptr(&p.bad, 40U << 20), copy + 100, len - 100);
	ring_desc(&p.bad.ring[TX], 0, border, len, 0, 0);
	ring_offer(&p.bad.ring[TX], 0);
	expect_fine(&p, 11, LEN, "a buffer across two regions");
	victim_free(&p);
}

const struct scenario hostile[] = {
	{ "H1", "avail->idx jumps by more than the ring: ERR, nothing used",
	  avail_jumps, 0 },
	{ "H2", "avail names a descriptor outside the ring: ERR",
	  head_out_of_range, 0 },
	{ "H3", "chains that loop or lead outside: ERR", chain_loops, 0 },
	{ "H4", "indirect tables nested, empty, odd, endless: ERR",
	  indirect_tables, 60 },
	{ "H5", "buffers outside memory, wrong directions: ERR; two regions: fine",
	  wrong_addresses, 90 },
	{ "H6", "headers at their extremes, chains too short: used, no spinning",
	  odd_headers, 90 },
	{ "H7", "frames shorter than Ethernet's header: dropped, host alive",
	  stumps, 0 },
	{ "H8", "a packet that needs more buffers than there are: worker at rest",
	  too_few_buffers, 60 },
	{ "H9", "a flood that fits no buffer: TX goes on, RX stops when told",
	  flood_without_room, 120 },
	{ "H10", "rings rewritten while they are read: no splat, reset cures",
	  rewritten_meanwhile, 240 },
	{ "H11", "memory unmapped, protected, truncated, late: ERR, stops, cured",
	  memory_goes_away, 120 },
	{ "H12", "rings that overlap each other and packets: no splat, cured",
	  overlapping_rings, 60 },
	{ "H13", "features renegotiated 10,000 times: frames exact, no leak",
	  renegotiated, 900 },
	{ 0 }
};
