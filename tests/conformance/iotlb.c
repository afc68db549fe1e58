/* SPDX-License-Identifier: MIT */
/*
 * I: the device IOTLB, with which vhost works behind a guest's IOMMU.
 *
 * Here are the messages themselves, and the table; what they do to traffic is
 * in iotlb-traffic.c and iotlb-changes.c.  iommu.h has our half of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/iommu.h"
#include "tests/conformance/iotlb.h"
#include "vhost/vhost.h"

#define MESSAGE		sizeof(struct vhost_msg)	/* of both kinds */
#define V2		(1ULL << VHOST_BACKEND_F_IOTLB_MSG_V2)

static int set_backend_features(struct rig *r, uint64_t features)
{
	return vhost_ioctl(r->vhost, VHOST_SET_BACKEND_FEATURES, &features);
}

/* read() as it is, of at most @max bytes: a length or -errno. */
static int read_raw(int vhost, void *to, size_t max)
{
	ssize_t n = read(vhost, to, max);

	return n < 0 ? -errno : n;
}

static int write_raw(int vhost, const void *from, size_t bytes)
{
	ssize_t n = write(vhost, from, bytes);

	return n < 0 ? -errno : n;
}

/* Rings that are set and of which only used is mapped: it asks for the rest. */
static void start_unmapped(struct rig *r)
{
	iommu_set_rings(r);
	for (unsigned int i = 0; i < 2; i++) {
		int err;

		iommu_map(r, rig_gpa(r, r->ring[i].v.used), PAGE_SIZE_4K,
			  VHOST_ACCESS_RW);
		err = rig_backend(r, i, r->tap);
		REQUIRE(!err, "SET_BACKEND of ring %u: %s", i, strerror(-err));
	}
}

/*
 * ---- I1: the handshake ----
 */

struct wanted {
	const char *what;
	uint64_t iova;
	uint8_t perm;
};

/*
 * It asks for this next, and may have asked for the one before more than once,
 * if it was woken between.  Answer; returns how many questions that took.
 */
static unsigned int answer(struct rig *r, const struct wanted *w,
			   uint64_t before)
{
	struct vhost_iotlb_msg miss;

	for (unsigned int n = 1; n < 10; n++) {
		REQUIRE(iotlb_miss(r->vhost, &miss, PATIENCE),
			"it does not ask for %s", w->what);
		if (miss.iova == before)
			continue;
		EXPECT(miss.iova == w->iova && miss.perm == w->perm,
		       "a miss of %#llx to be accessed %u, not of %s, %#llx "
		       "and %u", (unsigned long long)miss.iova, miss.perm,
		       w->what, (unsigned long long)w->iova, w->perm);
		EXPECT(miss.size == 0 && miss.uaddr == 0, "a miss of size "
		       "%llu and at %#llx", (unsigned long long)miss.size,
		       (unsigned long long)miss.uaddr);
		iommu_map(r, w->iova & -PAGE_SIZE_4K, PAGE_SIZE_4K,
			  VHOST_ACCESS_RW);
		return n;
	}
	REQUIRE(false, "it asks for %#llx again and again",
		(unsigned long long)before);
	return 0;
}

/* The parts of a ring, in the order in which they are asked for. */
static unsigned int answer_ring(struct rig *r, unsigned int index)
{
	const struct vring *v = &r->ring[index].v;
	const struct wanted w[] = {
		{ "descriptors", rig_gpa(r, v->desc), VHOST_ACCESS_RO },
		{ "avail",	 rig_gpa(r, v->avail), VHOST_ACCESS_RO },
		{ "used",	 rig_gpa(r, v->used), VHOST_ACCESS_WO },
	};
	unsigned int n = 0;

	for (unsigned int i = 0; i < 3; i++)
		n += answer(r, &w[i], i ? w[i - 1].iova : ~0ULL);
	return n;
}

/*
 * I1: nothing is mapped once the backend is set.  Each ring asks for its
 * descriptors, then avail, then used, then for the buffer, each with the access
 * that it is for; once answered, the frame passes, and nothing more is asked.
 * Before 7.3 it asks again each time that it is woken, so the number of
 * questions is told, and bounded.  Since 4.8.
 */
static void handshake(void)
{
	struct vhost_iotlb_msg more;
	uint8_t frame[2048];
	unsigned int n, desc;
	uint32_t id, len;
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);	/* each part on its own page */
	start_unmapped(&r);
	for (unsigned int i = 0; i < 2; i++)
		EXPECT(!iotlb_invalidate(r.vhost, rig_gpa(&r,
		       r.ring[i].v.used), PAGE_SIZE_4K), "INVALIDATE");

	desc = rig_offer_tx(&r, 500, 1);
	ring_kick(&r.ring[TX]);
	n = answer_ring(&r, TX);
	n += answer(&r, &(struct wanted) { "a buffer of TX",
		    rig_buffer(&r, TX, desc), VHOST_ACCESS_RO },
		    rig_gpa(&r, r.ring[TX].v.used));
	REQUIRE(wire_recv(r.wire, frame, sizeof(frame), PATIENCE) == 500,
		"TX: no frame");
	frame_check(frame, 500, 1);
	REQUIRE(ring_wait(&r.ring[TX], 1, PATIENCE), "TX: nothing used");
	note("TX: %u questions for 4 pages", n);

	desc = rig_offer_rx(&r, 1024);
	frame_fill(frame, 500, 2);
	wire_send(r.wire, frame, 500);
	ring_kick(&r.ring[RX]);
	n = answer_ring(&r, RX);
	n += answer(&r, &(struct wanted) { "a buffer of RX",
		    rig_buffer(&r, RX, desc), VHOST_ACCESS_WO },
		    rig_gpa(&r, r.ring[RX].v.used));
	REQUIRE(ring_wait(&r.ring[RX], 1, PATIENCE) &&
		ring_pop(&r.ring[RX], &id, &len), "RX: nothing used");
	EXPECT(len == 500 + r.hdr_len, "RX: %u bytes", len);
	frame_check((uint8_t *)rig_ptr(&r, rig_buffer(&r, RX, desc)) +
		    r.hdr_len, 500, 2);
	note("RX: %u questions for 4 pages", n);

	/* One that was asked again before the answer may still lie there. */
	while (iotlb_miss(r.vhost, &more, 0))
		;
	ring_kick(&r.ring[RX]);
	ring_kick(&r.ring[TX]);
	EXPECT(!iotlb_miss(r.vhost, &more, 200), "all is mapped, and it asks "
	       "for %#llx", (unsigned long long)more.iova);
	EXPECT(!events(r.ring[TX].err) && !events(r.ring[RX].err), "an error");
	rig_stop(&r);
	rig_free(&r);
}

/*
 * ---- I2, I7: what is in a message ----
 */

/* Have it ask for TX's descriptors; the message as it is. */
static void provoke(struct rig *r, uint8_t message[MESSAGE])
{
	int n;

	ring_kick(&r->ring[TX]);
	REQUIRE(wait_readable(r->vhost, PATIENCE), "it does not ask");
	memset(message, 0xff, MESSAGE);
	n = read_raw(r->vhost, message, MESSAGE);
	REQUIRE(n == MESSAGE, "read: %d", n);
}

/*
 * I2: misses come as struct vhost_msg, or, once VHOST_BACKEND_F_IOTLB_MSG_V2
 * is set, as struct vhost_msg_v2; answers of both kinds are taken at any time.
 * A buffer that is too small reads nothing, and takes nothing away; an empty
 * queue is EAGAIN.  EINVAL for what is too short or of a type there is not;
 * EFAULT for a request that makes no sense.  Since 4.19.
 */
static void framing(void)
{
	uint64_t desc, supported = 0;
	struct vhost_msg_v2 v2;
	struct vhost_msg v1;
	uint8_t m[MESSAGE];
	struct rig r;
	int n;

	rig_make(&r, MODERN | IOTLB, 256);
	desc = rig_gpa(&r, r.ring[TX].v.desc);
	EXPECT(!vhost_ioctl(r.vhost, VHOST_GET_BACKEND_FEATURES, &supported) &&
	       supported & V2, "backend features %#llx",
	       (unsigned long long)supported);
	n = set_backend_features(&r, ~supported & -(~supported));
	EXPECT(n == -EOPNOTSUPP, "a backend feature that is not offered: %s",
	       strerror(-n));
	n = iotlb_update(r.vhost, 0, PAGE_SIZE_4K, r.mem.region[0].hva,
			 VHOST_ACCESS_RW);
	EXPECT(n == -EFAULT, "UPDATE without an IOTLB: %s", strerror(-n));

	start_unmapped(&r);
	provoke(&r, m);
	memcpy(&v1, m, sizeof(v1));
	EXPECT(v1.type == VHOST_IOTLB_MSG && v1.iotlb.iova == desc &&
	       v1.iotlb.type == VHOST_IOTLB_MISS, "not of the first kind: type "
	       "%d, %#llx", v1.type, (unsigned long long)v1.iotlb.iova);
	EXPECT(!set_backend_features(&r, V2), "V2");
	/* What is queued by now may be of the first kind. */
	while (read_raw(r.vhost, m, MESSAGE) == MESSAGE)
		;
	provoke(&r, m);
	memcpy(&v2, m, sizeof(v2));
	EXPECT(v2.type == VHOST_IOTLB_MSG_V2 && v2.iotlb.iova == desc &&
	       v2.iotlb.type == VHOST_IOTLB_MISS && v2.asid == 0, "not of the "
	       "second kind: type %u, %#llx", v2.type,
	       (unsigned long long)v2.iotlb.iova);

	ring_kick(&r.ring[TX]);
	REQUIRE(wait_readable(r.vhost, PATIENCE), "it does not ask again");
	n = read_raw(r.vhost, m, MESSAGE - 1);
	EXPECT(n == 0, "read of a byte too few: %d", n);
	EXPECT(wait_readable(r.vhost, 0), "and the message is gone");
	while (read_raw(r.vhost, m, MESSAGE) == MESSAGE)
		;
	n = read_raw(r.vhost, m, MESSAGE);
	EXPECT(n == -EAGAIN, "read of nothing: %d", n);

	/* Answers of both kinds, each mapping a part of what is needed. */
	memset(&v2, 0, sizeof(v2));
	v2.type = VHOST_IOTLB_MSG_V2;
	v2.iotlb = (struct vhost_iotlb_msg) {
		.iova = r.ring[TX].gpa, .size = 2 * PAGE_SIZE_4K,
		.uaddr = (uintptr_t)r.ring[TX].v.desc,
		.perm = VHOST_ACCESS_RW, .type = VHOST_IOTLB_UPDATE };
	n = write_raw(r.vhost, &v2, sizeof(v2));
	EXPECT(n == sizeof(v2), "UPDATE of the second kind: %d", n);
	iommu_map(&r, r.slots, RIG_MEMORY - r.slots, VHOST_ACCESS_RW);
	iommu_map_ring(&r, RX);
	EXPECT(rig_alive(&r), "not alive with answers of both kinds");

	v2.type = 7;
	n = write_raw(r.vhost, &v2, sizeof(v2));
	EXPECT(n == -EINVAL, "a message of type 7: %d", n);
	v2.type = VHOST_IOTLB_MSG_V2;
	n = write_raw(r.vhost, &v2, 3);
	EXPECT(n == -EINVAL, "3 bytes: %d", n);
	n = write_raw(r.vhost, &v2, offsetof(struct vhost_msg_v2, iotlb) +
		      sizeof(v2.iotlb) - 1);
	EXPECT(n == -EINVAL, "a byte too few: %d", n);
	for (unsigned int type = 0; type < 8; type++) {
		if (type == VHOST_IOTLB_UPDATE ||
		    type == VHOST_IOTLB_INVALIDATE)
			continue;
		v2.iotlb.type = type;
		n = write_raw(r.vhost, &v2, sizeof(v2));
		EXPECT(n == -EFAULT, "a request of type %u: %d", type, n);
	}
	EXPECT(rig_alive(&r), "dead after messages that make no sense");
	rig_stop(&r);
	rig_free(&r);
}

static void check_padding(const uint8_t *m, const char *kind)
{
	const size_t iotlb_at = offsetof(struct vhost_msg, iotlb);
	struct vhost_iotlb_msg body;
	bool meant[MESSAGE] = { false };

	memset(meant, true, 4);				/* type */
	memset(meant + iotlb_at + offsetof(struct vhost_iotlb_msg, iova), true,
	       sizeof(body.iova));
	meant[iotlb_at + offsetof(struct vhost_iotlb_msg, perm)] = true;
	meant[iotlb_at + offsetof(struct vhost_iotlb_msg, type)] = true;
	for (size_t i = 0; i < MESSAGE; i++)
		if (!EXPECT(meant[i] || !m[i], "%s: byte %zu of a miss is %#x",
			    kind, i, m[i]))
			return;
}

/*
 * I7: a miss tells an address and an access; every other byte of the 72 that
 * are read is zero, in both kinds of message.
 * CVE-2018-1118: vhost_new_msg() did not clear what it allocated, and read()
 * copied it out.  Since 4.18.
 */
static void padding(void)
{
	uint8_t m[MESSAGE];
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);
	start_unmapped(&r);
	for (unsigned int i = 0; i < 64; i++) {
		EXPECT(!set_backend_features(&r, i & 1 ? V2 : 0), "V2");
		while (read_raw(r.vhost, m, MESSAGE) == MESSAGE)
			;
		provoke(&r, m);
		check_padding(m, i & 1 ? "V2" : "V1");
	}
	rig_stop(&r);
	rig_free(&r);
}

/*
 * ---- I4, I5: sizes that are none ----
 */

/* Send a frame; how many pages of it and of its ring were asked for first. */
static unsigned int misses_to_send(struct rig *r, uint32_t seq)
{
	struct iommu m;
	unsigned int n;

	iommu_serve(&m, r);
	rig_send(r, 200, seq);
	n = atomic_load(&m.misses);
	iommu_end(&m);
	return n;
}

/*
 * I4: INVALIDATE of size 0.  Either it is refused and nothing is gone (EINVAL
 * until ca50ec377c2e, 6.6 and stable updates of then; EFAULT since
 * 9059c62f1197, 7.3, untested), or it is taken, and from address 0 means
 * everything.
 */
static void invalidate_nothing(void)
{
	struct rig r;
	unsigned int n;
	int err;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	iommu_map(&r, r.slots, RIG_MEMORY - r.slots, VHOST_ACCESS_RW);
	n = misses_to_send(&r, 1);
	EXPECT(n == 0, "%u misses, and all is mapped", n);

	err = iotlb_invalidate(r.vhost, 0, 0);
	note("INVALIDATE of size 0: %s", err ? strerror(-err) : "taken");
	EXPECT(!err || err == -EINVAL || err == -EFAULT, "INVALIDATE of size "
	       "0: %s", strerror(-err));
	if (kernel_since(7, 3))
		EXPECT(err == -EFAULT, "INVALIDATE of size 0 since 7.3: %s",
		       err ? strerror(-err) : "taken");
	n = misses_to_send(&r, 2);
	EXPECT(err ? n == 0 : n > 0, "INVALIDATE of size 0 was %s, and then "
	       "there were %u misses", err ? "refused" : "taken", n);

	/* The rest of the address space is not mapped: nothing to remove. */
	err = iotlb_invalidate(r.vhost, 1ULL << 40, PAGE_SIZE_4K);
	EXPECT(!err, "INVALIDATE of what is not mapped: %s", strerror(-err));
	err = iotlb_invalidate(r.vhost, 0, ~0ULL);
	EXPECT(!err, "INVALIDATE of all but the last byte: %s", strerror(-err));
	n = misses_to_send(&r, 3);
	EXPECT(n > 0, "INVALIDATE of everything, and no misses");
	rig_stop(&r);
	rig_free(&r);
}

static const struct range {
	const char *what;
	uint64_t iova, size, uaddr;
	uint8_t perm;
	int err;
} ranges[] = {
	{ "size 0",		0x1000, 0, 0x10000, VHOST_ACCESS_RW, -EINVAL },
	{ "size 0 at 0",	0, 0, 0, VHOST_ACCESS_RW, -EINVAL },
	{ "[0, ~0]",		0, ~0ULL, 0, VHOST_ACCESS_RW, -EFAULT },
	{ "around the end",	-4096ULL, 8192, 0x10000, VHOST_ACCESS_RW,
	  -EFAULT },
	{ "to memory of the kernel", 0x1000, 4096, 0xffff800000000000ULL,
	  VHOST_ACCESS_RW, -EFAULT },
	{ "to around the end",	0x1000, 8192, -4096ULL, VHOST_ACCESS_RW,
	  -EFAULT },
	{ "the last page",	-4096ULL, 4096, 0x10000, VHOST_ACCESS_RW, 0 },
	/* With no access there is no memory to check. */
	{ "[0, ~0) of no access", 0, ~0ULL, 0, 0, 0 },
};

/*
 * I5: UPDATEs of ranges that are empty, wrap around or are all there is.  Those
 * that are no range are refused, none hangs or crashes, and INVALIDATE takes
 * away what was taken; traffic goes on.
 * e2ae38cf3d91 (5.17): [0, ~0] has a size that is 0 in 64 bits, and a lookup in
 * it went around for ever.
 */
static void odd_ranges(void)
{
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);
	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *g = &ranges[i];
		int err;

		rig_rewind(&r, 0);
		iommu_start(&r);	/* with an IOTLB that is new */
		iommu_map(&r, r.slots, RIG_MEMORY - r.slots, VHOST_ACCESS_RW);
		err = iotlb_update(r.vhost, g->iova, g->size,
				   (const void *)(uintptr_t)g->uaddr, g->perm);
		EXPECT(err == g->err, "UPDATE, %s: %s", g->what,
		       err ? strerror(-err) : "taken");
		/* Look it up, whatever comes of it. */
		rig_offer_tx(&r, 100, i);
		ring_kick(&r.ring[TX]);
		usleep(20000);
		err = iotlb_invalidate(r.vhost, 0, ~0ULL);
		EXPECT(!err, "INVALIDATE after %s: %s", g->what,
		       strerror(-err));
		rig_stop(&r);
		rig_rewind(&r, 0);
		iommu_start(&r);
		iommu_map(&r, r.slots, RIG_MEMORY - r.slots, VHOST_ACCESS_RW);
		while (wire_recv(r.wire, (uint8_t[2048]){ 0 }, 2048, 0) >= 0)
			;
		EXPECT(rig_alive(&r), "dead after %s", g->what);
		rig_stop(&r);
	}
	rig_free(&r);
}

/*
 * ---- I8, I14, I15: misses that nobody answers ----
 */

/*
 * I8: a miss that waits to be read, and one that was read and not answered, and
 * then the backend is taken away: read() says EAGAIN, and poll() nothing.  The
 * next driver finds a clean queue.  "vhost/net: clear the pending messages when
 * the backend is removed" (6.2, and stable updates): a stale miss was handed to
 * whoever mapped next.
 */
static void stale_misses(void)
{
	uint8_t m[MESSAGE];
	struct rig r;
	int n;

	rig_make(&r, MODERN | IOTLB, 256);
	start_unmapped(&r);
	provoke(&r, m);			/* this one was read */
	ring_kick(&r.ring[TX]);
	ring_kick(&r.ring[RX]);
	REQUIRE(wait_readable(r.vhost, PATIENCE), "it does not ask");
	rig_stop(&r);
	EXPECT(!wait_readable(r.vhost, 100), "poll() says that there is a miss "
	       "after both backends went");
	n = read_raw(r.vhost, m, MESSAGE);
	EXPECT(n == -EAGAIN, "read() after both backends went: %d", n);

	rig_rewind(&r, 0);
	iommu_start(&r);
	iommu_map(&r, r.slots, RIG_MEMORY - r.slots, VHOST_ACCESS_RW);
	EXPECT(rig_alive(&r), "dead afterwards");
	EXPECT(read_raw(r.vhost, m, MESSAGE) == -EAGAIN, "a miss, and all is "
	       "mapped");
	rig_stop(&r);
	rig_free(&r);
}

/*
 * I14: SET_BACKEND looks at used: not mapped, it is EFAULT and no backend is
 * set; mapped, it is set, and traffic passes.  Since 4.8.
 */
static void used_not_mapped(void)
{
	struct vhost_iotlb_msg miss;
	uint64_t used;
	struct rig r;
	int err;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_set_rings(&r);
	used = rig_gpa(&r, r.ring[TX].v.used);
	/* All but that. */
	iommu_map(&r, r.slots, RIG_MEMORY - r.slots, VHOST_ACCESS_RW);
	iommu_map(&r, r.ring[TX].gpa, used - r.ring[TX].gpa, VHOST_ACCESS_RW);
	iommu_map_ring(&r, RX);
	err = rig_backend(&r, TX, r.tap);
	EXPECT(err == -EFAULT, "SET_BACKEND without used: %s", strerror(-err));
	if (EXPECT(iotlb_miss(r.vhost, &miss, 0), "and it does not ask for it"))
		EXPECT(miss.iova == used, "it asks for %#llx, not for used, "
		       "%#llx", (unsigned long long)miss.iova,
		       (unsigned long long)used);
	/* Not running: these are refused else. */
	err = vhost_ioctl(r.vhost, VHOST_SET_VRING_NUM,
			  &(struct vhost_vring_state) { TX, 256 });
	EXPECT(!err, "SET_VRING_NUM after it: %s", strerror(-err));

	iommu_map(&r, used, PAGE_SIZE_4K, VHOST_ACCESS_RW);
	for (unsigned int i = 0; i < 2; i++) {
		err = rig_backend(&r, i, r.tap);
		EXPECT(!err, "SET_BACKEND with used: %s", strerror(-err));
	}
	EXPECT(rig_alive(&r), "not alive");
	rig_stop(&r);
	rig_free(&r);
}

/*
 * I15: nobody answers, and the ring is kicked a hundred times: one miss is
 * outstanding, not a hundred.  "vhost: limit outstanding IOTLB misses per
 * virtqueue" (7.3, untested); before, each kick allocates one more message,
 * which a guest can go on with for ever while its host is slow to read: after
 * 100 kicks, 101 misses of one address on 6.1, 6.12 and 7.2.
 */
static void one_miss_each(void)
{
	struct vhost_iotlb_msg miss;
	unsigned int n = 0;
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);
	start_unmapped(&r);
	for (unsigned int i = 0; i < 100; i++) {
		ring_kick(&r.ring[TX]);
		usleep(1000);
	}
	while (iotlb_miss(r.vhost, &miss, 20))
		n += miss.iova == rig_gpa(&r, r.ring[TX].v.desc);
	EXPECT(n >= 1, "it does not ask");
	EXPECT(n <= 1, "outstanding misses of one ring: %u", n);
	rig_stop(&r);
	rig_free(&r);
}

const struct scenario iotlb[] = {
	{ "I1", "descriptors, avail, used, buffer: asked for and answered",
	  handshake, 0 },
	{ "I2", "both kinds of message, and no others", framing, 0 },
	{ "I3", "no writes where only reads are allowed", read_only, 0 },
	{ "I4", "INVALIDATE of size 0", invalidate_nothing, 0 },
	{ "I5", "empty, endless and wrapping ranges", odd_ranges, 60 },
	{ "I6", "memory mapped in pieces", in_pieces, 0 },
	{ "I7", "a miss has nothing in it but what it says", padding, 0 },
	{ "I8", "no stale miss once the backend is gone", stale_misses, 0 },
	{ "I9", "as many entries as there may be, and more", many_updates,
	  120 },
	{ "I10", "ACCESS_PLATFORM on and off with rings set", toggled_platform,
	  0 },
	{ "I11", "a ring that moves to other addresses", moved_ring, 0 },
	{ "I12", "nothing is written after INVALIDATE", invalidated, 120 },
	{ "I13", "a sleeping reader wakes when the IOTLB goes", woken_reader,
	  0 },
	{ "I14", "SET_BACKEND wants used mapped", used_not_mapped, 0 },
	{ "I15", "one outstanding miss for each ring", one_miss_each, 0 },
	{ 0 }
};
