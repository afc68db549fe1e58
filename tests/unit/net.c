/* SPDX-License-Identifier: MIT */
/*
 * What is said of a ring that was found broken: from the backend, if that knows,
 * or from what lies in the ring.  The rest of the card is in mmio.c.
 */
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "tests/unit/check.h"
#include "virtio/net.h"

#define NUM	4

static const struct blame {
	const char *what;
	unsigned int index;
	uint16_t avail_idx, used_idx, base, head;
	const char *why, *said;
} blames[] = {
	{ "a backend that knows", NET_TX, 1, 0, 1, 0, "a chain has a loop",
	  "TX ring broken: a chain has a loop" },
	{ "avail idx too far ahead", NET_RX, 9, 0, 3, 0, NULL,
	  "RX ring broken: avail idx 9 is 6 ahead of 3, and the ring has 4 "
	  "entries" },
	{ "avail idx going back", NET_RX, 2, 0, 3, 0, NULL,
	  "RX ring broken: avail idx 2 is 65535 ahead of 3, and the ring has 4 "
	  "entries" },
	{ "as far ahead as can be, over the end", NET_TX, 2, 65534, 65534, 4,
	  NULL, "TX ring broken: avail entry 2 names descriptor 4, and the "
	  "ring has 4" },
	{ "no such descriptor", NET_TX, 2, 1, 1, 65535, NULL,
	  "TX ring broken: avail entry 1 names descriptor 65535, and the ring "
	  "has 4" },
	{ "a chain that vhost did not like", NET_RX, 6, 5, 5, 3, NULL,
	  "RX ring broken: avail idx 6, at 5, head descriptor 3: addr "
	  "0x123456789a len 1514 flags 0x3 next 9" },
};

static void test_blame(const struct blame *b)
{
	/* Each of just its size: ASan sees a step outside. */
	struct vring_avail *avail = calloc(1, 6 + 2 * NUM);
	struct vring_used *used = calloc(1, 6 + 8 * NUM);
	struct vring_desc *desc = calloc(NUM, sizeof(*desc));
	struct net_ring ring = {
		.desc = desc, .avail = avail, .used = used,
		.num = NUM, .base = b->base,
	};
	char said[WHY_MAX];

	if (!avail || !used || !desc)
		abort();
	avail->idx = b->avail_idx;
	avail->ring[b->used_idx % NUM] = b->head;
	used->idx = b->used_idx;
	desc[3] = (struct vring_desc) { 0x123456789a, 1514, 3, 9 };
	net_blame(&ring, b->index, b->why, said);
	if (!CHECK(strcmp(said, b->said) == 0, "%s", b->what))
		printf("# said: %s\n", said);
	free(avail);
	free(used);
	free(desc);
}

int main(void)
{
	for (unsigned int i = 0; i < sizeof(blames) / sizeof(blames[0]); i++)
		test_blame(&blames[i]);
	return done();
}
