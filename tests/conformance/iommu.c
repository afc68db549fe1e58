/* SPDX-License-Identifier: MIT */
/*
 * Messages of the device IOTLB, and who answers them: see iommu.h.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/iommu.h"
#include "vhost/vhost.h"

/*
 * Messages are of the first kind: any vhost reads it, whatever its backend
 * features are (I2 tries the second).
 */
static int send_message(int vhost, const struct vhost_iotlb_msg *body)
{
	struct vhost_msg msg = { .type = VHOST_IOTLB_MSG };
	ssize_t n;

	msg.iotlb = *body;
	n = write(vhost, &msg, sizeof(msg));
	if (n < 0)
		return -errno;
	return n == sizeof(msg) ? 0 : -EMSGSIZE;
}

int iotlb_update(int vhost, uint64_t iova, uint64_t size, const void *hva,
		 uint8_t perm)
{
	return send_message(vhost, &(struct vhost_iotlb_msg) {
		.iova = iova, .size = size, .uaddr = (uintptr_t)hva,
		.perm = perm, .type = VHOST_IOTLB_UPDATE });
}

int iotlb_invalidate(int vhost, uint64_t iova, uint64_t size)
{
	return send_message(vhost, &(struct vhost_iotlb_msg) {
		.iova = iova, .size = size, .type = VHOST_IOTLB_INVALIDATE });
}

bool iotlb_miss(int vhost, struct vhost_iotlb_msg *miss, unsigned int ms)
{
	struct vhost_msg msg;	/* and vhost_msg_v2 has it at the same place */
	ssize_t n;

	if (!wait_readable(vhost, ms))
		return false;
	n = read(vhost, &msg, sizeof(msg));
	if (n < 0 && errno == EAGAIN)	/* it was taken back */
		return false;
	REQUIRE(n == sizeof(msg), "reading a miss: %zd, %s", n,
		n < 0 ? strerror(errno) : "short");
	REQUIRE(msg.iotlb.type == VHOST_IOTLB_MISS, "a message of type %u",
		msg.iotlb.type);
	*miss = msg.iotlb;
	return true;
}

void iommu_map(struct rig *r, uint64_t gpa, uint64_t bytes, uint8_t perm)
{
	int err = iotlb_update(r->vhost, gpa, bytes, rig_ptr(r, gpa), perm);

	REQUIRE(!err, "UPDATE %#llx: %s", (unsigned long long)gpa,
		strerror(-err));
}

void iommu_map_ring(struct rig *r, unsigned int index)
{
	const struct ring *ring = &r->ring[index];

	iommu_map(r, ring->gpa, vring_size(ring->v.num, PAGE_SIZE_4K),
		  VHOST_ACCESS_RW);
}

uint64_t rig_gpa(const struct rig *r, const void *p)
{
	const struct memory_region *m = &r->mem.region[0];

	return m->gpa + ((const char *)p - (const char *)m->hva);
}

int iommu_set_addr(struct rig *r, unsigned int index)
{
	const struct vring *v = &r->ring[index].v;
	struct vhost_vring_addr addr = {
		.index		 = index,
		.desc_user_addr	 = rig_gpa(r, v->desc),
		.avail_user_addr = rig_gpa(r, v->avail),
		.used_user_addr	 = rig_gpa(r, v->used),
	};

	return vhost_ioctl(r->vhost, VHOST_SET_VRING_ADDR, &addr);
}

void iommu_set_rings(struct rig *r)
{
	rig_set_tables(r);
	for (unsigned int i = 0; i < 2; i++) {
		int err;

		rig_set_ring(r, i);
		err = iommu_set_addr(r, i);
		REQUIRE(!err, "SET_VRING_ADDR: %s", strerror(-err));
	}
}

void iommu_start(struct rig *r)
{
	iommu_set_rings(r);
	for (unsigned int i = 0; i < 2; i++)
		iommu_map_ring(r, i);
	for (unsigned int i = 0; i < 2; i++) {
		int err = rig_backend(r, i, r->tap);

		REQUIRE(!err, "SET_BACKEND of ring %u: %s", i, strerror(-err));
	}
}

static void *serve(void *arg)
{
	struct iommu *m = arg;
	struct vhost_iotlb_msg miss;

	while (!atomic_load(&m->stop)) {
		if (!iotlb_miss(m->rig->vhost, &miss, 50))
			continue;
		if (!guest_ptr(&m->rig->mem, miss.iova, 1)) {
			atomic_store(&m->strange_iova, miss.iova);
			atomic_fetch_add(&m->strange, 1);
			continue;
		}
		iommu_map(m->rig, miss.iova & -PAGE_SIZE_4K, PAGE_SIZE_4K,
			  VHOST_ACCESS_RW);
		atomic_fetch_add(&m->misses, 1);
	}
	return NULL;
}

void iommu_serve(struct iommu *m, struct rig *r)
{
	int err;

	m->rig = r;
	atomic_init(&m->stop, false);
	atomic_init(&m->misses, 0);
	atomic_init(&m->strange, 0);
	atomic_init(&m->strange_iova, 0);
	err = pthread_create(&m->thread, NULL, serve, m);
	REQUIRE(!err, "a thread: %s", strerror(err));
}

void iommu_end(struct iommu *m)
{
	atomic_store(&m->stop, true);
	pthread_join(m->thread, NULL);
	EXPECT(!m->strange, "%u misses of what is not memory, the last %#llx",
	       m->strange, (unsigned long long)m->strange_iova);
}
