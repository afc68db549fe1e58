/* SPDX-License-Identifier: MIT */
/*
 * indirect: a table of descriptors that is no such thing.
 *
 * The ring is broken, and named.  (vhost takes a table and the next descriptor
 * after it for one chain: vhost_get_vq_desc() goes on after get_indirect().)
 *
 * A chain that is longer than the ring, which a driver must not make (2.7.5.3.1),
 * both backends take all the same, up to 1024 descriptors, because that is what
 * they have room for.  A table with room for more than a ring can have is broken
 * to vhost at once; the other backend looks at what is used of it.
 *
 * strict: loop
 * expect and-next vhost: broken 0
 * expect longer-than-the-ring: broken 0
 * expect table-65537 user: broken 0
 * expect *: broken 1 TX ring broken
 */
#include "hostile.h"

static void table(struct card *c, uint64_t addr, uint32_t len, uint16_t flags)
{
	const struct desc d[] = {
		{ addr, len, INDIRECT | flags, 1 }, { 0x200000, 64, 0, 0 },
	};

	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, d, 2);
}

/* A table of one descriptor, which leads to another table, or out of it. */
static void inner(struct card *c, uint64_t flags)
{
	struct desc *d = (struct desc *)scratch();

	*d = (struct desc) { (uintptr_t)(d + 1), 16, flags, 1 };
	d[1] = (struct desc) { 0x200000, 64, 0, 0 };
	table(c, (uintptr_t)d, 16, 0);
}

static void length(struct card *c, uint64_t len)
{
	struct desc *d = (struct desc *)scratch();

	*d = (struct desc) { 0x200000, 64, 0, 0 };
	table(c, (uintptr_t)d, len, 0);
}

static void and_next(struct card *c, uint64_t unused)
{
	struct desc *d = (struct desc *)scratch();

	(void)unused;
	*d = (struct desc) { 0x200000, 64, 0, 0 };
	table(c, (uintptr_t)d, 16, NEXT);
}

static void address(struct card *c, uint64_t gpa)
{
	table(c, gpa, 32, 0);
}

static void loop(struct card *c, uint64_t unused)
{
	struct desc *d = (struct desc *)scratch();

	(void)unused;
	d[0] = (struct desc) { 0x200000, 64, NEXT, 1 };
	d[1] = (struct desc) { 0x200000, 64, NEXT, 0 };
	table(c, (uintptr_t)d, 32, 0);
}

/* A frame of @n bytes, one in each; the header has a descriptor of its own. */
static void longer(struct card *c, uint64_t n)
{
	struct desc *d = (struct desc *)scratch();
	const struct desc t = {
		(uintptr_t)d, (n + 1) * sizeof(*d), INDIRECT, 0
	};

	memset((void *)0x200000, 0, 0x1000);
	d[0] = (struct desc) { 0x200000, sizeof(struct net_header), NEXT, 1 };
	for (unsigned int i = 1; i <= n; i++)
		d[i] = (struct desc) { 0x200000 + i, 1, i < n ? NEXT : 0, i + 1 };
	card_up(c, ALL_FEATURES);
	tx_chain_kick(c, &t, 1);
	if (n < 1024)
		tx_wait(c);
}

/* Zeroes, somewhere: a chain of one descriptor, with no bytes. */
static void big_table(struct card *c, uint64_t n)
{
	memset((void *)0x200000, 0, n * sizeof(struct desc));
	table(c, 0x200000, n * sizeof(struct desc), 0);
}

const struct misdeed misdeeds[] = {
	{ "nested", inner, INDIRECT }, { "next-off-the-end", inner, NEXT },
	{ "and-next", and_next, 0 }, { "loop", loop, 0 },
	{ "length-0", length, 0 }, { "length-17", length, 17 },
	{ "length-8", length, 8 }, { "length-2^32-1", length, ~0U },
	{ "length-2^32-16", length, -16U },
	{ "no-ram", address, 0x40000000 }, { "hole", address, 0xd0001000 },
	{ "wrap", address, -16ULL },
	{ "longer-than-the-ring", longer, 1023 },
	{ "longer-than-1024", longer, 1024 },
	{ "table-65537", big_table, 65537 }, { 0 }
};
