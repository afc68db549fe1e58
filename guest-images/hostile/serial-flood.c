/* SPDX-License-Identifier: MIT */
/*
 * serial-flood: the serial port with all line settings, FIFO and modem bits,
 * and more bytes, in and out, than anybody wants.
 *
 * The console is a mess; the cards do not care, and the port works when it is
 * set up again.  (run.t types a flood of its own before each step here.)
 *
 * cards: 1
 * expect *: broken 0
 */
#include "hostile.h"

#define PORT	0x3f8

static void all_of(unsigned int reg)
{
	for (unsigned int val = 0; val < 256; val++) {
		out8(PORT + reg, val);
		out8(PORT, 'x');
		in8(PORT + 2);
		in8(PORT + 5);
		in8(PORT);
	}
	serial_start();
}

/* Interrupts, FIFO, line, modem, and two that are for reading. */
static void settings(struct card *c, uint64_t unused)
{
	(void)c;
	(void)unused;
	for (unsigned int reg = 1; reg < 7; reg++)
		all_of(reg);
}

static void out(struct card *c, uint64_t bytes)
{
	(void)c;
	while (bytes--)
		out8(PORT, bytes % 64 ? 'y' : '\n');
}

/* Looped, what is sent comes in again, and the FIFO has an end. */
static void looped(struct card *c, uint64_t bytes)
{
	(void)c;
	out8(PORT + 4, 0x1f);
	while (bytes--)
		out8(PORT, bytes);
	serial_start();
	while (in8(PORT + 5) & 1)
		in8(PORT);
}

const struct misdeed misdeeds[] = {
	{ "settings", settings, 0 },
	{ "out", out, 5000 }, { "looped", looped, 500 }, { 0 }
};
