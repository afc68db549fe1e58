/* SPDX-License-Identifier: MIT */
/*
 * A card's place in the machine, and the address on its label: all of it that
 * needs no KVM, no tap and no vhost.
 */
#include <string.h>

#include "machine/card.h"
#include "machine/ioapic.h"
#include "machine/memory.h"
#include "machine/serial.h"
#include "tests/unit/check.h"

#define G	(1ULL << 30)
#define ID	"0123456789abcdef0123456789abcdef\n"	/* as machine-id(5) */

static void test_first(void)
{
	struct acpi_device d = card_describe(0);

	CHECK(d.gpa == 0xd0000fa0 && d.size == 0x200 && d.gsi == 6,
	      "the first card: 200 bytes at d000_0fa0, pin 6");
	CHECK((d.gpa + 0x50) / 4096 == d.gpa / 4096 &&
	      (d.gpa + 0x60) % 4096 == 0,
	      "QueueNotify before a page boundary, InterruptStatus on it");
}

static void test_all(void)
{
	bool step = true, pins = true, inside = true;

	for (unsigned int i = 0; i < CARDS_MAX; i++) {
		struct acpi_device d = card_describe(i);
		uint64_t own = 0xd0000000 + 0x2000ULL * i;

		step &= d.gpa == 0xd0000fa0 + 0x2000ULL * i && d.size == 0x200;
		pins &= d.gsi == 6 + i && d.gsi < IOAPIC_PINS &&
			d.gsi != SERIAL_GSI;
		inside &= d.gpa >= own && d.gpa + d.size <= own + 0x2000 &&
			  own + 0x2000 <= GPA_IOAPIC;
	}
	CHECK(CARDS_MAX == 18 && card_describe(CARDS_MAX - 1).gsi == 23,
	      "18 cards, the last at the last pin");
	CHECK(step, "windows are 8 KiB apart");
	CHECK(pins, "each has a pin, none the serial port's");
	CHECK(inside, "each window is in its own 8 KiB, below the IOAPIC");
}

/* No byte of what belongs to a card is RAM, whatever the size of that. */
static void test_no_ram(void)
{
	static const uint64_t sizes[] = { 128ULL << 20, 0xd0000000, 5 * G };
	struct memory mem;

	for (unsigned int s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		bool clear = true;

		if (memory_create(&mem, sizes[s]) < 0) {
			SKIP("no address space for this size");
			continue;
		}
		for (unsigned int i = 0; i < CARDS_MAX; i++) {
			uint64_t own = 0xd0000000 + 0x2000ULL * i;

			for (uint64_t gpa = own; gpa < own + 0x2000; gpa += 16)
				clear &= !guest_ptr(&mem, gpa, 1) &&
					 !guest_ptr(&mem, gpa + 15, 1);
		}
		CHECK(clear, "%#llx bytes of RAM: not in a window",
		      (unsigned long long)sizes[s]);
		memory_destroy(&mem);
	}
}

/*
 * What these taps get today they must get for ever: guests know their
 * interfaces by it.  The bytes are FNV-1a, worked out by other means.
 */
static const struct {
	const char *tap, *id;
	uint8_t mac[6];
} labels[] = {
	{ "tap0", ID, { 0x72, 0x1b, 0x7e, 0x33, 0x0e, 0xe4 } },
	{ "tap1", ID, { 0x3e, 0xe4, 0x7d, 0x33, 0x0e, 0xe5 } },
	{ "tap0", "", { 0xfa, 0x2c, 0xcf, 0xde, 0xef, 0xfc } },
	{ "",	  "", { 0xc2, 0xbf, 0xd0, 0x4f, 0xe4, 0x9c } },
};

static void test_labels(void)
{
	uint8_t mac[6];

	for (unsigned int i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		memset(mac, 0x55, sizeof(mac));
		card_default_mac(labels[i].tap, labels[i].id, mac);
		if (!CHECK(memcmp(mac, labels[i].mac, 6) == 0,
			   "\"%s\" has the address it always had",
			   labels[i].tap))
			printf("# %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0],
			       mac[1], mac[2], mac[3], mac[4], mac[5]);
	}
}

#define NAMES	1000

static void test_distinct(void)
{
	static uint8_t mac[2 * NAMES][6];
	char name[IFNAMSIZ];
	bool local = true, unicast = true, distinct = true, stable = true;
	uint8_t again[6];

	for (unsigned int i = 0; i < 2 * NAMES; i++) {
		const char *id = i < NAMES ? ID : "another machine\n";

		snprintf(name, sizeof(name), "tap%u", i % NAMES);
		card_default_mac(name, id, mac[i]);
		card_default_mac(name, id, again);
		stable &= memcmp(mac[i], again, 6) == 0;
		local &= (mac[i][0] & 2) != 0;
		unicast &= (mac[i][0] & 1) == 0;
		for (unsigned int j = 0; j < i; j++)
			distinct &= memcmp(mac[i], mac[j], 6) != 0;
	}
	CHECK(stable, "the same tap, the same address");
	CHECK(local && unicast, "locally administered, of one receiver");
	CHECK(distinct, "a thousand taps on two machines: all different");
}

int main(void)
{
	test_first();
	test_all();
	test_no_ram();
	test_labels();
	test_distinct();
	return done();
}
