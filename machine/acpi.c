/* SPDX-License-Identifier: MIT */
/*
 * The tables of a hardware-reduced ACPI machine: CPUs, one IOAPIC, one serial
 * port, virtio-mmio windows, and the ports for reset and power-off.
 *
 * Each table is written after those it points to, and the RSDP, which must
 * come first in memory, is filled in at the end.  Sections are of ACPI 6.5.
 * To see the outcome: tests/unit/acpi.c runs iasl on it.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "machine/acpi.h"
#include "machine/memory.h"
#include "machine/serial.h"

#define LAPIC_GPA	0xfee00000	/* where KVM puts it */

/* ---- The area: append, or remember that it did not fit ---- */

struct area {
	uint8_t *at;
	size_t used, room;	/* in bytes */
	uint64_t gpa;		/* of at[0] */
	bool full;
};

static void put(struct area *a, const void *bytes, size_t n)
{
	if (a->full || n > a->room - a->used) {
		a->full = true;
		return;
	}
	memcpy(a->at + a->used, bytes, n);
	a->used += n;
}

static void put8(struct area *a, uint8_t val)
{
	put(a, &val, sizeof(val));
}

static void put16(struct area *a, uint16_t val)
{
	put(a, &val, sizeof(val));
}

static void put32(struct area *a, uint32_t val)
{
	put(a, &val, sizeof(val));
}

/* Write again what was put at @where.  Once full, nothing is certain there. */
static void patch(struct area *a, size_t where, const void *bytes, size_t n)
{
	if (!a->full)
		memcpy(a->at + where, bytes, n);
}

/* The byte that makes @n bytes sum to 0, given that it is 0 itself so far. */
static uint8_t checksum(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return -sum;
}

/* ---- Tables: all but the RSDP begin alike (5.2.6) ---- */

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/* Start a table on a 16-byte boundary.  Returns where, for table_end(). */
static size_t table_begin(struct area *a, const char *signature,
			  uint8_t revision)
{
	struct header h = {
		.revision	  = revision,
		.oem_id		  = "LAUNCH",
		.oem_table_id	  = "LAUNCHER",
		.oem_revision	  = 1,
		.creator_id	  = "LNCH",
		.creator_revision = 1,
	};
	size_t start;

	memcpy(h.signature, signature, sizeof(h.signature));
	while (!a->full && a->used % 16)
		put8(a, 0);
	start = a->used;
	put(a, &h, sizeof(h));
	return start;
}

/* Its length and checksum are known now.  Returns the guest's address of it. */
static uint64_t table_end(struct area *a, size_t start)
{
	uint32_t length = a->used - start;
	uint8_t sum;

	patch(a, start + offsetof(struct header, length), &length,
	      sizeof(length));
	sum = a->full ? 0 : checksum(a->at + start, length);
	patch(a, start + offsetof(struct header, checksum), &sum, sizeof(sum));
	return a->gpa + start;
}

/* ---- AML, as little of it as the DSDT needs (20.2) ---- */

enum {
	AML_ZERO	= 0x00,
	AML_NAME	= 0x08,
	AML_BYTE	= 0x0a,
	AML_DWORD	= 0x0c,
	AML_STRING	= 0x0d,
	AML_SCOPE	= 0x10,
	AML_BUFFER	= 0x11,
	AML_PACKAGE	= 0x12,
	AML_EXT		= 0x5b,
	AML_DEVICE	= 0x82,		/* after AML_EXT */
};

/*
 * What has a length opens with it.  PkgLength (20.2.4) counts its own bytes
 * and may take one to four; ours always takes three, which reach to 1 MiB, so
 * that it can be left open and filled in when the end is known.
 */
#define PKG_LENGTH_BYTES 3

static size_t aml_open(struct area *a, uint8_t op)
{
	size_t start;

	put8(a, op);
	start = a->used;
	put(a, "\0\0", PKG_LENGTH_BYTES);
	return start;
}

static void aml_close(struct area *a, size_t start)
{
	size_t length = a->used - start;
	uint8_t pkg[PKG_LENGTH_BYTES] = {
		2 << 6 | (length & 0xf),	/* two more bytes follow */
		length >> 4,
		length >> 12,
	};

	assert(length < 1 << 20);
	patch(a, start, pkg, sizeof(pkg));
}

/* A name of up to four characters: AML pads the rest with '_'. */
static void aml_nameseg(struct area *a, const char *name)
{
	char seg[4] = { '_', '_', '_', '_' };

	memcpy(seg, name, strnlen(name, sizeof(seg)));
	put(a, seg, sizeof(seg));
}

static size_t aml_open_device(struct area *a, const char *name)
{
	size_t device;

	put8(a, AML_EXT);
	device = aml_open(a, AML_DEVICE);
	aml_nameseg(a, name);
	return device;
}

/* Name (@name, ...): what is put next is the value. */
static void aml_name(struct area *a, const char *name)
{
	put8(a, AML_NAME);
	aml_nameseg(a, name);
}

static void aml_byte(struct area *a, uint8_t val)
{
	put8(a, AML_BYTE);
	put8(a, val);
}

static void aml_string(struct area *a, const char *string)
{
	put8(a, AML_STRING);
	put(a, string, strlen(string) + 1);
}

/* ---- Resource descriptors, the bytes of a _CRS buffer (6.4) ---- */

/* A ResourceTemplate is a buffer, a buffer says its size: patched as well. */
struct template {
	size_t buffer;
	size_t bytes;		/* where its contents begin */
};

static struct template crs_open(struct area *a)
{
	struct template crs;

	aml_name(a, "_CRS");
	crs.buffer = aml_open(a, AML_BUFFER);
	aml_byte(a, 0);			/* its size, known when closed */
	crs.bytes = a->used;
	return crs;
}

static void crs_close(struct area *a, struct template crs)
{
	uint8_t size;

	put8(a, 0x79);			/* 6.4.2.9: end tag, ... */
	put8(a, 0);			/* ... its checksum not used */

	size = a->used - crs.bytes;
	patch(a, crs.bytes - 1, &size, sizeof(size));
	aml_close(a, crs.buffer);
}

static void crs_io(struct area *a, uint16_t port, uint8_t ports)
{
	put8(a, 0x47);			/* 6.4.2.5: I/O port descriptor */
	put8(a, 1);			/* all 16 address lines are decoded */
	put16(a, port);			/* lowest ... */
	put16(a, port);			/* ... and highest base: it is fixed */
	put8(a, 1);			/* alignment */
	put8(a, ports);
}

static void crs_memory(struct area *a, uint32_t base, uint32_t size)
{
	put8(a, 0x86);			/* 6.4.3.4: Memory32Fixed */
	put16(a, 9);			/* bytes that follow */
	put8(a, 1);			/* read and write */
	put32(a, base);
	put32(a, size);
}

/* Edge, and for one device: what an irqfd behind an MSI route can do. */
static void crs_interrupt(struct area *a, uint32_t gsi)
{
	put8(a, 0x89);			/* 6.4.3.6: extended interrupt */
	put16(a, 6);			/* bytes that follow */
	put8(a, 1 << 0 | 1 << 1);	/* consumer, edge; high; exclusive */
	put8(a, 1);			/* one number: */
	put32(a, gsi);
}

/* ---- The tables themselves ---- */

/* Name (\_S5, Package () { 5, 0, 0, 0 }): what to write to power off (7.4.2) */
static void dsdt_s5(struct area *a)
{
	size_t package;

	aml_name(a, "_S5");
	package = aml_open(a, AML_PACKAGE);
	put8(a, 4);			/* elements */
	aml_byte(a, ACPI_SLEEP_S5);
	put8(a, AML_ZERO);
	put8(a, AML_ZERO);
	put8(a, AML_ZERO);
	aml_close(a, package);
}

static void dsdt_serial(struct area *a)
{
	size_t device = aml_open_device(a, "COM1");
	struct template crs;

	aml_name(a, "_HID");
	put8(a, AML_DWORD);
	put(a, "\x41\xd0\x05\x01", 4);	/* EisaId ("PNP0501"): a 16550A */

	crs = crs_open(a);
	crs_io(a, SERIAL_PORT, SERIAL_REGS);
	crs_interrupt(a, SERIAL_GSI);
	crs_close(a, crs);
	aml_close(a, device);
}

/* One virtio-mmio window.  LNRO0005 is what Linux's driver looks for. */
static void dsdt_card(struct area *a, unsigned int nr,
		      const struct acpi_device *card)
{
	char name[] = { 'V', 'R', '0' + nr / 10, '0' + nr % 10, '\0' };
	size_t device = aml_open_device(a, name);
	struct template crs;

	assert(nr < ACPI_CARDS_MAX && card->gpa <= UINT32_MAX);

	aml_name(a, "_HID");
	aml_string(a, "LNRO0005");
	aml_name(a, "_UID");
	aml_byte(a, nr);
	aml_name(a, "_CCA");		/* 6.2.17: DMA and caches agree */
	aml_byte(a, 1);

	crs = crs_open(a);
	crs_memory(a, card->gpa, card->size);
	crs_interrupt(a, card->gsi);
	crs_close(a, crs);
	aml_close(a, device);
}

/* 5.2.11.1: the one table that is a program. */
static uint64_t dsdt_write(struct area *a, const struct acpi_machine *m)
{
	size_t start = table_begin(a, "DSDT", 2);	/* 2: 64-bit integers */
	size_t scope;

	dsdt_s5(a);
	scope = aml_open(a, AML_SCOPE);
	put8(a, '\\');
	aml_nameseg(a, "_SB");
	dsdt_serial(a);
	for (unsigned int nr = 0; nr < m->nr_cards; nr++)
		dsdt_card(a, nr, &m->card[nr]);
	aml_close(a, scope);

	return table_end(a, start);
}

/* 5.2.3.2: Generic Address Structure */
struct gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
} __attribute__((packed));

/* 5.2.9.  What a hardware-reduced machine leaves at 0 is lumped together. */
struct fadt {
	struct header header;		/* written by table_begin() */
	uint32_t facs, dsdt;		/* 0: the 64-bit ones count */
	uint8_t reserved1, pm_profile;
	uint8_t pm1_and_others[63];	/* SCI, SMI and the PM blocks */
	uint16_t iapc_boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_facs, x_dsdt;
	struct gas pm_blocks[8];
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor_vendor;
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "FADT revision 6");
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT: flags");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "FADT: X_DSDT");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "FADT: sleep");

/* 5.2.9.3: what a PC has and we have not, so that nobody goes looking. */
#define BOOT_NO_VGA		(1 << 2)
#define BOOT_NO_CMOS_RTC	(1 << 5)

/* 5.2.9, "Fixed ACPI Description Table Fixed Feature Flags" */
#define FADT_WBINVD		(1 << 0)
#define FADT_PROC_C1		(1 << 2)	/* HLT works */
#define FADT_NO_FIXED_POWER	(1 << 4)	/* no such button ... */
#define FADT_NO_FIXED_SLEEP	(1 << 5)
#define FADT_NO_FIXED_RTC	(1 << 6)	/* ... and no RTC alarm */
#define FADT_RESET_REG_SUP	(1 << 10)
#define FADT_HW_REDUCED		(1 << 20)

static struct gas io_byte(uint16_t port)
{
	return (struct gas) {
		.space		= 1,		/* system I/O */
		.bit_width	= 8,
		.access_size	= 1,		/* byte */
		.address	= port,
	};
}

/* 4.1: hardware-reduced means no PM timer, no SCI, no PIC, no legacy mode. */
static uint64_t fadt_write(struct area *a, uint64_t dsdt_gpa)
{
	struct fadt fadt = {
		.iapc_boot_arch	= BOOT_NO_VGA | BOOT_NO_CMOS_RTC,
		.flags		= FADT_HW_REDUCED | FADT_RESET_REG_SUP |
				  FADT_WBINVD | FADT_PROC_C1 |
				  FADT_NO_FIXED_POWER | FADT_NO_FIXED_SLEEP |
				  FADT_NO_FIXED_RTC,
		.reset_reg	= io_byte(ACPI_RESET_PORT),
		.reset_value	= ACPI_RESET_VALUE,
		.x_dsdt		= dsdt_gpa,
		.sleep_control	= io_byte(ACPI_SLEEP_CONTROL_PORT),
		.sleep_status	= io_byte(ACPI_SLEEP_STATUS_PORT),
	};
	size_t start = table_begin(a, "FACP", 6);

	put(a, &fadt.header + 1, sizeof(fadt) - sizeof(fadt.header));
	return table_end(a, start);
}

/* 5.2.12.2: one CPU's local APIC. */
static void madt_cpu(struct area *a, uint8_t id)
{
	put8(a, 0);			/* type: processor local APIC */
	put8(a, 8);			/* bytes in this entry */
	put8(a, id);			/* processor UID */
	put8(a, id);			/* APIC id */
	put32(a, 1);			/* enabled */
}

/* 5.2.12.3: our IOAPIC, whose pins are GSIs from 0 on. */
static void madt_ioapic(struct area *a)
{
	put8(a, 1);			/* type: I/O APIC */
	put8(a, 12);			/* bytes in this entry */
	put8(a, 0);			/* I/O APIC id, as its register says */
	put8(a, 0);
	put32(a, GPA_IOAPIC);
	put32(a, 0);			/* its first GSI */
}

/*
 * No interrupt is overridden: with no PIC there is no ISA numbering to
 * override, and every device names its GSI in the DSDT.
 */
static uint64_t madt_write(struct area *a, const struct acpi_machine *m)
{
	size_t start = table_begin(a, "APIC", 4);

	assert(m->cpus >= 1 && m->cpus <= ACPI_CPUS_MAX);

	put32(a, LAPIC_GPA);
	put32(a, 0);			/* flags: no PIC beside it */
	for (unsigned int id = 0; id < m->cpus; id++)
		madt_cpu(a, id);
	madt_ioapic(a);
	return table_end(a, start);
}

/* 5.2.8: where the other tables are.  The DSDT is found through the FADT. */
static uint64_t xsdt_write(struct area *a, uint64_t fadt_gpa, uint64_t madt_gpa)
{
	size_t start = table_begin(a, "XSDT", 1);

	put(a, &fadt_gpa, sizeof(fadt_gpa));
	put(a, &madt_gpa, sizeof(madt_gpa));
	return table_end(a, start);
}

/* 5.2.5.3: where it all begins. */
struct rsdp {
	char signature[8];
	uint8_t checksum;		/* of all up to length */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;			/* 0: the XSDT counts */
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __attribute__((packed));

static void rsdp_patch(struct area *a, size_t where, uint64_t xsdt_gpa)
{
	struct rsdp rsdp = {
		.signature	= "RSD PTR ",
		.oem_id		= "LAUNCH",
		.revision	= 2,
		.length		= sizeof(rsdp),
		.xsdt		= xsdt_gpa,
	};

	rsdp.checksum = checksum(&rsdp, offsetof(struct rsdp, length));
	rsdp.checksum_all = checksum(&rsdp, sizeof(rsdp));
	patch(a, where, &rsdp, sizeof(rsdp));
}

/*
 * Write RSDP, DSDT, FADT, MADT and XSDT at @to, which has @room bytes and which
 * the guest sees at @gpa.  The RSDP comes first: with @gpa a multiple of 16 in
 * the BIOS area, a kernel that was not told where it is finds it by searching.
 *
 * Returns the bytes used, or -ENOSPC.
 */
ssize_t acpi_write(void *to, size_t room, uint64_t gpa,
		   const struct acpi_machine *m)
{
	struct area a = { .at = to, .room = room, .gpa = gpa };
	const struct rsdp later = { 0 };
	uint64_t dsdt_gpa, fadt_gpa, madt_gpa, xsdt_gpa;

	put(&a, &later, sizeof(later));
	dsdt_gpa = dsdt_write(&a, m);
	fadt_gpa = fadt_write(&a, dsdt_gpa);
	madt_gpa = madt_write(&a, m);
	xsdt_gpa = xsdt_write(&a, fadt_gpa, madt_gpa);
	rsdp_patch(&a, 0, xsdt_gpa);

	return a.full ? -ENOSPC : (ssize_t)a.used;
}
