/* SPDX-License-Identifier: MIT */
/*
 * W4: cpu.max does not limit vhost's worker.
 *
 * Since Linux 6.18 a task is throttled as it returns to user mode, which a
 * worker never does: the owner stands still, its worker goes on.  The load is
 * that of F1, a worker that spins.
 *
 * Seen on 7.2:
 *
 *	the worker runs for 997 ms in a second, and for 998 where 10 are allowed
 *
 * and not on 6.1 and 6.12:
 *
 *	the worker runs for 997 ms in a second, and for 7 where 10 are allowed
 */
#include "tests/conformance/findings/group.h"

static int spin(void)
{
	static struct ring r;
	int worker;

	ring_open(&r, TX);
	must(ring_features(&r, 0), "SET_FEATURES");
	ring_set_memory(&r);
	ring_set(&r, 0);
	must(ring_address(&r, false, 0), "SET_VRING_ADDR");
	must(ring_backend(&r, r.tap), "SET_BACKEND");
	worker = worker_find();
	ring_offer(&r, 0, 1);
	ring_kick(&r);
	return worker;
}

int main(void)
{
	unsigned int before, after;
	pid_t owner;
	int worker = group_start(spin, &owner);

	before = worker_ms(worker);
	put(GROUP "/cpu.max", "1000 100000");
	sleep(1);
	after = worker_ms(worker);
	put(GROUP "/cpu.max", "max");
	group_end(owner);

	printf("the worker runs for %u ms in a second, and for %u where 10 "
	       "are allowed\n", before, after);
	if (before < 200)
		return UNTRIED;
	return after > before / 2 ? SEEN : NOT_SEEN;
}
