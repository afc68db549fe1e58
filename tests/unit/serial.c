/* SPDX-License-Identifier: MIT */
/*
 * The 16550A: what Linux's 8250 driver probes, the two FIFOs, breaks, and that
 * no interrupt is lost.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/serial_reg.h>

#include "machine/serial.h"
#include "tests/unit/check.h"

#define DLAB	0x80
#define THRE	(UART_LSR_THRE | UART_LSR_TEMT)

static struct serial s;
static int irq_fd;

/* The other end of the wire: takes @space bytes, then no more. */
static struct {
	unsigned int space, len;
	uint8_t got[256];
} wire;

static bool transmit(void *ctx, uint8_t byte)
{
	if (ctx != &wire)
		abort();
	if (!wire.space)
		return false;
	wire.space--;
	wire.got[wire.len++ % sizeof(wire.got)] = byte;
	return true;
}

static unsigned int irqs(void)
{
	uint64_t n;

	return read(irq_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void start(void)
{
	irqs();
	memset(&wire, 0, sizeof(wire));
	wire.space = sizeof(wire.got);
	serial_init(&s, irq_fd, transmit, &wire);
}

static uint8_t in(unsigned int reg)
{
	return serial_read(&s, reg);
}

static void out(unsigned int reg, uint8_t val)
{
	serial_write(&s, reg, val);
}

static void type(const char *text)
{
	serial_receive(&s, (const uint8_t *)text, strlen(text));
}

/* As Linux leaves it: FIFOs on, and these interrupts. */
static void start_driver(uint8_t ier)
{
	start();
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	out(UART_IER, ier);
	irqs();
}

/* The steps of autoconfig() in drivers/tty/serial/8250/8250_port.c. */
static void test_autoconfig(void)
{
	start();
	out(UART_IER, 0);
	CHECK((in(UART_IER) & 0x0f) == 0, "IER reads back 0");
	out(UART_IER, 0xff);
	CHECK(in(UART_IER) == 0x0f, "IER reads back 0x0f: no more bits");
	out(UART_IER, 0);

	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	CHECK((in(UART_MSR) & 0xf0) == (UART_MSR_DCD | UART_MSR_CTS),
	      "looped, OUT2 and RTS come back as DCD and CTS");
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	CHECK((in(UART_MSR) & 0xf0) == (UART_MSR_RI | UART_MSR_DSR),
	      "looped, OUT1 and DTR come back as RI and DSR");
	out(UART_MCR, 0);
	CHECK((in(UART_MSR) & 0xf0) ==
	      (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS),
	      "not looped, a terminal is there and ready");

	out(UART_LCR, UART_LCR_CONF_MODE_B);
	out(UART_EFR, 0);
	out(UART_LCR, 0);
	CHECK((in(UART_IIR) & 0xc0) == 0, "FIFOs off: not in IIR");
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	CHECK((in(UART_IIR) & 0xc0) == 0xc0, "FIFOs on: a 16550A, it says");
	out(UART_LCR, UART_LCR_CONF_MODE_A);
	CHECK(in(UART_EFR) != 0, "no EFR: not a 16C650");
	out(UART_LCR, UART_LCR_CONF_MODE_B);
	CHECK(in(UART_EFR) != 0, "no EFR under 0xbf either");
	out(UART_LCR, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	out(UART_LCR, UART_LCR_CONF_MODE_A);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	CHECK(in(UART_IIR) >> 5 == 6, "no 64-byte FIFO: not a 16750");
	out(UART_LCR, 0);

	out(UART_SCR, 0xa5);
	CHECK(in(UART_SCR) == 0xa5, "the scratch register keeps a byte");
}

static void test_divisor(void)
{
	start();
	out(UART_LCR, DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 1);
	out(UART_DLM, 2);
	CHECK(in(UART_DLL) == 1 && in(UART_DLM) == 2, "the divisor is kept");
	CHECK(in(UART_LCR) == (DLAB | UART_LCR_WLEN8), "LCR is kept");
	out(UART_LCR, UART_LCR_WLEN8);
	CHECK(in(UART_IER) == 0 && !wire.len, "and it is not IER, nor sent");
}

/* serial8250_do_startup() asks twice, and distrusts a port silent at either. */
static void test_thre_probe(void)
{
	start_driver(0);
	out(UART_IER, UART_IER_THRI);
	CHECK(irqs() == 1, "enabling THRI with THR empty interrupts");
	CHECK((in(UART_IIR) & 0x0f) == UART_IIR_THRI, "IIR says so ...");
	CHECK(in(UART_IIR) & UART_IIR_NO_INT, "... once");
	out(UART_IER, UART_IER_THRI);
	CHECK(irqs() == 0, "enabling it when it is on does nothing");
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	CHECK(irqs() == 1 && !(in(UART_IIR) & UART_IIR_NO_INT),
	      "off and on again interrupts again");
}

static void test_send(void)
{
	start_driver(UART_IER_THRI);
	in(UART_IIR);
	out(UART_TX, 'a');
	CHECK(wire.len == 1 && wire.got[0] == 'a', "a byte goes out");
	CHECK(in(UART_LSR) == THRE && irqs() == 1,
	      "THR is empty at once, and says so");
	CHECK((in(UART_IIR) & 0x0f) == UART_IIR_THRI, "by IIR too");
}

static void test_send_refused(void)
{
	start_driver(UART_IER_THRI);
	in(UART_IIR);
	wire.space = 2;
	for (unsigned int i = 0; i < 20; i++)
		out(UART_TX, 'a' + i);
	CHECK(wire.len == 2 && !(in(UART_LSR) & THRE), "refused: THR is full");
	irqs();
	CHECK(in(UART_IIR) & UART_IIR_NO_INT, "and no interrupt is due");
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	CHECK(irqs() == 0, "not even when THRI is enabled anew");

	wire.space = 5;
	serial_tx_ready(&s);
	CHECK(wire.len == 7 && !(in(UART_LSR) & THRE) && irqs() == 0,
	      "some room: some bytes, THR still full");
	wire.space = 100;
	serial_tx_ready(&s);
	CHECK(wire.len == 18 && !memcmp(wire.got, "abcdefghijklmnopqr", 18),
	      "room again: the FIFO's sixteen go out, in order");
	CHECK(in(UART_LSR) == THRE && irqs() == 1, "THR empty, interrupt");
	serial_tx_ready(&s);
	CHECK(wire.len == 18, "nothing goes out twice");

	wire.space = 0;
	out(UART_TX, 'x');
	wire.space = 2;
	out(UART_TX, 'y');
	CHECK(wire.len == 18, "a held byte is not overtaken ...");
	serial_tx_ready(&s);
	CHECK(wire.len == 20 && !memcmp(wire.got + 18, "xy", 2),
	      "... and both go out when there is room");

	out(UART_TX, 'z');
	irqs();
	in(UART_IIR);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
	wire.space = 1;
	serial_tx_ready(&s);
	CHECK(in(UART_LSR) == THRE && wire.len == 20 && irqs() == 1,
	      "a cleared FIFO is empty and sends nothing");
}

static void test_receive(void)
{
	start_driver(UART_IER_RDI);
	CHECK(serial_room(&s) == 16 && in(UART_LSR) == THRE, "sixteen free");
	CHECK(in(UART_RX) == 0, "an empty FIFO reads 0");
	type("abc");
	CHECK(irqs() == 1 && serial_room(&s) == 13, "three bytes, one irq");
	CHECK((in(UART_IIR) & 0x0f) == UART_IIR_RDI, "IIR says data");
	CHECK(in(UART_LSR) == (THRE | UART_LSR_DR), "and so does LSR");
	CHECK(in(UART_RX) == 'a' && in(UART_RX) == 'b', "oldest first");
	CHECK(!(in(UART_IIR) & UART_IIR_NO_INT), "one left: still due");
	CHECK(in(UART_RX) == 'c' && (in(UART_IIR) & UART_IIR_NO_INT),
	      "all read: no longer due");
	irqs();
	type("d");
	CHECK(irqs() == 1, "the next byte interrupts again");

	type("0123456789abcdefghij");
	CHECK(serial_room(&s) == 0, "too much: the FIFO is full ...");
	CHECK(in(UART_RX) == 'd' && in(UART_RX) == '0', "... the oldest kept");
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	CHECK(serial_room(&s) == 16 && !(in(UART_LSR) & UART_LSR_DR),
	      "cleared");

	type("xyz");
	out(UART_FCR, 0);
	CHECK(serial_room(&s) == 1 && !(in(UART_LSR) & UART_LSR_DR),
	      "FIFOs off: emptied, and one byte deep");
}

static void test_loopback(void)
{
	start_driver(0);
	out(UART_MCR, UART_MCR_LOOP);
	CHECK(serial_room(&s) == 0, "looped: no room for the wire");
	type("x");
	serial_break(&s);
	CHECK(!(in(UART_LSR) & UART_LSR_DR), "and it is cut off");
	for (unsigned int i = 0; i < 40; i++)
		out(UART_TX, i);
	CHECK(!wire.len && in(UART_LSR) == (THRE | UART_LSR_DR),
	      "what is sent comes back instead");
	for (unsigned int i = 0; i < 16; i++)
		if (in(UART_RX) != i)
			break;
	CHECK(!(in(UART_LSR) & UART_LSR_DR), "sixteen bytes of it");
	out(UART_MCR, 0);
	CHECK(serial_room(&s) == 16, "room again when not looped");
}

static void test_break(void)
{
	start_driver(UART_IER_RDI | UART_IER_RLSI);
	type("a");
	serial_break(&s);
	type("t");
	irqs();
	CHECK(!(in(UART_LSR) & UART_LSR_BI), "a break behind a byte waits");
	CHECK(in(UART_RX) == 'a' && irqs() == 1,
	      "it interrupts when its turn comes");
	CHECK((in(UART_IIR) & 0x0f) == UART_IIR_RLSI, "as line status, first");
	CHECK(in(UART_LSR) & UART_LSR_BI, "LSR says break");
	CHECK(!(in(UART_LSR) & UART_LSR_BI), "reading LSR ends it");
	CHECK((in(UART_IIR) & 0x0f) == UART_IIR_RDI && in(UART_RX) == 0,
	      "its byte is there, and 0");
	CHECK(!(in(UART_LSR) & UART_LSR_BI) && in(UART_RX) == 't',
	      "the key after it is an ordinary byte");

	serial_break(&s);
	in(UART_RX);
	CHECK(!(in(UART_LSR) & UART_LSR_BI), "unread, it leaves with its byte");
	type("u");
	CHECK(!(in(UART_LSR) & UART_LSR_BI), "and marks no other");
}

/* A driver that serves one cause per edge must get an edge for each. */
static void test_edges(void)
{
	start_driver(UART_IER_RDI | UART_IER_THRI);
	in(UART_IIR);
	irqs();
	type("a");
	out(UART_TX, 'b');
	CHECK(irqs() == 2, "two causes, two edges");
	in(UART_RX);
	CHECK(irqs() == 1, "one served, the other gives a new edge");
	in(UART_IIR);
	CHECK(irqs() == 0, "both served, none");

	start();
	type("a");
	CHECK(irqs() == 0, "nothing enabled, no interrupt");
	out(UART_IER, UART_IER_RDI);
	CHECK(irqs() == 1, "enabling what is due interrupts");

	serial_init(&s, -1, transmit, &wire);
	out(UART_IER, UART_IER_THRI);
	CHECK(in(UART_IIR) == UART_IIR_THRI, "no eventfd: can be polled");
}

/* Whether an interrupt is due whose edge nobody ever sent. */
static bool edge_lost(bool was_due)
{
	bool due = s.pending != 0;

	return irqs() == 0 && due && !was_due;
}

static void test_hostile(void)
{
	static const uint8_t junk[64];
	bool bounded = true, lost = false;

	start();
	srand(1);
	for (unsigned int n = 0; n < 1000000; n++) {
		bool was_due = s.pending != 0;
		unsigned int reg = rand() % 10;

		wire.space = rand() % 4 ? 0 : rand() % 4;
		switch (rand() % 8) {
		case 0:
			serial_receive(&s, junk, rand() % sizeof(junk));
			break;
		case 1:
			serial_break(&s);
			break;
		case 2:
			serial_tx_ready(&s);
			break;
		case 3:
		case 4:
			in(reg);
			break;
		default:
			out(reg, rand());
		}
		bounded &= serial_room(&s) <= 16 && s.tx_len <= 16 &&
			   s.rx_len <= 16;
		lost |= edge_lost(was_due);
	}
	CHECK(bounded, "a million random accesses stay within the FIFOs");
	CHECK(!lost, "and no interrupt came due without its edge");
}

int main(void)
{
	irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (irq_fd < 0)
		return 1;

	test_autoconfig();
	test_divisor();
	test_thre_probe();
	test_send();
	test_send_refused();
	test_receive();
	test_loopback();
	test_break();
	test_edges();
	test_hostile();
	return done();
}
