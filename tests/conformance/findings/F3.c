/* SPDX-License-Identifier: MIT */
/*
 * F3: with IN_ORDER, pages of the used ring change and are not in the log.
 *
 * vhost_add_used_n_in_order() reckons what it logs from where it will write
 * next, not from where it began.  Eight frames at once, of which the last takes
 * the third entry from the ring's end, with a page's end in their midst.
 *
 * Seen on 7.2 (6.1 and 6.12 have no VIRTIO_F_IN_ORDER):
 *
 *	used, page 0: changed, in the log
 *	used, page 1: changed, not in the log
 */
#include "tests/conformance/findings/ring.h"

#define PAGE		4096U
#define FRAMES		8U
#define START		(NUM - 10)	/* the entry where they begin */
#define LAST		(NUM - 6)	/* the entry that a page ends with */

static uint64_t bitmap[MEMORY / PAGE / 64];

static bool logged(uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

int main(void)
{
	uint64_t base = (uintptr_t)bitmap, first, lost = 0;
	static uint8_t copy[2 * PAGE];
	struct ring r;

	ring_open(&r, RX);
	/* In the two pages before those of the buffers. */
	r.used = (void *)(r.memory + USED + PAGE - 4 - 8 * (LAST + 1));
	ring_set_memory(&r);
	if (ring_features(&r, FEATURE(VHOST_F_LOG_ALL) | FEATURE(35))) {
		printf("this kernel has no VIRTIO_F_IN_ORDER\n");
		return UNTRIED;
	}
	must(ioctl(r.vhost, VHOST_SET_LOG_BASE, &base), "SET_LOG_BASE");
	ring_set(&r, START);
	must(ring_address(&r, false, FEATURE(VHOST_VRING_F_LOG)),
	     "SET_VRING_ADDR");

	/*
	 * Frames and buffers are there before vhost looks: one run does all.
	 * IN_ORDER: descriptors are those of the entries.
	 */
	wire_send(FRAMES);
	for (unsigned int i = 0; i < FRAMES; i++)
		ring_offer(&r, START + i, 2048);
	memset(&r.used->ring, 0x5a, sizeof(r.used->ring[0]) * NUM);
	memcpy(copy, r.memory + USED, sizeof(copy));
	must(ring_backend(&r, r.tap), "SET_BACKEND");
	ring_kick(&r);
	if (ring_left(&r)) {
		printf("not all frames have come\n");
		return UNTRIED;
	}
	must(ring_backend(&r, -1), "SET_BACKEND(-1)");

	first = USED / PAGE;
	for (uint64_t i = 0; i < 2; i++) {
		bool changed = memcmp(copy + i * PAGE,
				      r.memory + USED + i * PAGE, PAGE) != 0;

		printf("used, page %d: %s, %s the log\n", (int)i,
		       changed ? "changed" : "as it was",
		       logged(first + i) ? "in" : "not in");
		lost += changed && !logged(first + i);
	}
	return lost ? SEEN : NOT_SEEN;
}
