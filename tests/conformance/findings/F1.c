/* SPDX-License-Identifier: MIT */
/*
 * F1: a TX chain shorter than a header, here of 1 byte, makes the worker spin.
 *
 * vhost_net_build_xdp() refuses the chain, handle_tx_copy() puts it back and
 * wakes the worker again, for ever: a guest has a CPU of the host's burnt, and
 * nothing behind that chain is ever sent.
 *
 * Seen on 6.1, 6.12 and 7.2:
 *
 *	a frame: 0 left, then the worker runs for 0 ms in a second
 *	1 byte and a frame: 2 left, the worker runs for 992 ms
 */
#include "tests/conformance/findings/ring.h"

int main(void)
{
	unsigned int before, after, left;
	struct ring r;
	int worker;

	ring_open(&r, TX);
	must(ring_features(&r, 0), "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, false, 0), "SET_VRING_ADDR");
	must(ring_backend(&r, r.tap), "SET_BACKEND");
	worker = worker_find();

	ring_offer(&r, 0, HEADER + 100);
	ring_kick(&r);
	left = ring_left(&r);
	before = worker_ms(worker);
	printf("a frame: %u left, then the worker runs for %u ms in a second\n",
	       left, before);
	if (left)
		return UNTRIED;

	ring_offer(&r, 1, 1);
	ring_offer(&r, 2, HEADER + 100);
	ring_kick(&r);
	left = ring_left(&r);
	after = worker_ms(worker);
	printf("1 byte and a frame: %u left, the worker runs for %u ms\n",
	       left, after);
	return left == 2 && after > 200 + before ? SEEN : NOT_SEEN;
}
