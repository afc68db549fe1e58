/* SPDX-License-Identifier: MIT */
/*
 * Many frames at once, and what must be used for them: what the scenarios of
 * group R have in common.
 */
#ifndef CONFORMANCE_BURST_H
#define CONFORMANCE_BURST_H

#include "tests/conformance/rig.h"
#include "tests/conformance/uapi.h"

#define PATIENCE	5000	/* ms until something will never come */
#define BURST		64
#define POISON		0xa5
#define V1		FEATURE(VIRTIO_F_VERSION_1)
#define MRG		FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define IN_ORDER	FEATURE(VIRTIO_F_IN_ORDER)

extern unsigned int left_out;	/* buffers without an entry of used, IN_ORDER */

/* As rig_ptr(), for what is not written here. */
uint8_t *bytes_at(struct rig *r, uint64_t gpa);
/* All of these return whether it went well; what did not has been said. */
bool take(struct rig *r, unsigned int index, unsigned int head,
	  unsigned int n, uint32_t *len);
bool send_burst(struct rig *r, unsigned int n, const unsigned int *len,
		uint32_t seq, uint64_t tables);
bool receive_burst(struct rig *r, unsigned int n, const unsigned int *len,
		   uint32_t seq, uint64_t tables);
bool stream(struct rig *r, unsigned int n, unsigned int max);
void renegotiate(struct rig *r, uint64_t features, uint16_t base);

#endif
