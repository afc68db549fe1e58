/* SPDX-License-Identifier: MIT */
/*
 * A 16550A serial port, the chip only: eight registers, two FIFOs, one
 * interrupt.  What its wires lead to is the owner's affair.
 *
 * The caller holds the device lock in every call.
 */
#ifndef MACHINE_SERIAL_H
#define MACHINE_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PORT	0x3f8		/* COM1, where every PC has it */
#define SERIAL_REGS	8		/* ports from there on */
#define SERIAL_GSI	4		/* its interrupt, as on every PC */

#define SERIAL_FIFO	16		/* bytes, in each direction */

struct serial {
	int irq_fd;			/* eventfd of its interrupt, or -1 */
	bool (*transmit)(void *ctx, uint8_t byte);
	void *ctx;

	uint8_t ier, lcr, mcr, scr;	/* as the guest left them */
	uint8_t dll, dlm;		/* the divisor: kept, and ignored */
	bool fifo;			/* FCR bit 0; without, one byte deep */

	bool thri;			/* "THR empty" not yet told by IIR */
	uint8_t pending;		/* IER bits whose interrupt is due */

	unsigned int rx_len, tx_len;	/* entries in use; the oldest is [0] */
	uint16_t rx[SERIAL_FIFO];	/* a byte, and whether it is a break */
	uint8_t tx[SERIAL_FIFO];	/* what transmit() refused */
};

void serial_init(struct serial *s, int irq_fd,
		 bool (*transmit)(void *ctx, uint8_t byte), void *ctx);
uint8_t serial_read(struct serial *s, unsigned int reg);
void serial_write(struct serial *s, unsigned int reg, uint8_t val);
unsigned int serial_room(const struct serial *s);
void serial_receive(struct serial *s, const uint8_t *buf, unsigned int n);
void serial_break(struct serial *s);
void serial_tx_ready(struct serial *s);

#endif
