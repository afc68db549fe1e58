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

/* Have the card interrupt; it has done so, if ever, when this is over. */
static void provoke(struct card *c)
{
	static uint8_t frame[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	for (unsigned int i = 0; i < 2; i++)
		card_send(c, frame, sizeof(frame));
	put(c, QUEUE_NOTIFY, RX);
	tx_wait(c);
}

/* TX interrupts are on, without EVENT_IDX. */
static void interrupts_on(struct card *c)
{
	card_up(c, 0);
	c->ring[TX].avail->flags = 0;
}

static void entry(struct card *c, uint64_t rte)
{
	uint8_t index = 0x10 + 2 * hw.card[c->index].gsi;

	ioapic_put(index + 1, rte >> 32);
	ioapic_put(index, rte);
	provoke(c);
	ioapic_put(index, rte | 1 << 16);	/* masked, and open again */
	ioapic_put(index, rte);
	provoke(c);
}

/* Lowest priority, SMI, reserved, NMI, INIT, reserved, ExtINT; and level. */
static void modes(struct card *c, uint64_t unused)
{
	(void)unused;
	interrupts_on(c);
	for (unsigned int mode = 1; mode < 8; mode++)
		entry(c, mode << 8 | 0x45);
	entry(c, 1 << 15 | 0x45);
}

/* A CPU that is not there, by its number and as a set. */
static void nobody(struct card *c, uint64_t unused)
{
	(void)unused;
	interrupts_on(c);
	entry(c, 0x55ULL << 56 | 0x45);
	entry(c, 0x55ULL << 56 | 1 << 11 | 0x45);
}

/* Every vector that an interrupt cannot have. */
static void vectors_low(struct card *c, uint64_t unused)
{
	(void)unused;
	interrupts_on(c);
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

/* 32 bits are what the chip knows; but for those of the data register. */
static void window(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	for (unsigned int at = 0; at < 0x100; at++)
		for (unsigned int width = 1; width <= 8; width *= 2) {
			if (width == 4 || (at >= 0x10 && at < 0x20))
				continue;
			store(hw.ioapic + at, width, noise() & 0x0f);
			load(hw.ioapic + at, width);
		}
}

const struct misdeed misdeeds[] = {
	{ "modes", modes, 0 }, { "nobody", nobody, 0 },
	{ "vectors-low", vectors_low, 0 }, { "indices", indices, 0 },
	{ "window", window, 0 }, { 0 }
};
