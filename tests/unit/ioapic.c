/* SPDX-License-Identifier: MIT */
/*
 * The IOAPIC: which entries become which MSI, when, and in what order with the
 * kick that follows.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "machine/ioapic.h"
#include "tests/unit/check.h"

#define PIN		5
#define MASKED		0x10000u
#define LEVEL		0x8000u
#define REMOTE_IRR	(1ULL << 14)

/* What the owner of the chip has been told. */
static struct {
	unsigned int calls, pin;
	bool routed;
	bool kicked_before;	/* the pin was raised with no route set yet */
	struct msi msi;
} told;

static struct ioapic io;
static int pin_fd;

static unsigned int kicks(void)
{
	uint64_t n;

	return read(pin_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void route(void *ctx, unsigned int pin, const struct msi *msi)
{
	if (ctx != &told)
		abort();
	told.calls++;
	told.pin = pin;
	if (pin == PIN)
		told.kicked_before |= kicks() != 0;
	told.routed = msi;
	if (msi)
		told.msi = *msi;
}

static void start(void)
{
	kicks();
	memset(&told, 0, sizeof(told));
	ioapic_init(&io, route, &told);
	ioapic_attach(&io, PIN, pin_fd);
}

static void set(uint32_t index, uint32_t val)
{
	ioapic_write(&io, 0x00, index);
	ioapic_write(&io, 0x10, val);
}

static uint32_t get(uint32_t index)
{
	ioapic_write(&io, 0x00, index);
	return ioapic_read(&io, 0x10);
}

static void set_low(uint32_t val)
{
	set(0x10 + 2 * PIN, val);
}

static void set_high(uint32_t val)
{
	set(0x11 + 2 * PIN, val);
}

/* Whether the last step made @calls calls and @raised kicks; counts anew. */
static bool saw(unsigned int calls, unsigned int raised)
{
	bool ok = told.calls == calls && kicks() == raised;

	told.calls = 0;
	return ok;
}

static void test_registers(void)
{
	bool masked = true;

	start();
	CHECK(get(1) == (0x11 | 23 << 16), "version 0x11, 24 entries");
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		masked &= get(0x10 + 2 * pin) == MASKED &&
			  get(0x11 + 2 * pin) == 0;
	CHECK(masked, "every entry starts masked");

	set(0, ~0u);
	CHECK(get(0) == 0x0f000000, "the id has four bits");
	CHECK(get(2) == 0x0f000000, "the arbitration id is the id");
	set(1, ~0u);
	CHECK(get(1) == (0x11 | 23 << 16), "the version cannot be written");

	ioapic_write(&io, 0x00, 0x12345601);
	CHECK(ioapic_read(&io, 0x00) == 1, "the index register has eight bits");
	ioapic_write(&io, 0x40, 0x20);
	CHECK(ioapic_read(&io, 0x40) == 0 && ioapic_read(&io, 0xffc) == 0,
	      "other offsets read 0");
	CHECK(saw(0, 0), "none of this routes anything");
}

static void test_guest_bits(void)
{
	start();
	set_low(~0u);
	set_high(~0u);
	CHECK(get(0x10 + 2 * PIN) == 0x1afff,
	      "reserved and read-only bits stay 0 in the low half");
	CHECK(get(0x11 + 2 * PIN) == 0xff000000,
	      "only the destination is kept in the high half");
}

static void test_route(void)
{
	start();
	set_high(0x03000000);
	set_low(MASKED | 0x31);
	CHECK(saw(0, 0), "a masked entry is not routed");

	set_low(0x31);
	CHECK(saw(1, 1), "unmasking routes once and kicks once");
	CHECK(told.pin == PIN && told.routed && !told.kicked_before,
	      "the route is set before the kick");
	CHECK(told.msi.addr == 0xfee03000 && told.msi.data == 0x31,
	      "fixed, physical: the message is right");

	set_low(0x31);
	set_high(0x03000000);
	CHECK(saw(0, 0), "the same values again change nothing");
	set_low(0x31 | 1 << 13);
	CHECK(saw(0, 0), "polarity changes nothing");
	set_low(0x31 | 1 << 12 | 1 << 14);
	CHECK(saw(0, 0), "nor do the read-only bits");

	set_high(0x01000000);
	CHECK(saw(1, 1) && told.msi.addr == 0xfee01000,
	      "another CPU: one call, one kick");
	set_low(0x42);
	CHECK(saw(1, 1) && told.msi.data == 0x42,
	      "another vector: one call, one kick");

	set_low(0x42 | MASKED);
	CHECK(saw(1, 0) && !told.routed, "masking removes the route, no kick");
	set_high(0x07000000);
	CHECK(saw(0, 0), "a masked entry may be moved in silence");
	set_low(0x42);
	CHECK(saw(1, 1) && told.msi.addr == 0xfee07000,
	      "and is routed to the new place when unmasked");
}

static void test_message(void)
{
	start();
	set_high(0xff000000);
	set_low(0x0100 | 0x0800 | 0xfe);
	CHECK(told.msi.addr == 0xfeeff004 && told.msi.data == 0x01fe,
	      "lowest priority, logical, every CPU");
	set_low(LEVEL | 0x31);
	CHECK(told.msi.addr == 0xfeeff000 && told.msi.data == 0xc031,
	      "level: the message says level, asserted");
	CHECK(told.routed, "a level entry is routed too");
}

static void test_refused(void)
{
	for (unsigned int mode = 2; mode < 8; mode++) {
		start();
		set_low(mode << 8 | 0x31);
		CHECK(saw(0, 0), "delivery mode %u has no route", mode);
	}
	for (unsigned int mode = 0; mode < 2; mode++) {
		start();
		set_low(mode << 8 | 15);
		CHECK(saw(0, 0), "vector 15 in mode %u has no route", mode);
		set_low(mode << 8 | 16);
		CHECK(saw(1, 1), "vector 16 in mode %u has one", mode);
		set_low(4 << 8 | 16);
		CHECK(saw(1, 0) && !told.routed, "making it an NMI ends it");
	}
}

static void test_pins(void)
{
	bool each = true;

	start();
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		set(0x10 + 2 * pin, 0x20 + pin);
		each &= told.pin == pin && told.msi.data == 0x20 + pin;
	}
	CHECK(each && told.calls == IOAPIC_PINS, "each pin has its own route");
	CHECK(kicks() == 1, "a pin with no eventfd is not kicked");

	start();
	ioapic_attach(&io, PIN, -1);
	set_low(0x31);
	CHECK(saw(1, 0), "nor is one whose eventfd was taken away");
}

static void test_eoi(void)
{
	start();
	set_low(LEVEL | 0x31);
	io.rte[PIN] |= REMOTE_IRR;
	saw(1, 1);

	ioapic_eoi(&io, 0x32);
	CHECK(get(0x10 + 2 * PIN) & REMOTE_IRR, "EOI of another vector: kept");
	set_low(LEVEL | 0x31);
	CHECK(get(0x10 + 2 * PIN) & REMOTE_IRR, "the guest cannot clear it");
	ioapic_eoi(&io, 0x31);
	CHECK(!(get(0x10 + 2 * PIN) & REMOTE_IRR), "EOI clears remote IRR");
	CHECK(saw(0, 0), "an EOI routes and kicks nothing");

	io.rte[PIN] |= REMOTE_IRR;
	set_low(0x31);
	set_low(LEVEL | 0x31);
	CHECK(!(get(0x10 + 2 * PIN) & REMOTE_IRR),
	      "a turn as an edge entry clears it, as Linux expects");
}

/* The index register takes any value. */
static void test_index(void)
{
	bool clean = true;

	start();
	for (unsigned int index = 3; index < 0x100; index++) {
		if (index >= 0x10 && index < 0x10 + 2 * IOAPIC_PINS)
			continue;
		set(index, 0x31);
		clean &= get(index) == 0;
	}
	CHECK(clean && saw(0, 0), "an index outside the table reads 0");
	set(0xffffff00 | (0x10 + 2 * PIN), 0x31);
	CHECK(saw(1, 1), "only its low eight bits count");
}

/* One random access; mostly to the table, and often to the pin we watch. */
static void poke(void)
{
	uint32_t val = (uint32_t)rand() << rand() % 32;

	switch (rand() % 8) {
	case 0:
		ioapic_eoi(&io, val);
		break;
	case 1:
		ioapic_write(&io, val, rand());
		ioapic_read(&io, val);
		break;
	case 2:
		set(val, rand());
		break;
	case 3:
		set(0x10 + 2 * PIN, val & ~MASKED);
		break;
	default:
		set(0x10 + rand() % 0x40, val);
	}
}

static void test_hostile(void)
{
	unsigned int kicked = 0, routed = 0;
	bool clean = true;

	start();
	srand(1);
	for (unsigned int n = 0; n < 300000; n++) {
		unsigned int raised;

		told.calls = told.pin = told.routed = 0;
		poke();
		raised = kicks();
		kicked += raised;
		routed += told.pin == PIN && told.routed;
		clean &= told.calls <= 1 && raised <= 1;
		clean &= !told.routed || ((told.msi.data & 0xff) >= 16 &&
					  (told.msi.data & 0x600) == 0);
	}
	CHECK(clean, "random accesses: no message that we refuse");
	CHECK(kicked == routed && kicked > 1000,
	      "one kick for each of %u routes", kicked);
	CHECK(!told.kicked_before, "and never before the route");
}

int main(void)
{
	pin_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pin_fd < 0)
		return 1;

	test_registers();
	test_guest_bits();
	test_route();
	test_message();
	test_refused();
	test_pins();
	test_eoi();
	test_index();
	test_hostile();
	return done();
}
