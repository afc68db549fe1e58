/* SPDX-License-Identifier: MIT */
/*
 * What vhost's header has gained since Linux 6.1, whose header we may be built
 * with.  Each goes when that header is old enough to be relied on everywhere.
 */
#ifndef CONFORMANCE_UAPI_H
#define CONFORMANCE_UAPI_H

#include <linux/vhost.h>

#include "machine/uapi.h"

#ifndef VHOST_NEW_WORKER		/* Linux 6.5 */
struct vhost_worker_state {
	unsigned int worker_id;
};

struct vhost_vring_worker {
	unsigned int index, worker_id;
};

#define VHOST_NEW_WORKER	_IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
#define VHOST_FREE_WORKER	_IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER \
	_IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER \
	_IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

#ifndef VHOST_GET_FEATURES_ARRAY	/* Linux 6.17 */
struct vhost_features_array {
	__u64 count;
	__u64 features[];
};

#define VHOST_GET_FEATURES_ARRAY \
	_IOR(VHOST_VIRTIO, 0x83, struct vhost_features_array)
#define VHOST_SET_FEATURES_ARRAY \
	_IOW(VHOST_VIRTIO, 0x83, struct vhost_features_array)
#endif

#ifndef VHOST_SET_FORK_FROM_OWNER	/* Linux 6.17, and 6.12.48 */
#define VHOST_FORK_OWNER_KTHREAD	0
#define VHOST_FORK_OWNER_TASK		1
#define VHOST_SET_FORK_FROM_OWNER	_IOW(VHOST_VIRTIO, 0x84, __u8)
#define VHOST_GET_FORK_FROM_OWNER	_IOR(VHOST_VIRTIO, 0x85, __u8)
#endif

#ifndef VHOST_BACKEND_F_IOTLB_MSG_V2
#define VHOST_BACKEND_F_IOTLB_MSG_V2	0x1
#endif

#endif
