/* SPDX-License-Identifier: MIT */
/*
 * The scenarios of group I in which addresses, or the IOTLB itself, change
 * under rings that run; see iotlb.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/iommu.h"
#include "tests/conformance/iotlb.h"
#include "vhost/vhost.h"

/*
 * ---- I10, I11: addresses that are no more ----
 */

static void set_platform(struct rig *r, bool on)
{
	int err;

	r->features = on ? r->features | IOTLB : r->features & ~IOTLB;
	err = vhost_set_features(r->vhost, r->features);
	REQUIRE(!err, "SET_FEATURES: %s", strerror(-err));
}

/* What a ring does that must not do anything before SET_VRING_ADDR. */
static void must_be_inert(struct rig *r, const char *what)
{
	struct vhost_iotlb_msg miss;
	uint8_t frame[2048];

	frame_fill(frame, 200, 1);
	rig_offer_tx(r, 200, 1);
	rig_offer_rx(r, 1024);
	ring_kick(&r->ring[TX]);
	ring_kick(&r->ring[RX]);
	wire_send(r->wire, frame, 200);
	EXPECT(stands_still(r, TX) && ring_used(&r->ring[RX]) == 0,
	       "the old addresses are used, %s", what);
	EXPECT(!iotlb_miss(r->vhost, &miss, 0), "the old addresses are asked "
	       "for, %s: %#llx", what, (unsigned long long)miss.iova);
}

/* SET_FEATURES as before: the IOTLB is a new one, and nothing is mapped. */
static void renewed_iotlb(void)
{
	struct vhost_iotlb_msg miss;
	struct iommu m;
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	map_buffers(&r);
	REQUIRE(rig_alive(&r), "not alive");
	set_platform(&r, true);
	rig_offer_tx(&r, 200, 1);
	ring_kick(&r.ring[TX]);
	EXPECT(stands_still(&r, TX), "mappings outlive the IOTLB that had "
	       "them");
	if (EXPECT(iotlb_miss(r.vhost, &miss, 0), "a new IOTLB, and no miss"))
		EXPECT(miss.iova == rig_gpa(&r, r.ring[TX].v.desc), "a miss of "
		       "%#llx, not of the descriptors",
		       (unsigned long long)miss.iova);
	iommu_serve(&m, &r);
	goes_on(&r, 200, 1, "SET_FEATURES");
	EXPECT(rig_alive(&r), "dead after SET_FEATURES");
	iommu_end(&m);
	rig_stop(&r);
	rig_free(&r);
}

/*
 * I10: ACCESS_PLATFORM set, and cleared, under rings that run.  Addresses of
 * the one kind mean nothing in the other: until SET_VRING_ADDR the rings do
 * nothing, and nobody is asked for an address of the other kind.  Then they go
 * on.  Set once more, all mappings are gone, those that a ring had at hand too.
 * CVE-2026-97988, mended in 6.12.115 and 7.2.7: with the bit set vhost looked
 * our own addresses up in the IOTLB, and told them in misses; cleared, it went
 * on with the IOTLB and its mappings, and on 6.1 still does.
 */
void toggled_platform(void)
{
	struct vhost_iotlb_msg miss;
	struct iommu m;
	struct rig r;
	int err;

	rig_make(&r, MODERN | IOTLB, 256);
	r.features &= ~IOTLB;
	rig_start(&r);
	REQUIRE(rig_alive(&r), "not alive");
	set_platform(&r, true);
	must_be_inert(&r, "set");
	while (iotlb_miss(r.vhost, &miss, 0))	/* told above, if there are */
		;
	for (unsigned int i = 0; i < 2; i++) {
		err = iommu_set_addr(&r, i);
		EXPECT(!err, "SET_VRING_ADDR: %s", strerror(-err));
	}
	iommu_serve(&m, &r);
	goes_on(&r, 200, 1, "ACCESS_PLATFORM was set");
	iommu_end(&m);
	rig_stop(&r);
	rig_free(&r);

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	map_buffers(&r);
	REQUIRE(rig_alive(&r), "not alive");
	set_platform(&r, false);
	must_be_inert(&r, "cleared");
	for (unsigned int i = 0; i < 2; i++) {
		const struct vring *v = &r.ring[i].v;
		struct vhost_vring_addr addr = {
			.index		 = i,
			.desc_user_addr	 = (uintptr_t)v->desc,
			.avail_user_addr = (uintptr_t)v->avail,
			.used_user_addr	 = (uintptr_t)v->used,
		};

		err = vhost_ioctl(r.vhost, VHOST_SET_VRING_ADDR, &addr);
		EXPECT(!err, "SET_VRING_ADDR: %s", strerror(-err));
	}
	/* What the old addresses did was seen above; now it is about new. */
	while (wire_recv(r.wire, (uint8_t[2048]){ 0 }, 2048, 0) >= 0)
		;
	r.ring[TX].last_used = r.ring[TX].v.used->idx;
	if ((uint16_t)(r.ring[TX].next_avail - r.ring[TX].last_used) == 0)
		rig_offer_tx(&r, 200, 1);
	ring_kick(&r.ring[TX]);
	EXPECT(ring_wait(&r.ring[TX], 1, 1000), "the old addresses are "
	       "translated still, and the new ones not used, cleared");
	rig_stop(&r);
	rig_free(&r);

	renewed_iotlb();
}

/*
 * I11: both rings move, while they run, to other memory at other addresses:
 * after SET_VRING_ADDR the new ones are used, and the old are not touched.
 * "vhost: reset vring metadata cache on vring reconfiguration" (6.1.187,
 * 6.12.105): the mapping of the old place was applied to the new address.
 */
void moved_ring(void)
{
	size_t bytes = vring_size(256, PAGE_SIZE_4K);
	struct vring old[2];
	uint64_t to[2];
	uint8_t *copy[2];
	struct rig r;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	map_buffers(&r);
	/* Before there is traffic: an UPDATE has vhost forget what it holds. */
	for (unsigned int i = 0; i < 2; i++) {
		to[i] = rig_alloc(&r, bytes);
		map(&r, ELSEWHERE + i * (1ULL << 30), bytes,
		    rig_ptr(&r, to[i]), VHOST_ACCESS_RW);
	}
	REQUIRE(rig_alive(&r), "not alive");

	for (unsigned int i = 0; i < 2; i++) {
		struct ring *ring = &r.ring[i];
		uint64_t iova = ELSEWHERE + i * (1ULL << 30);
		struct vhost_vring_addr addr = { .index = i };
		int err;

		old[i] = ring->v;
		memcpy(rig_ptr(&r, to[i]), old[i].desc, bytes);
		vring_init(&ring->v, 256, rig_ptr(&r, to[i]), PAGE_SIZE_4K);
		addr.desc_user_addr = iova;
		addr.avail_user_addr = iova + ((uint8_t *)ring->v.avail -
					       (uint8_t *)ring->v.desc);
		addr.used_user_addr = iova + ((uint8_t *)ring->v.used -
					      (uint8_t *)ring->v.desc);
		err = vhost_ioctl(r.vhost, VHOST_SET_VRING_ADDR, &addr);
		REQUIRE(!err, "SET_VRING_ADDR: %s", strerror(-err));
		/* A ring that nobody reads: whatever is in it. */
		memset(old[i].desc, POISON, bytes);
		copy[i] = malloc(bytes);
		REQUIRE(copy[i], "no memory");
		memcpy(copy[i], old[i].desc, bytes);
	}
	EXPECT(rig_alive(&r), "dead at the new addresses");
	EXPECT(!events(r.ring[TX].err) && !events(r.ring[RX].err), "an error");
	rig_stop(&r);
	for (unsigned int i = 0; i < 2; i++)
		EXPECT(memcmp(copy[i], old[i].desc, bytes) == 0,
		       "ring %u: the old one was written", i);
	rig_free(&r);
}

/*
 * ---- I13: a reader that sleeps ----
 */

struct reader {
	int vhost;
	atomic_bool done;
	int result;		/* a length or -errno */
	pthread_t thread;
};

static void *read_one(void *arg)
{
	struct reader *r = arg;
	struct vhost_msg msg;
	ssize_t n = read(r->vhost, &msg, sizeof(msg));

	r->result = n < 0 ? -errno : n;
	atomic_store(&r->done, true);
	return NULL;
}

static void reader_start(struct reader *r, int vhost)
{
	r->vhost = vhost;
	atomic_init(&r->done, false);
	REQUIRE(fcntl(vhost, F_SETFL, fcntl(vhost, F_GETFL) & ~O_NONBLOCK) == 0,
		"F_SETFL: %s", strerror(errno));
	REQUIRE(pthread_create(&r->thread, NULL, read_one, r) == 0, "a thread");
	usleep(100000);
	EXPECT(!atomic_load(&r->done), "read() did not wait: %d", r->result);
}

static void reader_woke(struct reader *r, const char *after)
{
	for (unsigned int i = 0; i < PATIENCE && !atomic_load(&r->done); i++)
		usleep(1000);
	if (EXPECT(atomic_load(&r->done), "read() still sleeps after %s",
		   after))
		EXPECT(r->result == -EBADFD, "read() after %s: %d", after,
		       r->result);
}

/*
 * I13: read() without O_NONBLOCK sleeps until there is a miss, and wakes with
 * EBADFD when the IOTLB goes: with RESET_OWNER (any kernel), and when
 * ACCESS_PLATFORM is cleared ("vhost/net: discard IOTLB when ACCESS_PLATFORM is
 * cleared", 6.12.115, 7.2.7).  Where that leaves the IOTLB alone, which an
 * UPDATE tells, it is I10 that is broken, and there is nothing to wake up for.
 */
void woken_reader(void)
{
	struct reader cleared, reset;
	struct rig r;
	int err;

	rig_make(&r, MODERN | IOTLB, 256);
	iommu_start(&r);
	reader_start(&cleared, r.vhost);
	set_platform(&r, false);
	err = iotlb_update(r.vhost, ELSEWHERE, PAGE_SIZE_4K,
			   r.mem.region[0].hva, VHOST_ACCESS_RW);
	if (err)
		reader_woke(&cleared, "ACCESS_PLATFORM was cleared");
	else
		note("ACCESS_PLATFORM is cleared, and the IOTLB still there");

	set_platform(&r, true);
	reader_start(&reset, r.vhost);
	err = vhost_ioctl(r.vhost, VHOST_RESET_OWNER, NULL);
	REQUIRE(!err, "RESET_OWNER: %s", strerror(-err));
	reader_woke(&reset, "RESET_OWNER");
}
