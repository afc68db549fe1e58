/* SPDX-License-Identifier: MIT */
/*
 * H: a guest that breaks the rules of the ring, or takes the memory away.
 *
 * Whatever it does, three things must hold: the kernel logs nothing, another
 * device does not notice, and a reset gives back a device that works.  So each
 * scenario has two rigs: `bad` is maltreated, `good` stands beside it; after
 * each misdeed both must pass frames.
 *
 * vhost says that a ring is broken by signalling its err eventfd.  It looks at
 * avail of RX only once it has a frame for it, so there each misdeed comes with
 * a frame on the wire; that frame waits in the tap, and must be the first to
 * arrive after the reset.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/userfaultfd.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/links.h"
#include "tests/conformance/rig.h"
#include "tests/conformance/suite.h"
#include "vhost/vhost.h"

#define SOON_MS		10000U	/* what is due comes within, on any machine */
#define NUM		256U
#define PAGE		4096U
#define LEN		200U	/* of a frame, where its length is no matter */
#define PLAIN		(FEATURE(VIRTIO_F_VERSION_1) | \
			 FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
#define MERGED		(PLAIN | FEATURE(VIRTIO_NET_F_MRG_RXBUF))

struct pair {
	struct rig bad, good;
	uint64_t work;		/* WORK_PAGES pages of bad's memory, to misuse */
};

#define WORK_PAGES	300U	/* an indirect table of 65,537, and buffers */

static void pair_make(struct pair *p, uint64_t features)
{
	rig_make(&p->good, PLAIN, NUM);
	rig_start(&p->good);
	rig_make(&p->bad, features, NUM);
	rig_start(&p->bad);
	p->work = rig_alloc(&p->bad, (size_t)WORK_PAGES * PAGE);
}

static void pair_free(struct pair *p)
{
	rig_free(&p->bad);
	rig_free(&p->good);
}

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* Every ioctl of a device waits for what its worker has begun. */
static void settle(const struct rig *r)
{
	int none = -1;

	REQUIRE(!ioctl(r->vhost, VHOST_SET_LOG_FD, &none), "LOG_FD -1: %s",
		strerror(errno));
}

/* What came out of the tap and is of no interest any more. */
static unsigned int drain(const struct rig *r)
{
	uint8_t frame[2048];
	unsigned int n = 0;

	while (wire_recv(r->wire, frame, sizeof(frame), 0) >= 0)
		n++;
	return n;
}

/* As a VMM does at a device reset; the rings then start anew. */
static void reset(struct rig *r)
{
	rig_stop(r);
	rig_rewind(r, 0);
	drain(r);
	rig_start(r);
}

/* The same, and what waits in the tap for RX is thrown away. */
static void reset_empty(struct rig *r)
{
	uint8_t frame[4096];

	rig_stop(r);
	while (read(r->tap, frame, sizeof(frame)) > 0)
		;
	rig_rewind(r, 0);
	drain(r);
	rig_start(r);
}

/* A frame on the wire makes vhost look for a buffer; see the top. */
static void poke(struct rig *r, uint32_t seq)
{
	uint8_t frame[LEN];

	frame_fill(frame, sizeof(frame), seq);
	wire_send(r->wire, frame, sizeof(frame));
}

/* One buffer, and what is in the tap must come: the frame of poke(). */
static void expect_poked(struct rig *r, uint32_t seq, const char *what)
{
	struct ring *rx = &r->ring[RX];
	uint64_t gpa = rig_buffer(r, RX, rig_offer_rx(r, 2048));
	uint32_t id, len;

	ring_kick(rx);
	if (!EXPECT(ring_wait(rx, 1, SOON_MS) && ring_pop(rx, &id, &len),
		    "%s: after a reset the frame of before is lost", what))
		return;
	if (EXPECT(len == r->hdr_len + LEN, "%s: %u bytes arrived", what, len))
		frame_check((char *)rig_ptr(r, gpa) + r->hdr_len, LEN, seq);
}

/* Header and frame, ready to be sent, at @gpa; its length. */
static uint32_t lay_frame(struct rig *r, uint64_t gpa, unsigned int len,
			  uint32_t seq)
{
	memset(rig_ptr(r, gpa), 0, r->hdr_len);
	frame_fill((char *)rig_ptr(r, gpa) + r->hdr_len, len, seq);
	return r->hdr_len + len;
}

/*
 * The ring is laid, and wrong: kick, and poke if it is RX.  ERR must come and
 * nothing be used or sent; then the neighbour and, after a reset, the ring
 * itself must work.
 */
static void expect_broken(struct pair *p, unsigned int index, const char *what)
{
	static uint32_t seq = 0x10000;
	struct ring *ring = &p->bad.ring[index];

	seq++;
	ring_kick(ring);
	if (index == RX)
		poke(&p->bad, seq);
	if (EXPECT(wait_readable(ring->err, SOON_MS), "%s %s: no ERR",
		   index == RX ? "RX" : "TX", what)) {
		settle(&p->bad);
		EXPECT(!ring_used(ring), "%s: %u used nevertheless", what,
		       ring_used(ring));
		EXPECT(index == RX || !drain(&p->bad),
		       "%s: a frame was sent nevertheless", what);
	}
	EXPECT(rig_alive(&p->good), "%s: the neighbour suffers", what);
	reset(&p->bad);
	if (index == RX)
		expect_poked(&p->bad, seq, what);
	EXPECT(rig_alive(&p->bad), "%s: no reset helps", what);
	/* Whoever comes next lays its descriptors from the start again. */
	reset(&p->bad);
}

/* The same must be fine: used, without ERR; for TX, the frame goes out. */
static void expect_fine(struct pair *p, uint32_t seq, unsigned int len,
			const char *what)
{
	static uint8_t frame[65536];
	struct ring *tx = &p->bad.ring[TX];
	int got;

	ring_kick(tx);
	if (EXPECT(ring_wait(tx, 1, SOON_MS), "%s: not used", what)) {
		got = wire_recv(p->bad.wire, frame, sizeof(frame), SOON_MS);
		if (EXPECT(got == (int)len, "%s: %d bytes on the wire, not %u",
			   what, got, len))
			frame_check(frame, len, seq);
	}
	EXPECT(!events(tx->err), "%s: ERR", what);
	reset(&p->bad);
}

/* ---- H1, H2: avail ---- */

/* Every entry of avail names a descriptor that would do, were it looked at. */
static void fill_avail(struct pair *p, unsigned int index)
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
	struct pair p;
	struct ring *tx = &p.bad.ring[TX];
	char what[32];

	pair_make(&p, PLAIN);
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
	pair_free(&p);
}

/*
 * H2: an avail entry names a descriptor that is not there: ERR.  The last one
 * that is there must do.
 */
static void head_out_of_range(void)
{
	static const uint16_t head[] = { NUM, NUM + 1, 0x7fff, 0x8000, 0xffff };
	struct pair p;
	char what[32];

	pair_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++)
		for (unsigned int i = 0; i < 5; i++) {
			fill_avail(&p, index);
			ring_offer(&p.bad.ring[index], head[i]);
			snprintf(what, sizeof(what), "head %u", head[i]);
			expect_broken(&p, index, what);
		}

	ring_desc(&p.bad.ring[TX], NUM - 1, p.work,
		  lay_frame(&p.bad, p.work, LEN, 7), 0, 0);
	ring_offer(&p.bad.ring[TX], NUM - 1);
	expect_fine(&p, 7, LEN, "the last descriptor");
	pair_free(&p);
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
	struct pair p;
	uint32_t len;

	pair_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++)
		for (unsigned int i = 0; i < 6; i++) {
			struct ring *ring = &p.bad.ring[index];
			uint16_t flags = VRING_DESC_F_NEXT |
				(index == RX ? VRING_DESC_F_WRITE : 0);

			ring_desc(ring, 0, p.work, loop[i].len, flags,
				  loop[i].next0);
			ring_desc(ring, 1, p.work + PAGE, loop[i].len, flags,
				  loop[i].next1);
			ring_offer(ring, 0);
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
	pair_free(&p);
}

/* ---- H4: indirect tables ---- */

#define TABLE_MAX	65536U	/* descriptors: what vhost takes of one table */

/*
 * A table of @n at the first work page, its descriptors one byte each but for
 * the last: @len bytes in all.  They lie behind the table.
 */
static void lay_table(struct pair *p, unsigned int index, unsigned int n,
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

static void offer_table(struct pair *p, unsigned int index, uint64_t gpa,
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
	struct pair p;
	struct vring_desc *d;
	uint32_t len;

	pair_make(&p, PLAIN);
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
			    (TABLE_MAX + 1) * sizeof(*d), 0);
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
	pair_free(&p);
}

/* ---- H5: addresses and directions ---- */

/*
 * Three regions: [0, 32M) and [32M, 48M), whose memory is not where the first
 * ends, then a hole to 56M, then the rest.
 */
static void set_holey_memory(struct rig *r)
{
	char *hva = rig_ptr(r, 0);
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[3];
	} m = {
		.head.nregions = 3,
		.region = {
			{ 0, 32U << 20, (uintptr_t)hva, 0 },
			{ 32U << 20, 16U << 20, (uintptr_t)hva + (40U << 20), 0 },
			{ 56U << 20, 8U << 20, (uintptr_t)hva + (56U << 20), 0 },
		},
	};

	REQUIRE(!ioctl(r->vhost, VHOST_SET_MEM_TABLE, &m), "MEM_TABLE: %s",
		strerror(errno));
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
	struct pair p;
	struct ring *ring;
	uint64_t border = (32U << 20) - 100;
	uint8_t copy[12 + LEN];
	uint32_t len;

	pair_make(&p, PLAIN);
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
	pair_free(&p);
}

/* ---- H6, H7: headers and frames ---- */

/* How busy @r's worker is, in percent of the next second. */
static unsigned int worker_busy(const struct rig *r)
{
	int pid = worker_pid(r);
	uint64_t cpu, start;

	REQUIRE(pid > 0, "the worker is not to be found");
	cpu = worker_cpu(pid);
	start = now_ms();
	sleep_ms(1000);
	return (unsigned int)((worker_cpu(pid) - cpu) / 10000 /
			      (now_ms() - start));
}

/*
 * Wait until @n are used, or it is plain that the worker turns round and round
 * instead.
 */
static bool used_or_spins(const struct rig *r, unsigned int n,
			  const char *what)
{
	const struct ring *tx = &r->ring[TX];
	unsigned int busy;

	for (unsigned int ms = 0; ms < SOON_MS; ms += 1000) {
		if (ring_wait(tx, n, 100))
			return true;
		busy = worker_busy(r);
		if (!EXPECT(busy < 50 || ring_used(tx) >= n, "%s: not used, "
			    "and the worker is %u %% busy with it", what, busy))
			return false;
	}
	return EXPECT(ring_used(tx) >= n, "%s: %u of %u used", what,
		      ring_used(tx), n);
}

/*
 * One descriptor, @len bytes of which the header is @hdr; behind it a good
 * frame.  The first may be sent or dropped, but must be used, the second must
 * arrive, and the worker must come to rest.
 */
static void send_odd(struct rig *r, uint64_t work,
		     const struct virtio_net_hdr_v1 *hdr, uint32_t len,
		     uint32_t seq, const char *what)
{
	static uint8_t frame[65536];
	struct ring *tx = &r->ring[TX];
	int got;

	lay_frame(r, work, len > r->hdr_len + FRAME_MIN ?
		  len - r->hdr_len : FRAME_MIN, seq);
	memcpy(rig_ptr(r, work), hdr, r->hdr_len);
	ring_desc(tx, 0, work, len, 0, 0);
	ring_offer(tx, 0);
	ring_desc(tx, 1, work + 32ULL * PAGE,
		  lay_frame(r, work + 32ULL * PAGE, LEN, seq + 1), 0, 0);
	ring_offer(tx, 1);
	ring_kick(tx);

	if (!used_or_spins(r, 2, what)) {
		reset(r);
		return;
	}
	do
		got = wire_recv(r->wire, frame, sizeof(frame), SOON_MS);
	while (got >= (int)FRAME_MIN && frame_seq(frame) != seq + 1);
	if (EXPECT(got == (int)LEN, "%s: the frame behind it is lost", what))
		frame_check(frame, LEN, seq + 1);
	EXPECT(!events(tx->err), "%s: ERR", what);
	reset(r);
}

/*
 * H6: the fields of the header at their extremes, on frames that vhost sends
 * in batches and on large ones which it does not: used, dropped or sent, the
 * next frame arrives.  A chain of no bytes at all is a broken ring: ERR, and it
 * is skipped; the frame behind it goes with the next kick.
 *
 * What vhost's own copy refuses should be no different: chains shorter than a
 * header, and NEEDS_CSUM with a checksum that lies behind the end of the frame.
 * But there (F1) the descriptor is put back and the worker woken again at once,
 * for ever, at the cost of a CPU; nothing behind it is sent until a reset.
 * To see it, with any driver: offer TX one descriptor of 1 byte, and watch top.
 */
static void odd_headers(void)
{
	static const struct virtio_net_hdr_v1 zero, far = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 0x4000,
	};
	static const uint16_t edge[] = { 1, 14, 0x7fff, 0xffff };
	static const uint8_t gso[] = { 1, 2, 3, 4, 5, 0x80, 0x81, 0xff };
	static const uint32_t size[] = { 12 + 60, 12 + 9000 };
	struct pair p;
	struct ring *tx = &p.bad.ring[TX];
	uint8_t frame[LEN];
	uint32_t seq = 100;
	char what[80];

	pair_make(&p, PLAIN);
	for (unsigned int s = 0; s < 2; s++) {
		for (unsigned int g = 0; g < sizeof(gso); g++)
			for (unsigned int i = 0; i < 4; i++, seq += 2) {
				struct virtio_net_hdr_v1 h = {
					.gso_type = gso[g],
					.gso_size = edge[i],
					.hdr_len = edge[3 - i],
				};

				snprintf(what, sizeof(what),
					 "%u bytes, gso %x size %u hdr_len %u",
					 size[s], h.gso_type, h.gso_size,
					 h.hdr_len);
				send_odd(&p.bad, p.work, &h, size[s], seq,
					 what);
			}
		/* csum_start + csum_offset + 2 wraps to what fits. */
		for (unsigned int i = 0; i < 4; i++, seq += 2) {
			struct virtio_net_hdr_v1 h = {
				.flags = 0xff,
				.csum_start = 0xffff,
				.csum_offset = (uint16_t)(i * 14),
				.hdr_len = edge[i],
			};

			if (!i)
				h.csum_offset = 0xffff;
			snprintf(what, sizeof(what),
				 "%u bytes, csum_start %u + %u", size[s],
				 h.csum_start, h.csum_offset);
			send_odd(&p.bad, p.work, &h, size[s], seq, what);
		}
	}

	ring_desc(tx, 0, p.work, 0, 0, 0);
	ring_offer(tx, 0);
	ring_kick(tx);
	EXPECT(wait_readable(tx->err, SOON_MS), "a chain of 0 bytes: no ERR");
	settle(&p.bad);
	ring_desc(tx, 1, p.work, lay_frame(&p.bad, p.work, LEN, seq), 0, 0);
	ring_offer(tx, 1);
	ring_kick(tx);
	if (EXPECT(wire_recv(p.bad.wire, frame, LEN, SOON_MS) == (int)LEN,
		   "no frame after a chain of 0 bytes"))
		frame_check(frame, LEN, seq);
	reset(&p.bad);

	send_odd(&p.bad, p.work, &far, 12 + 9000, seq, "checksum at 0x4000");
	send_odd(&p.bad, p.work, &far, 12 + 60, seq, "F1: checksum at 0x4000");
	send_odd(&p.bad, p.work, &zero, 1, seq, "F1: a chain of 1 byte");
	send_odd(&p.bad, p.work, &zero, 11, seq, "F1: a chain of 11 bytes");
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	EXPECT(rig_alive(&p.bad), "no reset helps");
	pair_free(&p);
}

/* The next frame at @fd, a wire or a tap; what is before it is @skip bytes. */
static int read_frame(int fd, unsigned int skip, uint8_t *frame,
		      unsigned int max)
{
	uint8_t in[4096];
	ssize_t n;

	if (!wait_readable(fd, SOON_MS))
		return -1;
	n = read(fd, in, sizeof(in));
	if (n < (ssize_t)skip || n - skip > max)
		return -1;
	memcpy(frame, in + skip, (size_t)n - skip);
	return (int)n - (int)skip;
}

/*
 * Frames with 0 to 13 bytes behind the header, and a good one last.  The short
 * ones must be used and go nowhere, the good one must come out at @end, behind
 * @skip bytes.
 */
static void send_stumps(struct pair *p, int end, unsigned int skip,
			const char *what)
{
	struct rig *r = &p->bad;
	struct ring *tx = &r->ring[TX];
	uint8_t frame[2048];
	int got;

	for (unsigned int len = 0; len < FRAME_MIN; len++) {
		uint64_t gpa = p->work + (uint64_t)len * PAGE;

		lay_frame(r, gpa, FRAME_MIN, 0x77770000);
		ring_desc(tx, len, gpa, r->hdr_len + len, 0, 0);
		ring_offer(tx, (uint16_t)len);
	}
	ring_desc(tx, FRAME_MIN, p->work + 32ULL * PAGE,
		  lay_frame(r, p->work + 32ULL * PAGE, LEN, 12), 0, 0);
	ring_offer(tx, FRAME_MIN);
	ring_kick(tx);
	EXPECT(ring_wait(tx, FRAME_MIN + 1, SOON_MS), "%s: %u of %u used", what,
	       ring_used(tx), FRAME_MIN + 1);
	got = read_frame(end, skip, frame, sizeof(frame));
	if (EXPECT(got == (int)LEN, "%s: %d bytes came first, not the frame",
		   what, got))
		frame_check(frame, LEN, 12);
	EXPECT(!events(tx->err), "%s: ERR", what);
}

/* @r with @tap as its backend of TX, which takes @sndbuf bytes at a time. */
static void send_by(struct rig *r, int tap, int sndbuf)
{
	int hdr_len = (int)r->hdr_len;

	rig_stop(r);
	rig_rewind(r, 0);
	REQUIRE(!ioctl(tap, TUNSETSNDBUF, &sndbuf) &&
		!ioctl(tap, TUNSETVNETHDRSZ, &hdr_len),
		"the tap's SNDBUF, VNETHDRSZ: %s", strerror(errno));
	rig_set_tables(r);
	rig_set_ring(r, TX);
	REQUIRE(!rig_backend(r, TX, tap), "no backend");
}

/*
 * H7: TX frames that end within their Ethernet header, or before it: dropped,
 * and the host lives, by all four ways: tap and macvtap, in a batch and, if the
 * socket's send buffer has a limit, alone.  CVE-2024-41090 (macvtap) and
 * CVE-2024-41091 (tap), before 6.11: skbs without a MAC header.
 */
static void stumps(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x77 };
	const int limit = 1 << 20;
	int low, macvtap, skip = 12;
	struct pair p;

	pair_make(&p, PLAIN);
	send_by(&p.bad, p.bad.tap, INT_MAX);
	send_stumps(&p, p.bad.wire, 0, "tap, batched");
	send_by(&p.bad, p.bad.tap, limit);
	send_stumps(&p, p.bad.wire, 0, "tap, one by one");

	low = tap_open("low", 0);
	REQUIRE(!ioctl(low, TUNSETVNETHDRSZ, &skip), "VNETHDRSZ: %s",
		strerror(errno));
	macvtap = tap_on_link("macvtap", "mv", "low", MACVLAN_MODE_BRIDGE, mac,
			      p.bad.hdr_len);
	send_by(&p.bad, macvtap, INT_MAX);
	send_stumps(&p, low, (unsigned int)skip, "macvtap, batched");
	send_by(&p.bad, macvtap, limit);
	send_stumps(&p, low, (unsigned int)skip, "macvtap, one by one");

	send_by(&p.bad, p.bad.tap, INT_MAX);
	reset(&p.bad);
	EXPECT(rig_alive(&p.bad), "its own tap does not bring it back");
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	pair_free(&p);
}

/* ---- H8, H9: RX without room ---- */

/*
 * H8: with MRG_RXBUF, a packet that needs more buffers than there are.  vhost
 * must wait at rest for the guest to add some, and have asked for the kick;
 * then the packet must arrive whole.  CVE-2026-74356 (5.18 to 7.1.4): a ring
 * that has entries is taken for one that has new entries, and the worker turns
 * round and round in one call, not to be stopped.
 */
static void too_few_buffers(void)
{
	enum { SIZE = 256, COUNT = 8, WHOLE = 1500 };
	struct pair p;
	struct ring *rx = &p.bad.ring[RX];
	uint8_t out[WHOLE], in[COUNT * SIZE];
	unsigned int busy, n = 0, have = 0;
	uint64_t gpa[NUM];
	uint32_t id, len;

	pair_make(&p, MERGED);
	for (unsigned int round = 0; round < 3; round++) {
		/* 1, 2, 5 buffers of the six that it takes */
		n = have = 0;
		for (; n < (unsigned int[]){ 1, 2, 5 }[round]; n++) {
			unsigned int desc = rig_offer_rx(&p.bad, SIZE);

			gpa[desc] = rig_buffer(&p.bad, RX, desc);
		}
		ring_kick(rx);
		frame_fill(out, WHOLE, round);
		wire_send(p.bad.wire, out, WHOLE);
		sleep_ms(200);
		busy = worker_busy(&p.bad);
		EXPECT(busy < 20, "%u buffers too few: the worker is %u %% "
		       "busy with nothing", 6 - n, busy);
		EXPECT(!ring_used(rx), "%u buffers used of too few",
		       ring_used(rx));
		for (; n < COUNT; n++) {
			unsigned int desc = rig_offer_rx(&p.bad, SIZE);

			gpa[desc] = rig_buffer(&p.bad, RX, desc);
		}
		EXPECT(ring_kick_if_wanted(rx), "no kick wanted, though the "
		       "worker waits for buffers");
		if (!EXPECT(ring_wait(rx, 6, SOON_MS), "%u of 6 buffers used",
			    ring_used(rx)))
			break;
		for (unsigned int i = 0; i < 6 && ring_pop(rx, &id, &len); i++) {
			memcpy(in + have, rig_ptr(&p.bad, gpa[id % NUM]),
			       len <= SIZE ? len : SIZE);
			have += len;
		}
		if (EXPECT(have == 12 + WHOLE, "%u bytes arrived", have))
			frame_check(in + 12, WHOLE, round);
		reset(&p.bad);
	}
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	EXPECT(rig_alive(&p.bad), "it is not alive afterwards");
	pair_free(&p);
}

static atomic_bool stop;

/* Send to a rig's RX as fast as it goes. */
static void *flood(void *arg)
{
	struct rig *r = arg;
	uint8_t frame[1500];

	for (uint32_t seq = 0; !stop; seq++) {
		frame_fill(frame, sizeof(frame), seq);
		/* The tap may be full; a lost frame is no matter. */
		if (send(r->wire, frame, sizeof(frame), MSG_DONTWAIT) < 0)
			sched_yield();
	}
	return NULL;
}

/*
 * H9: a flood of packets none of which fits its buffer, so that RX uses up
 * nothing.  The worker must give way all the same: TX, which it serves too,
 * sends, the neighbour lives, and RX can be stopped at once.  CVE-2019-3900
 * (before 5.2): no bound on how many are dropped in one go.
 */
static void flood_without_room(void)
{
	struct pair p;
	unsigned int frames = scaled(100, 10), sent = 0;
	uint64_t start, took;
	pthread_t t;
	uint32_t seq;

	pair_make(&p, PLAIN);
	for (unsigned int i = 0; i < NUM / 2; i++)
		rig_offer_rx(&p.bad, 64);
	ring_kick(&p.bad.ring[RX]);
	stop = false;
	REQUIRE(!pthread_create(&t, NULL, flood, &p.bad), "no thread");
	for (seq = 0; seq < frames; seq++) {
		uint32_t id, len;

		rig_offer_tx(&p.bad, LEN, 0x80000000 + seq);
		ring_kick(&p.bad.ring[TX]);
		if (!ring_wait(&p.bad.ring[TX], 1, SOON_MS))
			break;
		ring_pop(&p.bad.ring[TX], &id, &len);
		sent++;
	}
	EXPECT(sent == frames, "TX stands still behind the flood: %u of %u",
	       sent, frames);
	EXPECT(!ring_used(&p.bad.ring[RX]), "a buffer too small was used");
	EXPECT(!events(p.bad.ring[RX].err), "ERR");
	start = now_ms();
	rig_backend(&p.bad, RX, -1);
	took = now_ms() - start;
	EXPECT(took < SOON_MS, "RX stopped only after %llu ms",
	       (unsigned long long)took);
	stop = true;
	pthread_join(t, NULL);
	note("stopped in %llu ms", (unsigned long long)took);

	reset_empty(&p.bad);
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	EXPECT(rig_alive(&p.bad), "no reset helps");
	pair_free(&p);
}

/* ---- H10, H12: rings that change while they are read ---- */

/* A value that has a meaning somewhere, so that it goes deeper than one check. */
static uint64_t odd_value(unsigned int *state)
{
	unsigned int a = (*state = *state * 1103515245U + 12345U) >> 8;

	switch (a % 8) {
	case 0:	return a >> 3 & 7;			/* flags */
	case 1:	return a >> 3 & (NUM * 2 - 1);		/* a descriptor */
	case 2:	return (a >> 3) % 2048;			/* a length */
	case 3:	return (uint64_t)(a >> 3) * 64 % RIG_MEMORY;
	case 4:	return RIG_MEMORY - (a >> 3 & 4095);
	case 5:	return (uint64_t)(a >> 3) << 41;
	default: return a;
	}
}

/* Change one field of one ring. */
static void mutate(struct ring *ring, unsigned int *state)
{
	unsigned int where = (*state = *state * 1103515245U + 12345U) >> 16;
	volatile struct vring_desc *d = &ring->v.desc[where / 16 % 8];
	uint64_t v = odd_value(state);

	switch (where % 16) {
	case 0: case 1: case 2: d->addr = v; break;
	case 3: case 4: case 5: d->len = (uint32_t)v; break;
	case 6: case 7:		d->flags = (uint16_t)v; break;
	case 8: case 9:		d->next = (uint16_t)v; break;
	case 10:
		*(volatile uint16_t *)&ring->v.avail->ring[where % NUM] =
			(uint16_t)v;
		break;
	case 11: *(volatile uint16_t *)&ring->v.avail->flags = v & 1; break;
	case 12: *(volatile uint16_t *)&ring->v.used->idx = (uint16_t)v; break;
	case 13:
		*(volatile uint16_t *)&ring->v.avail->ring[NUM] = (uint16_t)v;
		break;
	case 14:
		*(volatile uint16_t *)&ring->v.avail->idx = (uint16_t)
			(*(volatile uint16_t *)&ring->v.used->idx + where % 40);
		break;
	default: *(volatile uint16_t *)&ring->v.used->flags = v & 1; break;
	}
}

static void *scribble(void *arg)
{
	struct rig *r = arg;
	unsigned int state = 4711;

	while (!stop)
		for (unsigned int i = 0; i < 64; i++)
			mutate(&r->ring[state >> 20 & 1], &state);
	return NULL;
}

/* A ring of good descriptors, to be spoilt: eight, for frames of LEN bytes. */
static void lay_good(struct pair *p, unsigned int index)
{
	struct ring *ring = &p->bad.ring[index];
	uint32_t len = lay_frame(&p->bad, p->work, LEN, 13);

	for (uint16_t i = 0; i < 8; i++) {
		ring_desc(ring, i, p->work, index == TX ? len : 2048,
			  index == RX ? VRING_DESC_F_WRITE : 0, 0);
		ring_offer(ring, i);
	}
}

/*
 * H10: another CPU of the guest rewrites descriptors, avail and used while
 * vhost works on them: whatever it makes of that, no splat, and a reset is a cure.
 * Would catch a double fetch: what a check has seen must be what is used.
 */
static void rewritten_meanwhile(void)
{
	unsigned int rounds = scaled(2000, 64), kicks = 0, broken = 0;
	unsigned int state = rnd();
	struct pair p;
	pthread_t t;

	pair_make(&p, MERGED | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	stop = false;
	REQUIRE(!pthread_create(&t, NULL, scribble, &p.bad), "no thread");
	for (unsigned int n = 0; n < rounds; n++) {
		for (unsigned int index = RX; index <= TX; index++) {
			lay_good(&p, index);
			/* With one CPU, little happens at the same time. */
			for (unsigned int i = 0; i < 6; i++)
				mutate(&p.bad.ring[index], &state);
			ring_kick(&p.bad.ring[index]);
			kicks++;
		}
		poke(&p.bad, n);
		if (n % 8 == 7) {
			settle(&p.bad);
			broken += !!events(p.bad.ring[RX].err);
			broken += !!events(p.bad.ring[TX].err);
			reset(&p.bad);
		}
	}
	stop = true;
	pthread_join(t, NULL);
	note("%u kicks, a ring was broken %u times", kicks, broken);
	EXPECT(broken, "nothing of it ever broke a ring: no test");
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	reset_empty(&p.bad);
	EXPECT(rig_alive(&p.bad), "no reset helps");
	pair_free(&p);
}

enum part { DESC, AVAIL, USED, PACKET, NR_PARTS };

/*
 * H12: rings that lie on each other, or on a packet: what vhost writes to used
 * changes what it reads as desc or avail.  No splat, and a reset with rings of
 * their own is a cure.
 */
static void overlapping_rings(void)
{
	static const struct {
		const char *what;
		enum part part, on;
	} overlap[] = {
		{ "used on desc", USED, DESC },
		{ "used on avail", USED, AVAIL },
		{ "avail on desc", AVAIL, DESC },
		{ "used on a packet", USED, PACKET },
		{ "desc on a packet", DESC, PACKET },
	};
	struct pair p;

	pair_make(&p, PLAIN);
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int index = RX; index <= TX; index++) {
			struct ring *ring = &p.bad.ring[index];
			void *part[] = {
				ring->v.desc, ring->v.avail, ring->v.used,
				rig_ptr(&p.bad, p.work),
			};
			struct vhost_ring set = {
				.num = NUM, .kick_fd = ring->kick,
				.call_fd = ring->call, .err_fd = ring->err,
			};
			int err;

			part[overlap[i].part] = part[overlap[i].on];
			set.desc = part[DESC];
			set.avail = part[AVAIL];
			set.used = part[USED];
			rig_stop(&p.bad);
			rig_rewind(&p.bad, 0);
			rig_set_tables(&p.bad);
			lay_good(&p, index);
			err = vhost_set_ring(p.bad.vhost, index, &set);
			EXPECT(!err, "%s: %s", overlap[i].what, strerror(-err));
			rig_backend(&p.bad, index, p.bad.tap);
			for (unsigned int n = 0; n < 8; n++) {
				lay_good(&p, index);
				ring_kick(ring);
				if (index == RX)
					poke(&p.bad, n);
			}
			settle(&p.bad);
			EXPECT(rig_alive(&p.good), "%s: the neighbour suffers",
			       overlap[i].what);
			reset_empty(&p.bad);
			EXPECT(rig_alive(&p.bad), "%s: no reset helps",
			       overlap[i].what);
		}
	pair_free(&p);
}

/* ---- H11: memory that goes away ---- */

enum way { UNMAPPED, NO_ACCESS, READ_ONLY, TRUNCATED, NR_WAYS };

static const char *const part_name[] = { "desc", "avail", "used", "packet" };

/*
 * The parts of a ring and one packet, a page each, seen twice: ours stays where
 * it is in the rig's memory, so that we can look whatever happens; vhost's may
 * be taken away.
 */
struct twice {
	char *theirs;			/* NR_PARTS pages, in a row */
	int fd;				/* a memfd, which is both */
};

static void twice_make(struct pair *p, struct twice *t, unsigned int index)
{
	struct ring *ring = &p->bad.ring[index];
	char *ours[] = {
		(char *)ring->v.desc, (char *)ring->v.avail,
		(char *)ring->v.used, rig_ptr(&p->bad, p->work),
	};

	t->fd = memfd_create("ring", MFD_CLOEXEC);
	REQUIRE(t->fd >= 0 && !ftruncate(t->fd, NR_PARTS * PAGE), "memfd: %s",
		strerror(errno));
	for (unsigned int i = 0; i < NR_PARTS; i++)
		REQUIRE(mmap(ours[i], PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, t->fd, i * PAGE) ==
			ours[i], "mmap: %s", strerror(errno));
	t->theirs = mmap(NULL, NR_PARTS * PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED, t->fd, 0);
	REQUIRE(t->theirs != MAP_FAILED, "mmap: %s", strerror(errno));
}

/* All of what vhost sees is there (again). */
static void twice_restore(struct twice *t)
{
	REQUIRE(mmap(t->theirs, NR_PARTS * PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, t->fd, 0) == t->theirs,
		"mmap: %s", strerror(errno));
}

/*
 * A reset, and then ring @index of the rig as vhost shall see it.  The packet's
 * page is a region of its own in the table of memory, at an address of its own.
 */
#define PACKET_GPA	(1ULL << 32)

static void twice_start(struct pair *p, struct twice *t, unsigned int index)
{
	struct rig *r = &p->bad;
	struct ring *ring = &r->ring[index];
	const struct vhost_ring set = {
		.desc = t->theirs + DESC * PAGE,
		.avail = t->theirs + AVAIL * PAGE,
		.used = t->theirs + USED * PAGE,
		.num = NUM, .kick_fd = ring->kick, .call_fd = ring->call,
		.err_fd = ring->err,
	};
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} m = {
		.head.nregions = 2,
		.region = {
			{ 0, RIG_MEMORY, (uintptr_t)rig_ptr(r, 0), 0 },
			{ PACKET_GPA, PAGE,
			  (uintptr_t)t->theirs + PACKET * PAGE, 0 },
		},
	};

	twice_restore(t);
	rig_stop(r);
	rig_rewind(r, 0);
	drain(r);
	rig_set_tables(r);
	REQUIRE(!ioctl(r->vhost, VHOST_SET_MEM_TABLE, &m), "MEM_TABLE: %s",
		strerror(errno));
	REQUIRE(!vhost_set_ring(r->vhost, index, &set), "the ring");
	REQUIRE(!rig_backend(r, index, r->tap), "no backend");
}

static void take_away(struct twice *t, enum part part, enum way way)
{
	char *page = t->theirs + part * PAGE;
	bool done = false;
	int fd;

	switch (way) {
	case UNMAPPED:
		done = !munmap(page, PAGE);
		break;
	case NO_ACCESS:
		done = !mprotect(page, PAGE, PROT_NONE);
		break;
	case READ_ONLY:
		done = !mprotect(page, PAGE, PROT_READ);
		break;
	case TRUNCATED:
		fd = memfd_create("short", MFD_CLOEXEC);
		done = !ftruncate(fd, PAGE) &&
		       mmap(page, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, fd, 0) == page;
		*(volatile char *)page = 1;
		done = done && !ftruncate(fd, 0);
		close(fd);
		break;
	default:
		break;
	}
	REQUIRE(done, "page of %s: %s", part_name[part], strerror(errno));
}

/* One frame, or one buffer, in the page of the packet; published, no kick. */
static void twice_offer(struct pair *p, unsigned int index)
{
	struct ring *ring = &p->bad.ring[index];
	uint32_t len = lay_frame(&p->bad, p->work, LEN, 14);

	ring_desc(ring, 0, PACKET_GPA, index == TX ? len : PAGE,
		  index == TX ? 0 : VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	ring_publish(ring);
}

/*
 * One page has gone; the ring is kicked.  What only has to be read may be
 * read-only, and the frame goes.  Otherwise: ERR, for a page of the ring.  A
 * packet that cannot be received is dropped and its buffer kept; one that
 * cannot be read would best be used and dropped, but see F1 at H6.
 */
static void page_gone(struct pair *p, struct twice *t, unsigned int index,
		      enum part part, enum way way)
{
	static const char *const way_name[] = {
		"unmapped", "without access", "read-only", "truncated",
	};
	struct ring *ring = &p->bad.ring[index];
	bool fine = way == READ_ONLY &&
		    (part < USED || (part == PACKET && index == TX));
	char what[64];

	snprintf(what, sizeof(what), "%s%s %s %s",
		 part == PACKET && index == TX && !fine ? "F1: " : "",
		 index == TX ? "TX" : "RX", part_name[part], way_name[way]);
	twice_start(p, t, index);
	twice_offer(p, index);
	take_away(t, part, way);
	REQUIRE(!eventfd_write(ring->kick, 1), "kick: %s", strerror(errno));
	if (index == RX)
		poke(&p->bad, 14);

	if (fine) {
		EXPECT(ring_wait(ring, 1, SOON_MS), "%s: not used", what);
		EXPECT(!events(ring->err), "%s: ERR", what);
	} else if (part != PACKET) {
		EXPECT(wait_readable(ring->err, SOON_MS), "%s: no ERR", what);
	} else if (index == TX) {
		used_or_spins(&p->bad, 1, what);
	} else {
		sleep_ms(100);
		settle(&p->bad);
		EXPECT(!ring_used(ring), "%s: used", what);
		twice_restore(t);
		poke(&p->bad, 15);
		if (EXPECT(ring_wait(ring, 1, SOON_MS), "%s: no more frames",
			   what))
			frame_check((char *)rig_ptr(&p->bad, p->work) +
				    p->bad.hdr_len, LEN, 15);
	}
	EXPECT(!rig_backend(&p->bad, index, -1), "%s: does not stop", what);
}

static void *stop_backend(void *arg)
{
	struct pair *p = arg;

	rig_backend(&p->bad, TX, -1);
	stop = true;
	return NULL;
}

/*
 * A page whose owner takes its time: the worker stalls on it, and so does
 * whoever wants to stop the ring; the neighbour does not.  Once the page is
 * there, all goes on.
 */
static void page_late(struct pair *p, struct twice *t, enum part part)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	char *page = t->theirs + part * PAGE;
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	char content[PAGE] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page, .src = (uintptr_t)content, .len = PAGE,
	};
	pthread_t thread;
	uint8_t frame[LEN];

	REQUIRE(fd >= 0 && !ioctl(fd, UFFDIO_API, &api), "userfaultfd: %s",
		strerror(errno));
	twice_start(p, t, TX);
	twice_offer(p, TX);
	memcpy(content, page, PAGE);
	REQUIRE(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		     MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page &&
		!ioctl(fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER: %s",
		strerror(errno));
	REQUIRE(!eventfd_write(p->bad.ring[TX].kick, 1), "kick: %s",
		strerror(errno));
	EXPECT(wait_readable(fd, SOON_MS), "late %s: nobody asks for it",
	       part_name[part]);
	stop = false;
	REQUIRE(!pthread_create(&thread, NULL, stop_backend, p), "no thread");
	EXPECT(rig_alive(&p->good), "late %s: the neighbour stalls, too",
	       part_name[part]);
	note("late %s: SET_BACKEND(-1) %s", part_name[part],
	     stop ? "does not wait for it" : "waits for it");
	REQUIRE(!ioctl(fd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s",
		strerror(errno));
	for (unsigned int ms = 0; !stop && ms < SOON_MS; ms += 10)
		sleep_ms(10);
	REQUIRE(stop, "late %s: it has come, but SET_BACKEND(-1) does not "
		"return", part_name[part]);
	pthread_join(thread, NULL);
	if (EXPECT(wire_recv(p->bad.wire, frame, LEN, SOON_MS) == (int)LEN,
		   "late %s: the frame was lost", part_name[part]))
		frame_check(frame, LEN, 14);
	close(fd);
}

/*
 * H11: each part of a ring, and a packet, unmapped, protected, on a file that
 * became shorter, or on a page that userfaultfd holds back: ERR, or a stall
 * until it is there; SET_BACKEND(-1) returns, the neighbour does not notice,
 * and a reset with good memory is a cure.
 */
static void memory_goes_away(void)
{
	struct pair p;
	struct twice t;

	pair_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++) {
		twice_make(&p, &t, index);
		for (unsigned int part = 0; part < NR_PARTS; part++) {
			for (unsigned int way = 0; way < NR_WAYS; way++)
				page_gone(&p, &t, index, part, way);
			EXPECT(rig_alive(&p.good), "the neighbour suffers");
			twice_restore(&t);
			reset_empty(&p.bad);
			EXPECT(rig_alive(&p.bad), "%s: no reset helps",
			       part_name[part]);
		}
	}
	for (unsigned int part = 0; part < NR_PARTS; part++)
		page_late(&p, &t, part);
	twice_restore(&t);
	reset_empty(&p.bad);
	EXPECT(rig_alive(&p.bad), "no reset helps");
	pair_free(&p);
}

/* ---- H13 ---- */

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* What the kernel itself uses, in KiB. */
static unsigned long kernel_kib(void)
{
	unsigned long sum = 0, n;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %lu", &n) == 1 ||
		    sscanf(line, "VmallocUsed: %lu", &n) == 1 ||
		    sscanf(line, "KernelStack: %lu", &n) == 1 ||
		    sscanf(line, "Percpu: %lu", &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

/*
 * H13: reset and other features, over and over, with a frame each way: every
 * header length works right after every other, no descriptor leaks, and the
 * kernel's memory does not grow by a KiB for each time (which 10,000 times
 * show), nor does it become slower.
 */
static void renegotiated(void)
{
	static const uint64_t features[] = {
		0, FEATURE(VIRTIO_NET_F_MRG_RXBUF),
		FEATURE(VIRTIO_F_VERSION_1), MERGED,
		MERGED | FEATURE(VIRTIO_RING_F_EVENT_IDX),
		FEATURE(VIRTIO_RING_F_EVENT_IDX),
	};
	unsigned int count = scaled(10000, 60), fds;
	uint64_t start = 0, first = 0, last;
	unsigned long kib = 0, grown;
	struct rig r;

	rig_make(&r, PLAIN, NUM);
	rig_start(&r);
	fds = open_fds();
	for (unsigned int n = 0; n < count; n++) {
		if (n == count / 10) {
			first = now_ms() - start;
			kib = kernel_kib();
		}
		if (n == 0 || n == count - count / 10)
			start = now_ms();
		rig_stop(&r);
		r.features = features[rnd() % 6];
		r.hdr_len = r.features & (FEATURE(VIRTIO_F_VERSION_1) |
					  FEATURE(VIRTIO_NET_F_MRG_RXBUF)) ?
			12 : 10;
		for (unsigned int i = RX; i <= TX; i++)
			r.ring[i].event_idx = r.features &
				FEATURE(VIRTIO_RING_F_EVENT_IDX);
		rig_rewind(&r, 0);
		rig_start(&r);
		if (!rig_send(&r, 60 + n % 1400, n) ||
		    !rig_receive(&r, 60 + n % 1400, n)) {
			note("at %u, with features %#llx", n,
			     (unsigned long long)r.features);
			break;
		}
	}
	last = now_ms() - start;
	grown = kernel_kib();
	grown = grown > kib ? grown - kib : 0;
	EXPECT(open_fds() == fds, "%u descriptors, not %u", open_fds(), fds);
	EXPECT(grown < 4096 + count / 4, "the kernel uses %lu KiB more", grown);
	EXPECT(last < 4 * first + 5000, "the last tenth took %llu ms, the "
	       "first %llu", (unsigned long long)last,
	       (unsigned long long)first);
	note("%u times; a tenth of it %llu ms; %lu KiB more", count,
	     (unsigned long long)last, grown);
	rig_free(&r);
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
