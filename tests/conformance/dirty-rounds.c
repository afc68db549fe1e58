/* SPDX-License-Identifier: MIT */
/*
 * D1, D2: rounds of frames into buffers of every shape.
 *
 * While nothing runs, buffers are prepared, and all of memory is copied.  Then
 * frames pass with the log on, and once the rings are stopped the copy, the
 * lengths in the used rings and the log are compared.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/conformance/iommu.h"
#include "tests/conformance/log.h"

/*
 * Of two pages of used, of which the first has the flags and the index, and the
 * second, where a round begins, nothing but entries: each is logged for itself.
 */
#define RING		1024U
#define BASE		600U
#define SEGMENTS	4
#define FRAMES		12U	/* received and sent in a round */
#define ARENA		(8U << 20)

struct segment {
	uint64_t gpa;
	uint32_t len;
};

struct chain {
	struct segment seg[SEGMENTS];
	unsigned int n;
	uint32_t bytes;
};

enum shape { IN_A_PAGE, STRADDLING, IN_PIECES, IN_A_TABLE, MERGED };

static const struct layout {
	const char *name;
	enum shape shape;
	uint64_t features;
	unsigned int frame;	/* the longest */
} layouts[] = {
	{ "one page each, legacy",	IN_A_PAGE,	0,	1514 },
	{ "one page each",		IN_A_PAGE,	MODERN,	1514 },
	{ "across pages, EVENT_IDX",	STRADDLING,	MODERN | EVENT_IDX,
	  9000 },
	{ "chains",			IN_PIECES,	MODERN,	5000 },
	{ "indirect",			IN_A_TABLE,	MODERN | INDIRECT,
	  5000 },
	{ "mergeable",			MERGED,
	  MODERN | MERGEABLE | EVENT_IDX,		9000 },
	{ "mergeable, legacy",		MERGED,		MERGEABLE, 9000 },
};

struct round {
	struct rig *r;
	const struct layout *layout;
	struct chain chain[RING];	/* of RX, by head */
	uint16_t head[RING];		/* of RX, in the order offered */
	unsigned int offered;		/* chains of RX */
	unsigned int desc;		/* the next free descriptor of RX */
	uint64_t next;			/* the next free byte of the arena */
	unsigned int len[FRAMES];	/* of what is received */
};

static uint64_t take(struct round *c, uint64_t bytes, uint64_t offset)
{
	uint64_t gpa = ((c->next + PAGE - 1) & -(uint64_t)PAGE) + offset;

	c->next = gpa + bytes;
	return gpa;
}

/* Where one buffer lies, for each shape.  Lengths differ each time. */
static void shape_chain(struct round *c, struct chain *n)
{
	unsigned int few = 1 + rnd() % 40;

	n->n = 1;
	switch (c->layout->shape) {
	case IN_A_PAGE:
		n->seg[0] = (struct segment) { take(c, PAGE, 0), PAGE };
		break;
	case STRADDLING:
		n->seg[0] = (struct segment) { take(c, 3 * PAGE, PAGE - few),
					       3 * PAGE };
		break;
	case MERGED:
		n->seg[0] = (struct segment) {
			take(c, PAGE, PAGE - few), 500 + rnd() % 1500 };
		break;
	case IN_PIECES:
	case IN_A_TABLE:
		/* A header in two; then a bit, and the rest across pages. */
		n->n = 4;
		n->seg[0] = (struct segment) { take(c, 7, few), 7 };
		n->seg[1] = (struct segment) { take(c, 100, PAGE - few),
					       5 + few };
		n->seg[2] = (struct segment) { take(c, PAGE, 3), PAGE - 3 };
		n->seg[3] = (struct segment) { take(c, 2 * PAGE, PAGE - 1),
					       PAGE + 1 };
		break;
	}
	n->bytes = 0;
	for (unsigned int i = 0; i < n->n; i++) {
		memset(rig_ptr(c->r, n->seg[i].gpa), POISON, n->seg[i].len);
		n->bytes += n->seg[i].len;
	}
}

static void offer_chain(struct round *c)
{
	struct ring *ring = &c->r->ring[RX];
	unsigned int head = c->desc;
	struct chain *n = &c->chain[head];
	struct vring_desc *table;
	uint64_t gpa;

	shape_chain(c, n);
	if (c->layout->shape == IN_A_TABLE) {
		gpa = take(c, n->n * sizeof(*table), 16);
		table = rig_ptr(c->r, gpa);
		ring_desc(ring, c->desc++, gpa, n->n * sizeof(*table),
			  VRING_DESC_F_INDIRECT, 0);
	} else {
		table = &ring->v.desc[head];
		c->desc += n->n;
	}
	for (unsigned int i = 0; i < n->n; i++)
		table[i] = (struct vring_desc) {
			.addr = n->seg[i].gpa, .len = n->seg[i].len,
			.flags = VRING_DESC_F_WRITE |
				 (i + 1 < n->n ? VRING_DESC_F_NEXT : 0),
			.next = c->layout->shape == IN_A_TABLE ?
				i + 1 : head + i + 1,
		};
	c->head[c->offered++] = head;
	ring_offer(ring, head);
}

/* How many chains the frames of this round fill, one after the other. */
static unsigned int chains_wanted(const struct round *c)
{
	unsigned int n = 0;

	for (unsigned int f = 0; f < FRAMES; f++) {
		int left = c->r->hdr_len + c->len[f];

		do
			left -= c->chain[c->head[n++]].bytes;
		while (left > 0);
	}
	return n;
}

/* @len bytes of chain @head, in one piece. */
static void gather(const struct round *c, unsigned int head, unsigned int len,
		   uint8_t *to)
{
	const struct chain *n = &c->chain[head];

	for (unsigned int i = 0; i < n->n && len; i++) {
		unsigned int l = len < n->seg[i].len ? len : n->seg[i].len;

		memcpy(to, rig_ptr(c->r, n->seg[i].gpa), l);
		to += l;
		len -= l;
	}
}

static void allow(const struct round *c, unsigned int head, unsigned int len,
		  uint8_t *allowed)
{
	const struct chain *n = &c->chain[head];

	for (unsigned int i = 0; i < n->n && len; i++) {
		unsigned int l = len < n->seg[i].len ? len : n->seg[i].len;

		mark(allowed, n->seg[i].gpa, l);
		len -= l;
	}
}

/* Pop what was received: the frames themselves, and the pages they may have
 * been written to. */
static void check_frames(struct round *c, uint8_t *allowed)
{
	static uint8_t frame[1 << 16];
	unsigned int filled = 0, f = 0;
	uint32_t id, len;

	while (ring_pop(&c->r->ring[RX], &id, &len)) {
		REQUIRE(id < RING && len <= c->chain[id].bytes &&
			f < FRAMES, "used (%u, %u bytes)", id, len);
		gather(c, id, len, frame + filled);
		allow(c, id, len, allowed);
		filled += len;
		if (filled < c->r->hdr_len + c->len[f])
			continue;
		frame_check(frame + c->r->hdr_len, c->len[f], f);
		filled = 0;
		f++;
	}
	EXPECT(f == FRAMES, "%u of %u frames were received", f, FRAMES);
}

/*
 * FRAMES frames each way, through memory that was prepared while nothing ran.
 * Then D1 wants no written page out of the log, and D2 no other page in it.
 */
static void run_round(const struct layout *layout, bool too_many)
{
	static struct round c;
	static uint8_t frame[1 << 16], allowed[RIG_MEMORY / PAGE];
	struct shadow both, buffers;
	struct log log;
	struct rig r;
	uint64_t arena;

	rig_make(&r, layout->features, RING);
	rig_rewind(&r, BASE);
	memset(&c, 0, sizeof(c));
	memset(allowed, 0, sizeof(allowed));
	c.r = &r;
	c.layout = layout;
	arena = c.next = rig_alloc(&r, ARENA);
	log_make(&log, RIG_MEMORY);

	for (unsigned int f = 0; f < FRAMES; f++)
		c.len[f] = 60 + rnd() % (layout->frame - 60);
	c.len[0] = layout->frame;
	while (c.desc + SEGMENTS <= RING && c.next + 16 * PAGE < arena + ARENA)
		offer_chain(&c);
	for (unsigned int f = 0; f < FRAMES; f++)
		rig_offer_tx(&r, c.len[f], 1000 + f);
	ring_publish(&r.ring[RX]);
	ring_publish(&r.ring[TX]);

	shadow_take(&both, &r, PAGE, r.slots - PAGE);
	shadow_take(&buffers, &r, arena, ARENA);
	start_logged(&r, &log);
	ring_kick(&r.ring[RX]);
	ring_kick(&r.ring[TX]);
	for (unsigned int f = 0; f < FRAMES; f++) {
		frame_fill(frame, c.len[f], f);
		wire_send(r.wire, frame, c.len[f]);
	}
	REQUIRE(ring_wait(&r.ring[RX], chains_wanted(&c), PATIENCE),
		"%s: RX used %u, not %u", layout->name, ring_used(&r.ring[RX]),
		chains_wanted(&c));
	REQUIRE(ring_wait(&r.ring[TX], FRAMES, PATIENCE), "%s: TX used %u",
		layout->name, ring_used(&r.ring[TX]));
	for (unsigned int f = 0; f < FRAMES; f++) {
		int n = wire_recv(r.wire, frame, sizeof(frame), PATIENCE);

		if (EXPECT(n == (int)c.len[f], "TX: %d bytes, not %u", n,
			   c.len[f]))
			frame_check(frame, n, 1000 + f);
	}
	rig_stop(&r);

	check_frames(&c, allowed);
	for (unsigned int i = 0; i < 2; i++)
		mark(allowed, rig_gpa(&r, r.ring[i].v.used),
		     used_bytes(&r.ring[i]));
	if (too_many) {
		check_allowed(&log, allowed, RIG_MEMORY / PAGE, layout->name);
	} else {
		check_changed(&both, &r, &log, layout->name);
		check_changed(&buffers, &r, &log, layout->name);
		EXPECT(logged(&log, rig_gpa(&r, r.ring[TX].v.used) / PAGE),
		       "%s: TX's used ring is not in the log", layout->name);
	}
	free(both.copy);
	free(buffers.copy);
	log_free(&log);
	rig_free(&r);
}

/*
 * D1: frames into buffers of many shapes and out of TX, LOG_ALL and F_LOG on
 * from the start; each page of guest memory that changed has its bit.
 * Any kernel.
 */
void shadow_compare(void)
{
	for (unsigned int i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		run_round(&layouts[i], false);
}

/*
 * D2: the same; no bit is set but those of the two used rings and of the bytes
 * that the lengths in used claim.  TX buffers are only read.  Any kernel.
 */
void nothing_else(void)
{
	for (unsigned int i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		run_round(&layouts[i], true);
}
