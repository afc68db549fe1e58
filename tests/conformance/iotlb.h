/* SPDX-License-Identifier: MIT */
/*
 * Group I is in iotlb.c, iotlb-traffic.c and iotlb-changes.c: what they have in
 * common.
 */
#ifndef CONFORMANCE_IOTLB_H
#define CONFORMANCE_IOTLB_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/conformance/rig.h"

#define PATIENCE	5000	/* ms until something will never come */
#define POISON		0xa5
#define MODERN		FEATURE(VIRTIO_F_VERSION_1)
#define ELSEWHERE	(1ULL << 44)	/* iova that is no guest memory */

/* One message, that must be taken. */
void map(struct rig *r, uint64_t iova, uint64_t bytes, const void *hva,
	 uint8_t perm);
void unmap(struct rig *r, uint64_t iova, uint64_t bytes);
/* All that rig_buffer() has, at its own address. */
void map_buffers(struct rig *r);
/* The tap to both rings. */
void attach_both(struct rig *r);

/* Nothing comes out, and nothing is used, for as long as one can wait. */
bool stands_still(struct rig *r, unsigned int index);
/* It stood still; now that this is mended, the frame in TX comes out. */
void goes_on(struct rig *r, unsigned int len, uint32_t seq, const char *after);

void read_only(void);		/* I3 */
void in_pieces(void);		/* I6 */
void many_updates(void);	/* I9 */
void toggled_platform(void);	/* I10 */
void moved_ring(void);		/* I11 */
void invalidated(void);		/* I12 */
void woken_reader(void);	/* I13 */

#endif
