/* SPDX-License-Identifier: MIT */
/*
 * The serial port against two plain queues: bytes come out in the order they
 * went in, none is made up, and none is lost but where the chip says so.
 * Whatever a driver does, a cause that appears raises the interrupt.
 *
 * Input: steps of 2 bytes: what happens, and a value.
 */
#include <linux/serial_reg.h>

#include "machine/serial.h"
#include "tests/fuzz/fuzz.h"

enum {	/* what happens; 0-7 is a read of that register, 8-15 a write */
	WRITE = 8, RECEIVE = 16, BREAK, TX_READY, OUTSIDE_FULL, OUTSIDE_READY,
	STEPS,
};

#define BREAK_BIT	0x100

static struct {
	uint8_t ier, lcr, mcr, scr, dll, dlm;
	bool fifo;
	bool told;			/* IIR has given away "THR empty" */
	uint16_t rx[SERIAL_FIFO];
	uint8_t tx[SERIAL_FIFO];
	unsigned int rx_len, tx_len;
} model;

static struct serial chip;
static int irq_fd = -1;
static bool outside_full;
static uint8_t sent[2 * SERIAL_FIFO];	/* in this step */
static unsigned int nr_sent;

static bool transmit(void *ctx, uint8_t byte)
{
	MUST(ctx == sent);
	if (outside_full)
		return false;
	MUST(nr_sent < sizeof(sent));
	sent[nr_sent++] = byte;
	return true;
}

static bool loops(void)
{
	return model.mcr & 0x10;
}

static bool dlab(void)
{
	return model.lcr & 0x80;
}

static unsigned int depth(void)
{
	return model.fifo ? SERIAL_FIFO : 1;
}

static void model_arrives(uint16_t entry)
{
	if (model.rx_len < depth())
		model.rx[model.rx_len++] = entry;
}

/* 8.6: causes in the order of their urgency, as IIR shows them. */
static uint8_t model_cause(void)
{
	if (model.ier & 4 && model.rx_len && model.rx[0] & BREAK_BIT)
		return 6;
	if (model.ier & 1 && model.rx_len)
		return 4;
	if (model.ier & 2 && !model.tx_len && !model.told)
		return 2;
	return 1;
}

static uint8_t model_rbr(void)
{
	uint8_t byte = model.rx_len ? model.rx[0] : 0;

	if (model.rx_len)
		memmove(model.rx, model.rx + 1,
			--model.rx_len * sizeof(model.rx[0]));
	return byte;
}

static uint8_t model_lsr(void)
{
	uint8_t lsr = model.tx_len ? 0 : 0x60;

	if (model.rx_len)
		lsr |= model.rx[0] & BREAK_BIT ? 0x11 : 0x01;
	model.rx[0] &= ~BREAK_BIT;
	return lsr;
}

static uint8_t model_read(unsigned int reg)
{
	uint8_t mcr = model.mcr, cause = model_cause();

	switch (reg) {
	case 0: return dlab() ? model.dll : model_rbr();
	case 1: return dlab() ? model.dlm : model.ier;
	case 2:
		model.told |= cause == 2;
		return cause | (model.fifo ? 0xc0 : 0);
	case 3: return model.lcr;
	case 4: return model.mcr;
	case 5: return model_lsr();
	case 6:	/* 8.8: DTR, RTS, OUT1, OUT2 are DSR, CTS, RI, DCD */
		return !loops() ? 0xb0 : (mcr & 1) << 5 | (mcr & 2) << 3 |
					 (mcr & 4) << 4 | (mcr & 8) << 4;
	default: return model.scr;
	}
}

/* The bytes that leave the chip now are the next ones in its queue. */
static void model_leaves(void)
{
	for (unsigned int i = 0; i < nr_sent; i++) {
		MUST(model.tx_len && sent[i] == model.tx[0]);
		memmove(model.tx, model.tx + 1, --model.tx_len);
	}
	nr_sent = 0;
}

static void model_thr(uint8_t val)
{
	model.told = false;
	if (loops())
		model_arrives(val);
	else if (model.tx_len < SERIAL_FIFO)
		model.tx[model.tx_len++] = val;
}

/* 8.5: as tests/unit/serial.c says, switching on keeps what is there. */
static void model_fcr(uint8_t val)
{
	bool fifo = val & 1, toggled = fifo != model.fifo;

	if ((toggled && !fifo) || val & 2)
		model.rx_len = 0;
	if ((toggled || val & 4) && model.tx_len) {
		model.tx_len = 0;
		model.told = false;
	}
	model.fifo = fifo;
}

static void model_write(unsigned int reg, uint8_t val)
{
	switch (reg) {
	case 0:
		if (dlab())
			model.dll = val;
		else
			model_thr(val);
		break;
	case 1:
		if (dlab()) {
			model.dlm = val;
			break;
		}
		if (val & ~model.ier & 2)
			model.told = false;
		model.ier = val & 0x0f;
		break;
	case 2: model_fcr(val);		break;
	case 3: model.lcr = val;	break;
	case 4: model.mcr = val & 0x1f;	break;
	case 7: model.scr = val;	break;
	}
}

static void step(unsigned int what, uint8_t val)
{
	uint8_t keys[3] = { val, val + 1, val + 2 };

	switch (what) {
	case RECEIVE:
		serial_receive(&chip, keys, val % 4);
		for (unsigned int i = 0; i < val % 4 && !loops(); i++)
			model_arrives(keys[i]);
		break;
	case BREAK:
		serial_break(&chip);
		if (!loops())
			model_arrives(BREAK_BIT);
		break;
	case TX_READY:
		serial_tx_ready(&chip);
		break;
	case OUTSIDE_FULL:
	case OUTSIDE_READY:
		outside_full = what == OUTSIDE_FULL;
		break;
	default:
		if (what & WRITE) {
			model_write(what % WRITE, val);
			serial_write(&chip, what % WRITE, val);
		} else {
			MUST(serial_read(&chip, what) == model_read(what));
		}
	}
}

static void begin(void)
{
	if (irq_fd < 0)
		irq_fd = new_eventfd();
	signals(irq_fd);
	nr_sent = 0;
	outside_full = false;
	memset(&model, 0, sizeof(model));
	model.dll = 12;
	model.told = true;
	serial_init(&chip, irq_fd, transmit, sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };

	begin();
	while (in.left) {
		unsigned int what = take(&in, 1) % STEPS;
		uint8_t before = model_cause(), now;

		signals(irq_fd);
		step(what, take(&in, 1));
		if (nr_sent || what == TX_READY)
			model_leaves();
		now = model_cause();
		/* An edge for a new cause, or the driver waits for ever. */
		if (now != before && now != 1)
			MUST(signals(irq_fd) > 0);
		MUST(now != 1 || signals(irq_fd) == 0);
		MUST(serial_room(&chip) ==
		     (loops() || model.rx_len > depth() ? 0 :
		      depth() - model.rx_len));
		MUST(chip.rx_len <= SERIAL_FIFO && chip.tx_len <= SERIAL_FIFO);
	}
	return 0;
}
