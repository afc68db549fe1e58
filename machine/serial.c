/* SPDX-License-Identifier: MIT */
/*
 * A 16550A as Linux's 8250 driver expects to find it.  Section numbers are
 * those of National's PC16550D data sheet.
 *
 * Time is left out: a byte takes none on the wire, the divisor sets no speed,
 * and there is no receive timeout, since data is announced from the first byte
 * on.  The modem lines never change, except when looped.
 */
#include <string.h>
#include <unistd.h>
#include <linux/serial_reg.h>

#include "machine/serial.h"

#define RX_BREAK	0x100		/* beside a byte of rx[] */

#define IER_BITS	0x0f
#define MCR_BITS	0x1f
#define IIR_FIFO	0xc0		/* 8.6: both set when FIFOs are on */

/* A terminal is there, and always ready. */
#define MSR_READY	(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

/*
 * Power-on state.  @irq_fd stays the caller's and is never closed here.
 *
 * @transmit takes a byte the guest sends.  False means no room now: the chip
 * keeps the byte and offers it again in serial_tx_ready().
 */
void serial_init(struct serial *s, int irq_fd,
		 bool (*transmit)(void *ctx, uint8_t byte), void *ctx)
{
	*s = (struct serial) {
		.irq_fd	  = irq_fd,
		.transmit = transmit,
		.ctx	  = ctx,
		.dll	  = 12,		/* 9600, as a PC's firmware leaves it */
	};
}

/* ---- The interrupt ---- */

/* What asks for an interrupt now, as IER bits. */
static uint8_t sources(const struct serial *s)
{
	uint8_t on = 0;

	if (s->rx_len)
		on |= UART_IER_RDI;
	if (s->rx_len && (s->rx[0] & RX_BREAK))
		on |= UART_IER_RLSI;
	if (s->thri)
		on |= UART_IER_THRI;
	return on & s->ier;
}

/*
 * Raise the interrupt if what is pending has changed and is not nothing.
 *
 * The real chip holds its line up until all is served; ours is an edge.  A
 * driver that serves one cause per interrupt would wait for ever for the edge
 * of the second, so one cause gone and another left is also worth an edge.
 */
static void update_irq(struct serial *s)
{
	uint8_t was = s->pending;
	uint64_t one = 1;

	s->pending = sources(s);
	if (!s->pending || s->pending == was || s->irq_fd < 0)
		return;
	if (write(s->irq_fd, &one, sizeof(one)) < 0)
		return;		/* full: it is about to be raised anyway */
}

/* 8.6: the most urgent cause; reading "THR empty" is what ends that one. */
static uint8_t read_iir(struct serial *s)
{
	uint8_t fifo = s->fifo ? IIR_FIFO : 0;
	uint8_t on = sources(s);

	if (on & UART_IER_RLSI)
		return fifo | UART_IIR_RLSI;
	if (on & UART_IER_RDI)
		return fifo | UART_IIR_RDI;
	if (on & UART_IER_THRI) {
		s->thri = false;
		return fifo | UART_IIR_THRI;
	}
	return fifo | UART_IIR_NO_INT;
}

/* 8.7: switching the "THR empty" interrupt on raises it if THR is empty. */
static void write_ier(struct serial *s, uint8_t val)
{
	if (!(s->ier & UART_IER_THRI) && (val & UART_IER_THRI))
		s->thri = !s->tx_len;
	s->ier = val & IER_BITS;
}

/* ---- Receiving ---- */

static unsigned int rx_depth(const struct serial *s)
{
	return s->fifo ? SERIAL_FIFO : 1;
}

static bool looped(const struct serial *s)
{
	return s->mcr & UART_MCR_LOOP;
}

/* How many bytes serial_receive() takes now.  None while the port is looped. */
unsigned int serial_room(const struct serial *s)
{
	return looped(s) ? 0 : rx_depth(s) - s->rx_len;
}

/* Put one entry in the receive FIFO, or lose it if that is full. */
static void rx_push(struct serial *s, uint16_t entry)
{
	if (s->rx_len < rx_depth(s))
		s->rx[s->rx_len++] = entry;
}

/* Take the oldest byte, break mark and all.  An empty FIFO gives 0. */
static uint8_t rx_pop(struct serial *s)
{
	uint8_t byte = s->rx[0];

	if (!s->rx_len)
		return 0;
	s->rx_len--;
	memmove(s->rx, s->rx + 1, s->rx_len * sizeof(s->rx[0]));
	return byte;
}

/* Bytes arrive on the wire.  What is beyond serial_room() is lost. */
void serial_receive(struct serial *s, const uint8_t *buf, unsigned int n)
{
	if (looped(s))
		return;			/* 8.8: the input pin is cut off */

	for (unsigned int i = 0; i < n; i++)
		rx_push(s, buf[i]);
	update_irq(s);
}

/*
 * A break arrives: Linux takes the byte after it for a SysRq key.  With no
 * room it is lost, as a byte would be, and a person tries again.
 */
void serial_break(struct serial *s)
{
	if (looped(s))
		return;

	rx_push(s, RX_BREAK);
	update_irq(s);
}

/* ---- Sending ---- */

/*
 * Linux writes sixteen bytes when told that THR is empty, without looking in
 * between.  So what transmit() refuses needs a FIFO too, or text is lost.
 */
static void tx_hold(struct serial *s, uint8_t byte)
{
	if (s->tx_len < SERIAL_FIFO)
		s->tx[s->tx_len++] = byte;
}

/* The guest writes THR.  What is held goes first, so order is kept. */
static void send(struct serial *s, uint8_t byte)
{
	if (looped(s))
		rx_push(s, byte);
	else if (s->tx_len || !s->transmit(s->ctx, byte))
		tx_hold(s, byte);

	s->thri = !s->tx_len;		/* 8.6: emptied again at once, or not */
}

/* transmit() may be asked again.  Harmless when there is nothing to send. */
void serial_tx_ready(struct serial *s)
{
	unsigned int sent = 0;

	if (!s->tx_len)
		return;
	while (sent < s->tx_len && s->transmit(s->ctx, s->tx[sent]))
		sent++;
	s->tx_len -= sent;
	memmove(s->tx, s->tx + sent, s->tx_len);

	s->thri = !s->tx_len;
	update_irq(s);
}

/* ---- The registers ---- */

/*
 * 8.5: FIFO control.  Switching the FIFOs on or off empties them, but for one
 * byte: Linux opens its port with interrupts on first and the FIFO on last, and
 * the first key of what was typed ahead would be gone.
 */
static void write_fcr(struct serial *s, uint8_t val)
{
	bool fifo = val & UART_FCR_ENABLE_FIFO;
	bool toggled = fifo != s->fifo;

	if ((toggled && s->fifo) || (val & UART_FCR_CLEAR_RCVR))
		s->rx_len = 0;
	s->fifo = fifo;
	if (s->tx_len && (toggled || (val & UART_FCR_CLEAR_XMIT))) {
		s->tx_len = 0;
		s->thri = true;
	}
}

/* 8.4: the status belongs to the oldest byte, and reading it ends a break. */
static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = 0;

	if (s->rx_len)
		lsr |= UART_LSR_DR;
	if (s->rx_len && (s->rx[0] & RX_BREAK))
		lsr |= UART_LSR_BI;
	if (!s->tx_len)
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;

	s->rx[0] &= ~RX_BREAK;
	return lsr;
}

/* 8.8, 8.9: looped, the four outputs come back as the four inputs. */
static uint8_t read_msr(const struct serial *s)
{
	uint8_t msr = 0;

	if (!looped(s))
		return MSR_READY;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

/* LCR's top bit puts the divisor in the place of the first two registers. */
static bool divisor_selected(const struct serial *s)
{
	return s->lcr & UART_LCR_DLAB;
}

static uint8_t read_reg(struct serial *s, unsigned int reg)
{
	switch (reg) {
	case UART_RX:
		return divisor_selected(s) ? s->dll : rx_pop(s);
	case UART_IER:
		return divisor_selected(s) ? s->dlm : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	case UART_SCR:
		return s->scr;
	default:
		return 0xff;		/* not one of ours: a floating bus */
	}
}

static void write_reg(struct serial *s, unsigned int reg, uint8_t val)
{
	switch (reg) {
	case UART_TX:
		if (divisor_selected(s))
			s->dll = val;
		else
			send(s, val);
		break;
	case UART_IER:
		if (divisor_selected(s))
			s->dlm = val;
		else
			write_ier(s, val);
		break;
	case UART_FCR:
		write_fcr(s, val);
		break;
	case UART_LCR:
		s->lcr = val;
		break;
	case UART_MCR:
		s->mcr = val & MCR_BITS;
		break;
	case UART_SCR:
		s->scr = val;
		break;
	}				/* LSR and MSR are read-only here */
}

/*
 * The guest reads register @reg, 0 to 7.  That may make room for input: the
 * caller looks at serial_room() after this and after serial_write().
 */
uint8_t serial_read(struct serial *s, unsigned int reg)
{
	uint8_t val = read_reg(s, reg);

	update_irq(s);
	return val;
}

/* The guest writes register @reg, 0 to 7. */
void serial_write(struct serial *s, unsigned int reg, uint8_t val)
{
	write_reg(s, reg, val);
	update_irq(s);
}
