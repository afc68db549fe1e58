/* SPDX-License-Identifier: MIT */
/*
 * What the machine says it has, from RSDP to DSDT (ACPI 6.5).
 *
 * The DSDT is a program, and this is no interpreter: it is searched for byte
 * patterns that a compiler of ours would leave there, which is enough for a
 * machine that we know, and for no other.
 */
#include "tiny.h"

struct rsdp {				/* 5.2.5.3 */
	char signature[8];
	uint8_t checksum, oem[6], revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t checksum_all, reserved[3];
} PACKED;

struct table {				/* 5.2.6 */
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum, oem[14];
	uint32_t oem_revision, creator, creator_revision;
} PACKED;

#define FADT_X_DSDT		140	/* 5.2.9 */
#define FADT_SLEEP_CONTROL	244
#define GAS_ADDRESS		4	/* 5.2.3.2 */

struct hardware hw;

static uint64_t read64(const void *p)
{
	uint64_t val;

	memcpy(&val, p, sizeof(val));
	return val;
}

static uint32_t read32(const void *p)
{
	return (uint32_t)read64(p);
}

static bool sums_to_zero(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return sum == 0;
}

static const struct table *table_at(uint64_t gpa)
{
	const struct table *t = (const struct table *)gpa;

	if (!gpa || !sums_to_zero(t, t->length))
		fail("ACPI: a table at %lx with a wrong checksum", gpa);
	return t;
}

static const struct table *find_table(const struct table *xsdt,
				      const char *signature)
{
	const uint8_t *end = (const uint8_t *)xsdt + xsdt->length;

	for (const uint8_t *p = (const uint8_t *)(xsdt + 1); p < end; p += 8) {
		const struct table *t = table_at(read64(p));

		if (memcmp(t->signature, signature, 4) == 0)
			return t;
	}
	fail("ACPI: no %s", signature);
}

/* 5.2.12: CPUs and where the interrupt controllers are. */
static void read_madt(const struct table *madt)
{
	const uint8_t *p = (const uint8_t *)(madt + 1);
	const uint8_t *end = (const uint8_t *)madt + madt->length;

	hw.lapic = read32(p);
	for (p += 8; p < end; p += p[1]) {
		hw.listed_cpus += p[0] == 0;
		if (p[0] == 0 && hw.cpus < CPUS_MAX)
			hw.apic_id[hw.cpus++] = p[3];
		else if (p[0] == 1)
			hw.ioapic = read32(p + 4);
	}
}

/* Where @bytes are in [@p, @end), or NULL. */
static const uint8_t *scan(const uint8_t *p, const uint8_t *end,
			   const void *bytes, size_t n)
{
	for (; p + n <= end; p++)
		if (*p == *(const uint8_t *)bytes && memcmp(p, bytes, n) == 0)
			return p;
	return NULL;
}

/*
 * A virtio-mmio window: the name, and then, before there is another, a _CRS
 * with Memory32Fixed (6.4.3.4) and an extended interrupt (6.4.3.6).
 */
static void read_cards(const uint8_t *p, const uint8_t *end)
{
	static const char hid[] = "LNRO0005";
	static const uint8_t memory[] = { 0x86, 9, 0 }, interrupt[] = { 0x89 };

	while ((p = scan(p, end, hid, sizeof(hid)))) {
		const uint8_t *m, *i;

		p += sizeof(hid);
		if (hw.listed_cards++ >= CARDS_MAX)
			continue;
		m = scan(p, end, memory, sizeof(memory));
		i = m ? scan(m + 12, end, interrupt, sizeof(interrupt)) : NULL;
		if (!i)
			fail("ACPI: a card without _CRS");
		hw.card[hw.cards].base = read32(m + 4);
		hw.card[hw.cards].size = read32(m + 8);
		hw.card[hw.cards].gsi = read32(i + 5);
		hw.cards++;
	}
}

/* Name (\_S5, Package () { type, ... }), 7.4.2: PkgLength is short here. */
static void read_s5(const uint8_t *p, const uint8_t *end)
{
	p = scan(p, end, "_S5_\x12", 5);
	if (!p)
		return;
	p += 5;
	p += 1 + (p[0] >> 6);		/* 20.2.4: bytes that follow */
	if (p[1] == 0x0a)		/* after the number of elements */
		hw.sleep_s5 = p[2];
}

/* @rsdp_gpa: where the loader says it is; 0: look where a BIOS puts it. */
void acpi_read(uint64_t rsdp_gpa)
{
	const struct rsdp *rsdp = (const struct rsdp *)rsdp_gpa;
	const struct table *fadt, *dsdt, *xsdt;
	const uint8_t *aml, *end;

	for (uint64_t at = 0xe0000; !rsdp && at < 0x100000; at += 16)
		if (memcmp((const void *)at, "RSD PTR ", 8) == 0)
			rsdp = (const struct rsdp *)at;
	if (!rsdp || !sums_to_zero(rsdp, sizeof(*rsdp)))
		fail("ACPI: no RSDP");

	xsdt = table_at(rsdp->xsdt);
	fadt = find_table(xsdt, "FACP");
	read_madt(find_table(xsdt, "APIC"));
	hw.sleep_control = read64((const uint8_t *)fadt + FADT_SLEEP_CONTROL +
				  GAS_ADDRESS);
	dsdt = table_at(read64((const uint8_t *)fadt + FADT_X_DSDT));
	aml = (const uint8_t *)(dsdt + 1);
	end = (const uint8_t *)dsdt + dsdt->length;
	read_s5(aml, end);
	read_cards(aml, end);
}
