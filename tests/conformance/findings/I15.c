/* SPDX-License-Identifier: MIT */
/*
 * I15: a ring whose miss is not answered asks again with each kick, and all of
 * these messages are kept: a guest decides how much memory that takes.
 *
 * Seen on 6.1, 6.12 and 7.2, one miss being that of SET_BACKEND:
 *
 *	50 kicks, and no answer: 51 misses of the descriptors
 */
#include "tests/conformance/findings/ring.h"

#define KICKS	50U

int main(void)
{
	struct vhost_msg msg;
	struct pollfd miss;
	unsigned int n = 0;
	struct ring r;

	ring_open(&r, TX);
	must(ring_features(&r, FEATURE(VIRTIO_F_ACCESS_PLATFORM)),
	     "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, true, 0), "SET_VRING_ADDR");
	must(iotlb_update(&r, USED, BUFFERS - USED, VHOST_ACCESS_RW), "UPDATE");
	must(ring_backend(&r, r.tap), "SET_BACKEND");

	/* Slowly, so that the worker sees every one. */
	ring_offer(&r, 0, HEADER + 100);
	for (unsigned int i = 0; i < KICKS; i++) {
		ring_kick(&r);
		usleep(20000);
	}
	miss = (struct pollfd) { .fd = r.vhost, .events = POLLIN };
	while (n < 2 * KICKS && must(poll(&miss, 1, 500), "poll") == 1) {
		must((int)read(r.vhost, &msg, sizeof(msg)), "read");
		n += msg.iotlb.type == VHOST_IOTLB_MISS &&
		     msg.iotlb.iova == DESC;
	}
	printf("%u kicks, and no answer: %u misses of the descriptors\n",
	       KICKS, n);
	return n > 1 ? SEEN : n ? NOT_SEEN : UNTRIED;
}
