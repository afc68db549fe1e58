/* SPDX-License-Identifier: MIT */
/*
 * ioapic: the card's redirection entry asks for what no device of ours sends, or
 * for a CPU that is not there, and the chip's window is written all over.
 *
 * No such interrupt is sent; nobody else's is lost.
 *
 * expect *: broken 0
 */
#include "hostile.h"

static void provoke(struct card *c)
{
	static uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	for (unsigned int i = 0; i < 4; i++)
		card_send(c, frame, sizeof(frame));
	put(c, QUEUE_NOTIFY, RX);
}

static void entry(struct card *c, uint64_t rte)
{
	uint8_t index = 0x10 + 2 * hw.card[c->index].gsi;

	card_up(c, 0);			/* TX interrupts are on, without EVENT_IDX */
	c->ring[TX].avail->flags = 0;
	ioapic_put(index + 1, rte >> 32);
	ioapic_put(index, rte);
	provoke(c);
	ioapic_put(index, rte | 1 << 16);	/* masked, and open again */
	ioapic_put(index, rte);
	provoke(c);
}

/* Every vector that an interrupt cannot have. */
static void vectors_low(struct card *c, uint64_t unused)
{
	(void)unused;
	for (unsigned int vector = 0; vector < 16; vector++)
		entry(c, vector);
}

/* Any index, any value, but for the entries of others: those are 4, 6 and 7. */
static void indices(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	for (unsigned int index = 0; index < 256; index++)
		if (index < 0x10 || index >= 0x20)
			ioapic_put(index, noise() | 1 << 16);
}

static void window(struct card *c, uint64_t width)
{
	(void)c;
	for (unsigned int at = 0; at < 0x100; at++)
		if (at >= 0x20 || at < 0x10) {
			store(hw.ioapic + at, width, noise() & 0x0f);
			load(hw.ioapic + at, width);
		}
}

#define MODE(n)	((n) << 8 | 0x45)

const struct misdeed misdeeds[] = {
	{ "lowest", entry, MODE(1) }, { "smi", entry, MODE(2) },
	{ "reserved-3", entry, MODE(3) }, { "nmi", entry, MODE(4) },
	{ "init", entry, MODE(5) }, { "reserved-6", entry, MODE(6) },
	{ "extint", entry, MODE(7) }, { "level", entry, MODE(0) | 1 << 15 },
	{ "nobody", entry, 0x55ULL << 56 | 0x45 },
	{ "nobody-logical", entry, 0x55ULL << 56 | 1 << 11 | 0x45 },
	{ "vectors-low", vectors_low, 0 }, { "indices", indices, 0 },
	{ "window-1", window, 1 }, { "window-2", window, 2 },
	{ "window-8", window, 8 }, { 0 }
};
