/* SPDX-License-Identifier: MIT */
/*
 * F5: SET_BACKEND writes used->flags through a mapping for reading only.
 *
 * vhost_vq_init_access() ends in vhost_put_user(), which translates any address
 * of a ring for VHOST_ACCESS_RO, whether it is to be written or not.
 *
 * Seen on 6.1, 6.12 and 7.2:
 *
 *	used is read-only, its flags 0x5555; SET_BACKEND: 0; flags 0
 */
#include "tests/conformance/findings/ring.h"

int main(void)
{
	struct ring r;
	int backend;

	ring_open(&r, TX);
	must(ring_features(&r, FEATURE(VIRTIO_F_ACCESS_PLATFORM)),
	     "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, true, 0), "SET_VRING_ADDR");
	must(iotlb_update(&r, DESC, BUFFERS - DESC, VHOST_ACCESS_RO), "UPDATE");

	r.used->flags = 0x5555;
	backend = ring_backend(&r, r.tap);
	printf("used is read-only, its flags %#x; SET_BACKEND: %s; flags %#x\n",
	       0x5555, backend ? strerror(errno) : "0", r.used->flags);
	return r.used->flags != 0x5555 ? SEEN : NOT_SEEN;
}
