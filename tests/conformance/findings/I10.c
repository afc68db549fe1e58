/* SPDX-License-Identifier: MIT */
/*
 * I10: addresses outlive ACCESS_PLATFORM (CVE-2026-97988).
 *
 * Rings were set with addresses of this process; then ACCESS_PLATFORM is set,
 * with which they mean nothing.  Until SET_VRING_ADDR the ring should do
 * nothing.  Instead vhost looks our own addresses up in the IOTLB and asks, in
 * a miss, for a translation of them.
 *
 * Seen on 6.1:
 *
 *	ACCESS_PLATFORM set: a miss of the descriptors' address in our memory
 *
 * and not on 6.12.117 and 7.2.13, where it is mended:
 *
 *	ACCESS_PLATFORM set: the ring is at rest
 */
#include "tests/conformance/findings/ring.h"

int main(void)
{
	struct vhost_msg msg = { 0 };
	struct pollfd miss;
	struct ring r;

	ring_open(&r, TX);
	must(ring_features(&r, 0), "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, false, 0), "SET_VRING_ADDR");
	must(ring_backend(&r, r.tap), "SET_BACKEND");
	must(ring_features(&r, FEATURE(VIRTIO_F_ACCESS_PLATFORM)),
	     "SET_FEATURES(ACCESS_PLATFORM)");

	ring_offer(&r, 0, HEADER + 100);
	ring_kick(&r);
	miss = (struct pollfd) { .fd = r.vhost, .events = POLLIN };
	if (must(poll(&miss, 1, 2000), "poll") == 0) {
		printf("ACCESS_PLATFORM set: the ring is at rest\n");
		return NOT_SEEN;
	}
	must((int)read(r.vhost, &msg, sizeof(msg)), "read");
	printf("ACCESS_PLATFORM set: a miss of %s\n",
	       msg.iotlb.iova == (uintptr_t)r.desc ?
	       "the descriptors' address in our memory" : "something else");
	return msg.iotlb.iova == (uintptr_t)r.desc ? SEEN : NOT_SEEN;
}
