/* SPDX-License-Identifier: MIT */
/*
 * R5: with VERSION_1 and without MRG_RXBUF, num_buffers is not written.
 *
 * The header has the field all the same, and it must be 1: the guest reads
 * whatever its buffer had there.  Mended by a3b9c053d82a, in 6.14.
 *
 * Seen on 6.1 and 6.12:
 *
 *	num_buffers was 0xaaaa, and is 0xaaaa
 *
 * and not on 7.2:
 *
 *	num_buffers was 0xaaaa, and is 0x1
 */
#include "tests/conformance/findings/ring.h"

int main(void)
{
	const struct virtio_net_hdr_v1 *header;
	struct ring r;

	ring_open(&r, RX);
	must(ring_features(&r, 0), "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, false, 0), "SET_VRING_ADDR");
	must(ring_backend(&r, r.tap), "SET_BACKEND");

	memset(r.memory + BUFFERS, 0xaa, 2048);
	ring_offer(&r, 0, 2048);
	ring_kick(&r);
	wire_send(1);
	if (ring_left(&r)) {
		printf("no frame has come\n");
		return UNTRIED;
	}
	header = (void *)(r.memory + BUFFERS);
	printf("num_buffers was 0xaaaa, and is %#x\n", header->num_buffers);
	return header->num_buffers == 1 ? NOT_SEEN : SEEN;
}
