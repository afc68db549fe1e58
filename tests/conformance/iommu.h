/* SPDX-License-Identifier: MIT */
/*
 * Our half of vhost's device IOTLB: what an IOMMU would tell it, in messages
 * written to its descriptor, and the misses that it asks us about.
 *
 * With VIRTIO_F_ACCESS_PLATFORM every address that vhost has of a ring or of a
 * buffer is an I/O virtual address.  Ours are guest-physical addresses, unless
 * a scenario maps something else: the address in our own memory is another
 * number in any case, so that a mix-up of the two cannot work by luck.
 */
#ifndef CONFORMANCE_IOMMU_H
#define CONFORMANCE_IOMMU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/vhost.h>

#include "tests/conformance/rig.h"

#ifndef VIRTIO_F_ACCESS_PLATFORM	/* its name before Linux 4.19 */
#define VIRTIO_F_ACCESS_PLATFORM	33
#endif
#define IOTLB	FEATURE(VIRTIO_F_ACCESS_PLATFORM)

#define PAGE_SIZE_4K	4096ULL

/* One message; 0 or -errno. */
int iotlb_update(int vhost, uint64_t iova, uint64_t size, const void *hva,
		 uint8_t perm);
int iotlb_invalidate(int vhost, uint64_t iova, uint64_t size);
/* The next miss; false if there is none after @ms milliseconds. */
bool iotlb_miss(int vhost, struct vhost_iotlb_msg *miss, unsigned int ms);

/* Map guest memory at its own address. */
void iommu_map(struct rig *r, uint64_t gpa, uint64_t bytes, uint8_t perm);
void iommu_map_ring(struct rig *r, unsigned int index);

/* The address in guest memory of what we see at @p. */
uint64_t rig_gpa(const struct rig *r, const void *p);
/* SET_VRING_ADDR of a ring with the addresses in guest memory; -errno. */
int iommu_set_addr(struct rig *r, unsigned int index);
/* All but the backends: rig_set_tables(), and rings by such addresses. */
void iommu_set_rings(struct rig *r);
/* rig_start() for a rig with IOTLB: rings mapped and running, buffers not. */
void iommu_start(struct rig *r);

/* A thread that answers each miss with the page of guest memory it is in. */
struct iommu {
	struct rig *rig;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint misses;		/* answered so far */
	atomic_uint strange;		/* of addresses that are not memory */
	_Atomic uint64_t strange_iova;	/* the last of them */
};

void iommu_serve(struct iommu *m, struct rig *r);
void iommu_end(struct iommu *m);

#endif
