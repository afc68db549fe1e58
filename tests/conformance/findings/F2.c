/* SPDX-License-Identifier: MIT */
/*
 * F2: VHOST_F_LOG_ALL is accepted with no log, and nothing tells that what is
 * written is not logged.
 *
 * A NULL base passes access_ok(), and handle_rx() does not look at what
 * vhost_log_write() returns: a migration that forgot SET_LOG_BASE, or whose log
 * is gone, copies another guest than the one that ran.
 *
 * Seen on 6.1, 6.12 and 7.2:
 *
 *	no SET_LOG_BASE: LOG_ALL 0, F_LOG 0, SET_BACKEND 0
 *	a frame comes in: 0 left, used with 112 bytes, ERR 0 times
 */
#include "tests/conformance/findings/ring.h"

int main(void)
{
	int features, address, backend;
	eventfd_t errors = 0;
	unsigned int left;
	struct ring r;

	ring_open(&r, RX);
	features = ring_features(&r, FEATURE(VHOST_F_LOG_ALL));
	ring_set_memory(&r);
	ring_set(&r, 0);
	address = ring_address(&r, false, FEATURE(VHOST_VRING_F_LOG));
	backend = ring_backend(&r, r.tap);
	printf("no SET_LOG_BASE: LOG_ALL %d, F_LOG %d, "
	       "SET_BACKEND %d\n",
	       features, address, backend);
	if (features || address || backend)
		return NOT_SEEN;

	ring_offer(&r, 0, 2048);
	ring_kick(&r);
	wire_send(1);
	left = ring_left(&r);
	eventfd_read(r.err, &errors);
	printf("a frame comes in: %u left, used with %u bytes, "
	       "ERR %llu times\n", left, r.used->ring[0].len,
	       (unsigned long long)errors);
	return !left && r.used->ring[0].len == HEADER + 100 && !errors ?
		SEEN : NOT_SEEN;
}
