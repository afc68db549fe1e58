/* SPDX-License-Identifier: MIT */
/*
 * The serial port: words go out, and single letters come in, by interrupt.
 */
#include "tiny.h"

#define PORT		0x3f8		/* COM1, as on every PC */
#define GSI		4
#define DATA		(PORT + 0)	/* registers: PC16550D data sheet */
#define IER		(PORT + 1)
#define FCR		(PORT + 2)
#define LCR		(PORT + 3)
#define MCR		(PORT + 4)
#define LSR		(PORT + 5)
#define LSR_DATA	0x01
#define LSR_THR_EMPTY	0x20

static volatile char mailbox;		/* the last letter, until it is read */

void serial_start(void)
{
	out8(LCR, 0x03);		/* 8 bits, no parity, one stop bit */
	out8(MCR, 0x0b);		/* DTR, RTS; OUT2 lets interrupts out */
	out8(FCR, 0x07);		/* FIFOs on, and empty */
	out8(IER, 0x01);		/* tell when there is data */
	ioapic_route(GSI, VECTOR_GSI(GSI));
	serial_interrupt();		/* what came before has no edge left */
}

void serial_interrupt(void)
{
	while (in8(LSR) & LSR_DATA)
		mailbox = in8(DATA);
}

/* The letter that was typed, or 0. */
char key(void)
{
	char c = mailbox;

	if (c)
		mailbox = 0;
	return c;
}

char wait_key(void)
{
	unsigned int seen;
	char c;

	do {
		seen = events;
		c = key();
	} while (!c && wait_event(seen, FOREVER));
	return c;
}

static void put_char(char c)
{
	if (c == '\n')
		put_char('\r');
	while (!(in8(LSR) & LSR_THR_EMPTY))
		;
	out8(DATA, c);
}

static void put_text(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void put_number(uint64_t n, unsigned int base)
{
	char digits[24], *p = digits + sizeof(digits);

	*--p = '\0';
	do
		*--p = "0123456789abcdef"[n % base];
	while (n /= base);
	put_text(p);
}

/* printf() with no more than %s, %u, %x, %lu and %lx. */
void say_list(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool wide = false;

		if (*fmt != '%') {
			put_char(*fmt);
			continue;
		}
		if (*++fmt == 'l') {
			wide = true;
			fmt++;
		}
		if (*fmt == 's')
			put_text(va_arg(ap, const char *));
		else
			put_number(wide ? va_arg(ap, uint64_t) :
					  va_arg(ap, unsigned int),
				   *fmt == 'x' ? 16 : 10);
	}
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_list(fmt, ap);
	va_end(ap);
}
