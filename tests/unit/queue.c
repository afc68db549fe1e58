/* SPDX-License-Identifier: MIT */
/*
 * The device's half of a ring: taking what a driver has put there, right or
 * wrong.  What goes back, and what changes while it is read: queue-events.c.
 */
#include <errno.h>

#include "tests/unit/ring.h"

#define LONGEST		1024		/* chain, in descriptors */
#define RING_MAX	2048

/* queue_take() into an array of just @max, so that a step outside is seen. */
static int take(struct queue *q, struct chain *c, struct iovec *copy,
		unsigned int max)
{
	struct iovec *iov = malloc(max * sizeof(*iov));
	int took;

	if (!iov)
		abort();
	took = queue_take(q, c, iov, max);
	if (took == 1 && copy)
		memcpy(copy, iov, (c->out + c->in) * sizeof(*iov));
	free(iov);
	return took;
}

/*
 * ---- every way in which a chain can be right or wrong ----
 */

struct span {
	uint64_t gpa;
	uint32_t len;
};

/* In a ring of 4, with head 0 offered; buffers to read come first. */
static const struct {
	const char *what;
	struct vring_desc desc[4], table[4];
	const char *why;		/* a part of it; NULL: all is well */
	unsigned int out, in;
	struct span span[4];
} chains[] = {
	{ "one buffer to read", { { DATA, 64, 0, 0 } }, {}, NULL,
	  1, 0, { { DATA, 64 } } },
	{ "one to write", { { DATA, 64, WRITE, 0 } }, {}, NULL,
	  0, 1, { { DATA, 64 } } },
	{ "two to read, then two to write",
	  { { DATA, 1, NEXT, 3 }, { DATA + 40, 4, WRITE, 0 },
	    { DATA + 30, 3, NEXT | WRITE, 1 }, { DATA + 20, 2, NEXT, 2 } },
	  {}, NULL, 2, 2,
	  { { DATA, 1 }, { DATA + 20, 2 }, { DATA + 30, 3 },
	    { DATA + 40, 4 } } },
	{ "next without its flag", { { DATA, 64, 0, 77 } }, {}, NULL,
	  1, 0, { { DATA, 64 } } },
	{ "flags that do not exist", { { DATA, 64, 0xfff8, 0 } }, {}, NULL,
	  1, 0, { { DATA, 64 } } },
	{ "to write, then to read",
	  { { DATA, 8, NEXT | WRITE, 1 }, { DATA, 8, 0, 0 } },
	  .why = "to read after" },
	{ "next is the ring's size", { { DATA, 8, NEXT, 4 } },
	  .why = "leads out" },
	{ "next is 65535", { { DATA, 8, NEXT, 65535 } }, .why = "leads out" },
	{ "next is itself", { { DATA, 8, NEXT, 0 } }, .why = "loop" },
	{ "a loop that the head is no part of",
	  { { DATA, 8, NEXT, 1 }, { DATA, 8, NEXT, 2 }, { DATA, 8, NEXT, 1 } },
	  .why = "loop" },
	{ "a loop of nothing", { { 0, 0, NEXT, 1 }, { 0, 0, NEXT, 0 } },
	  .why = "loop" },

	/* Empty buffers: as if they were not there. */
	{ "nothing but an empty buffer", { { DATA, 0, 0, 0 } }, .out = 0 },
	{ "an empty one that is nowhere",
	  { { -1ULL, 0, WRITE, 0 } }, .out = 0 },
	{ "an empty one between two",
	  { { DATA, 1, NEXT, 1 }, { 0, 0, NEXT, 2 }, { DATA + 9, 2, 0, 0 } },
	  {}, NULL, 2, 0, { { DATA, 1 }, { DATA + 9, 2 } } },
	{ "to write, then an empty one to read",
	  { { DATA, 8, NEXT | WRITE, 1 }, { DATA, 0, 0, 0 } },
	  .why = "to read after" },

	/* Addresses. */
	{ "all of low RAM but a page", { { 4096, LOW_END - 4096, 0, 0 } }, {},
	  NULL, 1, 0, { { 4096, LOW_END - 4096 } } },
	{ "up to the end of RAM", { { END - 64, 64, WRITE, 0 } }, {}, NULL,
	  0, 1, { { END - 64, 64 } } },
	{ "a byte past it", { { END - 64, 65, WRITE, 0 } },
	  .why = "not in RAM" },
	{ "at the end of RAM", { { END, 1, 0, 0 } }, .why = "not in RAM" },
	{ "up to the hole", { { LOW_END - 1, 1, 0, 0 } }, {}, NULL,
	  1, 0, { { LOW_END - 1, 1 } } },
	{ "into the hole", { { LOW_END - 1, 2, 0, 0 } }, .why = "not in RAM" },
	{ "across the hole",
	  { { LOW_END - 1, HIGH - LOW_END + 2, 0, 0 } }, .why = "not in RAM" },
	{ "a card's registers", { { 0xd0000fa0, 4, 0, 0 } },
	  .why = "not in RAM" },
	{ "an address that wraps to 0", { { -8ULL, 8, 0, 0 } },
	  .why = "not in RAM" },
	{ "one that wraps into RAM", { { -8ULL, 64, 0, 0 } },
	  .why = "not in RAM" },
	{ "4 GiB less a byte", { { 0, -1U, 0, 0 } }, .why = "not in RAM" },
	{ "the second buffer is not in RAM",
	  { { DATA, 8, NEXT, 1 }, { LOW_END, 8, 0, 0 } }, .why = "not in RAM" },

	/* Indirect tables. */
	{ "a table of two", { { TABLE, 32, INDIRECT, 0 } },
	  { { DATA, 1, NEXT, 1 }, { DATA + 9, 2, WRITE, 0 } }, NULL,
	  1, 1, { { DATA, 1 }, { DATA + 9, 2 } } },
	{ "a table not in order", { { TABLE, 48, INDIRECT, 0 } },
	  { { DATA, 1, NEXT, 2 }, { DATA + 9, 2, 0, 0 },
	    { DATA + 5, 3, NEXT, 1 } }, NULL,
	  3, 0, { { DATA, 1 }, { DATA + 5, 3 }, { DATA + 9, 2 } } },
	{ "a table behind a buffer",
	  { { DATA, 1, NEXT, 2 }, {}, { TABLE, 16, INDIRECT, 0 } },
	  { { DATA + 9, 2, WRITE, 0 } }, NULL,
	  1, 1, { { DATA, 1 }, { DATA + 9, 2 } } },
	{ "its WRITE flag says nothing (2.7.5.3.2)",
	  { { TABLE, 16, INDIRECT | WRITE, 0 } }, { { DATA, 1, 0, 0 } }, NULL,
	  1, 0, { { DATA, 1 } } },
	{ "a table larger than the ring", { { TABLE, 160, INDIRECT, 0 } },
	  { { DATA, 1, 0, 0 } }, NULL, 1, 0, { { DATA, 1 } } },
	{ "a table of nothing", { { TABLE, 0, INDIRECT, 0 } },
	  .why = "ends within" },
	{ "a table of 15 bytes", { { TABLE, 15, INDIRECT, 0 } },
	  .why = "ends within" },
	{ "a table of 33", { { TABLE, 33, INDIRECT, 0 } },
	  .why = "ends within" },
	{ "a table in the hole", { { LOW_END, 16, INDIRECT, 0 } },
	  .why = "table is not in RAM" },
	{ "a table half in the hole", { { LOW_END - 16, 32, INDIRECT, 0 } },
	  .why = "table is not in RAM" },
	{ "a table of 256 MiB of descriptors, which is not in RAM",
	  { { 0, -16U, INDIRECT, 0 } }, .why = "table is not in RAM" },
	{ "a table that has a next", { { TABLE, 16, INDIRECT | NEXT, 1 } },
	  { { DATA, 1, 0, 0 } }, .why = "has a next" },
	{ "a table in a table", { { TABLE, 32, INDIRECT, 0 } },
	  { { DATA, 1, NEXT, 1 }, { TABLE, 16, INDIRECT, 0 } },
	  .why = "within another" },
	{ "the ring as a table, and a table in that",
	  { { DATA, 1, NEXT, 1 }, { DESC, 64, INDIRECT, 0 } },
	  .why = "within another" },
	{ "the ring as its own table", { { DESC, 64, INDIRECT, 0 } },
	  .why = "within another" },
	{ "a loop in a table", { { TABLE, 32, INDIRECT, 0 } },
	  { { DATA, 1, NEXT, 1 }, { DATA, 1, NEXT, 0 } }, .why = "loop" },
	{ "a loop in a table of a million",
	  { { TABLE, 16 << 20, INDIRECT, 0 } },
	  { { DATA, 0, NEXT, 0 } }, .why = "1,024" },
	{ "next out of a table", { { TABLE, 32, INDIRECT, 0 } },
	  { { DATA, 1, NEXT, 2 }, {}, { DATA, 1, 0, 0 } }, .why = "leads out" },
	{ "to write before the table, to read in it",
	  { { DATA, 1, NEXT | WRITE, 1 }, { TABLE, 16, INDIRECT, 0 } },
	  { { DATA, 1, 0, 0 } }, .why = "to read after" },
};

/* Are these the chain's buffers, and is its sum right? */
static bool spans_match(const struct chain *c, const struct iovec *iov,
			const struct span *span)
{
	uint64_t out = 0, in = 0;

	for (unsigned int i = 0; i < c->out + c->in; i++) {
		if (iov[i].iov_base != guest_ptr(&mem, span[i].gpa, 1) ||
		    iov[i].iov_len != span[i].len)
			return false;
		*(i < c->out ? &out : &in) += span[i].len;
	}
	return out == c->out_bytes && in == c->in_bytes;
}

static void test_chains(void)
{
	for (unsigned int i = 0; i < ROWS(chains); i++) {
		const char *why = chains[i].why;
		struct iovec iov[4];
		struct chain c;
		struct queue q;
		int took;

		start(&q, 4, F_INDIRECT);
		memcpy(ring.desc, chains[i].desc, sizeof(chains[i].desc));
		memcpy(at(TABLE), chains[i].table, sizeof(chains[i].table));
		offer(0);
		took = take(&q, &c, iov, 4);
		if (why)
			CHECK(took == -EPROTO && strstr(q.why, why) &&
			      q.last_avail == 0, "%s: refused", chains[i].what);
		else
			CHECK(took == 1 && q.last_avail == 1 && c.head == 0 &&
			      c.out == chains[i].out && c.in == chains[i].in &&
			      spans_match(&c, iov, chains[i].span),
			      "%s: taken", chains[i].what);
	}
}

/* An indirect table may lie at any address. */
static void test_unaligned_table(void)
{
	bool taken = true;

	for (unsigned int shift = 0; shift < 16; shift++) {
		struct vring_desc table[2] = {
			{ DATA, 1, NEXT, 1 }, { DATA + 9, 2, WRITE, 0 },
		};
		struct chain c;
		struct queue q;

		start(&q, 4, F_INDIRECT);
		ring.desc[0] = (struct vring_desc) {
			TABLE + shift, 32, INDIRECT, 0,
		};
		memcpy((char *)at(TABLE) + shift, table, sizeof(table));
		offer(0);
		taken &= take(&q, &c, NULL, 2) == 1 && c.out == 1 && c.in == 1;
	}
	CHECK(taken, "a table at any address");
}

static void test_not_negotiated(void)
{
	struct chain c;
	struct queue q;

	start(&q, 4, 0);
	ring.desc[0] = (struct vring_desc) { TABLE, 16, INDIRECT, 0 };
	*(struct vring_desc *)at(TABLE) = (struct vring_desc) { DATA, 1, 0, 0 };
	offer(0);
	CHECK(take(&q, &c, NULL, 4) == -EPROTO &&
	      strstr(q.why, "not negotiated"), "a table, not agreed on");
}

/*
 * ---- long ones ----
 */

/* @n buffers of 1 byte one after the other, from @table[@from] on. */
static void link_up(struct vring_desc *table, unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < from + n; i++)
		table[i] = (struct vring_desc) { DATA + i, 1, NEXT, i + 1 };
	table[from + n - 1].flags = 0;
}

static const struct {
	const char *what;
	unsigned int num, direct, indirect;
	bool good;
} lengths[] = {
	{ "1,024 descriptors",		2048, 1024, 0, true },
	{ "1,025",			2048, 1025, 0, false },
	{ "all of a ring of 2,048",	2048, 2048, 0, false },
	{ "all of a ring of 1,024",	1024, 1024, 0, true },
	{ "a table of 1,024",		1024, 0, 1024, true },
	{ "a table of 1,024, in a ring of 1", 1, 0, 1024, true },
	{ "a table of 1,025",		2048, 0, 1025, false },
	{ "a table of 1,025, in a ring of 1", 1, 0, 1025, false },
	{ "512, and a table of 512",	1024, 512, 512, true },
	{ "512, and a table of 513",	1024, 512, 513, false },
	{ "1,024, and a table of 1",	2048, 1024, 1, false },
};

static void test_lengths(void)
{
	static struct iovec iov[LONGEST];

	for (unsigned int i = 0; i < ROWS(lengths); i++) {
		unsigned int direct = lengths[i].direct;
		unsigned int indirect = lengths[i].indirect;
		bool order = true;
		struct chain c;
		struct queue q;
		int took;

		start(&q, lengths[i].num, F_INDIRECT);
		if (direct)
			link_up(ring.desc, 0, direct);
		if (direct && indirect)
			ring.desc[direct - 1].flags = NEXT;
		if (indirect) {
			ring.desc[direct] = (struct vring_desc) {
				TABLE, indirect * 16, INDIRECT, 0,
			};
			link_up(at(TABLE), 0, indirect);
		}
		offer(0);
		took = take(&q, &c, iov, LONGEST);
		if (!lengths[i].good) {
			CHECK(took == -EPROTO && strstr(q.why, "1,024"),
			      "%s: refused", lengths[i].what);
			continue;
		}
		for (unsigned int v = 0; v < LONGEST; v++)
			order &= iov[v].iov_base == at(DATA +
					(v < direct ? v : v - direct));
		CHECK(took == 1 && c.out == LONGEST &&
		      c.out_bytes == LONGEST && order,
		      "%s: taken", lengths[i].what);
	}
}

/* Too little room for its buffers: the chain stays where it is. */
static void test_no_room(void)
{
	struct iovec iov[3];
	struct chain c;
	struct queue q, before;
	bool same = true;

	start(&q, 4, F_INDIRECT);
	link_up(ring.desc, 0, 3);
	offer(0);
	before = q;
	for (unsigned int max = 0; max < 3; max++) {
		same &= take(&q, &c, NULL, max) == -ENOBUFS;
		same &= memcmp(&q, &before, sizeof(q)) == 0;
	}
	CHECK(same, "no room for 3 buffers in 0, 1 or 2: nothing has changed");
	CHECK(take(&q, &c, iov, 3) == 1 && c.out == 3 && c.out_bytes == 3,
	      "in 3 there is");

	ring.desc[0] = (struct vring_desc) { DATA, 0, 0, 0 };
	offer(0);
	CHECK(take(&q, &c, NULL, 0) == 1 && c.out == 0,
	      "what is empty needs no room");
}

/*
 * ---- indices ----
 */

static void test_indices(void)
{
	static const struct {
		const char *what;
		uint16_t base, idx, head;
		int want;
	} rows[] = {
		{ "nothing there",		 0, 0, 0, 0 },
		{ "nothing there, at 65535",	 65535, 65535, 0, 0 },
		{ "one",			 0, 1, 3, 1 },
		{ "all there can be",		 0, 4, 3, 1 },
		{ "one more",			 0, 5, 3, -EPROTO },
		{ "one behind",			 0, 65535, 3, -EPROTO },
		{ "one behind, in the middle",	 7, 6, 3, -EPROTO },
		{ "half way round",		 0, 32768, 3, -EPROTO },
		{ "across 65536",		 65535, 3, 3, 1 },
		{ "across 65536, one too many",	 65535, 4, 3, -EPROTO },
		{ "a head that is the ring's size", 0, 1, 4, -EPROTO },
		{ "a head of 65535",		 0, 1, 65535, -EPROTO },
	};

	for (unsigned int i = 0; i < ROWS(rows); i++) {
		uint16_t next = rows[i].base + (rows[i].want == 1);
		struct chain c;
		struct queue q;

		start(&q, 4, 0);
		queue_start(&q, &mem, &ring, rows[i].base, 0);
		for (unsigned int d = 0; d < 4; d++)
			ring.desc[d] = (struct vring_desc) { DATA, 1, 0, 0 };
		ring.avail->ring[rows[i].base % 4] = rows[i].head;
		ring.avail->idx = rows[i].idx;
		CHECK(take(&q, &c, NULL, 4) == rows[i].want &&
		      q.last_avail == next &&
		      (rows[i].want != 1 || c.head == rows[i].head),
		      "avail: %s", rows[i].what);
	}
}

/* Two and a half times round 65536, with 1 to 4 chains at a time. */
static void test_wrap(void)
{
	bool order = true, entries = true, index = true;
	uint16_t given = 0;
	struct queue q;

	start(&q, 4, 0);
	for (unsigned int d = 0; d < 4; d++)
		ring.desc[d] = (struct vring_desc) { DATA, 1, 0, 0 };
	for (unsigned int i = 0, n = 1; i < 160000; i += n, n = n % 4 + 1) {
		struct chain c[4];

		for (unsigned int k = 0; k < n; k++)
			offer((i + k) % 4);
		for (unsigned int k = 0; k < n; k++)
			order &= take(&q, &c[k], NULL, 1) == 1 &&
				 c[k].head == (i + k) % 4;
		order &= take(&q, &c[0], NULL, 1) == 0;
		for (unsigned int k = 0; k < n; k++)
			queue_give(&q, (i + k) % 4, i + k);
		index &= ring.used->idx == given;
		index &= queue_publish(&q);
		given += n;
		index &= ring.used->idx == given;
		for (unsigned int k = 0; k < n; k++) {
			const struct vring_used_elem *e =
				&ring.used->ring[(uint16_t)(given - n + k) % 4];

			entries &= e->id == (i + k) % 4 && e->len == i + k;
		}
	}
	CHECK(order, "each chain once, in order, round and round");
	CHECK(entries, "each given back with its length, in the next entry");
	CHECK(index, "the used index moves when published, not before");
}

static void test_untake(void)
{
	struct chain c;
	struct queue q;
	bool again = true;

	start(&q, 4, 0);
	queue_start(&q, &mem, &ring, 65534, 0);
	ring.avail->idx = 65534;
	for (unsigned int d = 0; d < 4; d++) {
		ring.desc[d] = (struct vring_desc) { DATA, 1, 0, 0 };
		offer(d);
	}
	for (unsigned int d = 0; d < 4; d++)
		take(&q, &c, NULL, 1);
	queue_untake(&q, 0);
	CHECK(take(&q, &c, NULL, 1) == 0, "untake none of 4");
	queue_untake(&q, 3);
	for (unsigned int d = 1; d < 4; d++)
		again &= take(&q, &c, NULL, 1) == 1 && c.head == d;
	CHECK(again && take(&q, &c, NULL, 1) == 0,
	      "untake 3 of 4, across 65536: they come again");
}

int main(void)
{
	if (memory_create(&mem, END - HIGH + LOW_END) < 0) {
		SKIP("no address space for RAM on both sides of the hole");
		return done();
	}
	test_chains();
	test_unaligned_table();
	test_not_negotiated();
	test_lengths();
	test_no_room();
	test_indices();
	test_wrap();
	test_untake();
	memory_destroy(&mem);
	return done();
}
