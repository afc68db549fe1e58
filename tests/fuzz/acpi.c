/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables of machines of any shape, walked as a kernel does: from the
 * RSDP along the addresses, each table within what was written and with a
 * checksum that is right.  That the AML means something: tests/unit/acpi.c.
 *
 * Input: CPUs, cards, room (2), address (4), then for each card gpa (4), size
 * (4) and GSI.
 */
#include <errno.h>

#include "machine/acpi.h"
#include "tests/fuzz/fuzz.h"

static uint8_t *tables;
static uint64_t at_gpa;
static size_t used;

static const uint8_t *seen_at(uint64_t gpa, size_t bytes)
{
	MUST(gpa >= at_gpa && gpa - at_gpa <= used &&
	     bytes <= used - (gpa - at_gpa));
	return tables + (gpa - at_gpa);
}

static uint64_t number(const uint8_t *at, unsigned int bytes)
{
	uint64_t val = 0;

	memcpy(&val, at, bytes);
	return val;
}

static uint8_t sum(const uint8_t *at, size_t bytes)
{
	uint8_t n = 0;

	while (bytes--)
		n += *at++;
	return n;
}

/* ACPI 6.5, 5.2.6: the 36 bytes that every table starts with. */
static const uint8_t *table(uint64_t gpa, const char *signature,
			    uint32_t *bytes)
{
	const uint8_t *t = seen_at(gpa, 36);

	MUST(memcmp(t, signature, 4) == 0);
	*bytes = number(t + 4, 4);
	MUST(*bytes >= 36);
	MUST(sum(seen_at(gpa, *bytes), *bytes) == 0);
	return t;
}

/* 5.2.12: its entries fill it, one for each CPU and one for the IOAPIC. */
static void check_madt(const uint8_t *madt, uint32_t bytes, unsigned int cpus)
{
	unsigned int seen = 0, ioapics = 0;
	uint32_t at = 44;

	for (; at + 2 <= bytes; at += madt[at + 1]) {
		MUST(madt[at + 1] >= 2);
		if (madt[at] == 0)
			MUST(madt[at + 3] == seen++);
		ioapics += madt[at] == 1;
	}
	MUST(at == bytes && seen == cpus && ioapics == 1);
}

static void check_tables(const struct acpi_machine *m)
{
	const uint8_t *rsdp = seen_at(at_gpa, 36), *xsdt, *fadt, *madt;
	uint32_t bytes;

	MUST(memcmp(rsdp, "RSD PTR ", 8) == 0);
	MUST(sum(rsdp, 20) == 0 && sum(rsdp, 36) == 0);
	xsdt = table(number(rsdp + 24, 8), "XSDT", &bytes);
	MUST(bytes == 36 + 2 * 8);
	fadt = table(number(xsdt + 36, 8), "FACP", &bytes);
	MUST(bytes == 276);			/* 5.2.9, version 6.5 */
	table(number(fadt + 140, 8), "DSDT", &bytes);
	madt = table(number(xsdt + 44, 8), "APIC", &bytes);
	check_madt(madt, bytes, m->cpus);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct acpi_device card[ACPI_CARDS_MAX];
	struct acpi_machine m = { .card = card };
	static uint8_t plenty[1 << 16];
	size_t room;
	ssize_t n;

	m.cpus = 1 + take(&in, 1) % ACPI_CPUS_MAX;
	m.nr_cards = take(&in, 1) % (ACPI_CARDS_MAX + 1);
	room = take(&in, 2);
	at_gpa = take(&in, 4);
	for (unsigned int i = 0; i < m.nr_cards; i++) {
		struct acpi_device *c = &card[i];

		c->gpa = take(&in, 4);
		c->size = take(&in, 4);
		c->gsi = take(&in, 1);
	}
	tables = malloc(room);		/* ASan sees its end */
	n = acpi_write(tables, room, at_gpa, &m);
	MUST(n > 0 ? (size_t)n <= room : n == -ENOSPC);
	if (n > 0) {
		used = n;
		check_tables(&m);
	} else {
		MUST(acpi_write(plenty, sizeof(plenty), at_gpa, &m) >
		     (ssize_t)room);
	}
	free(tables);
	return 0;
}
