/* SPDX-License-Identifier: MIT */
/*
 * F4: a ring cannot be told to have no backend before there is memory.
 *
 * vhost_net_set_backend() asks vhost_vq_access_ok() even when the descriptor is
 * -1: who undoes a half-made set-up gets EFAULT for asking that a ring which
 * does not run be stopped.
 *
 * Seen on 6.1, 6.12 and 7.2:
 *
 *	SET_BACKEND(-1) before SET_MEM_TABLE: Bad address; after: 0
 */
#include "tests/conformance/findings/ring.h"

int main(void)
{
	int before, after, why;
	struct ring r;

	ring_open(&r, TX);
	before = ring_backend(&r, -1);
	why = errno;
	ring_set_memory(&r);
	after = ring_backend(&r, -1);
	printf("SET_BACKEND(-1) before SET_MEM_TABLE: %s; after: %s\n",
	       before ? strerror(why) : "0", after ? strerror(errno) : "0");
	return before && why == EFAULT && !after ? SEEN : NOT_SEEN;
}
