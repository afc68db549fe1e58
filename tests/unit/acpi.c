/* SPDX-License-Identifier: MIT */
/*
 * The ACPI tables: read back byte by byte as a kernel would find them, and
 * then by ACPICA's own disassembler, which knows the format better than we do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/acpi.h"
#include "tests/unit/check.h"

#define GPA	0xe0000
#define ROOM	0x10000

static struct acpi_device card[18];

/* What acpi_write() wrote: in a heap block of just that room, for ASan. */
static uint8_t *area;
static ssize_t used;

static void write_tables(unsigned int cpus, unsigned int nr_cards, size_t room)
{
	struct acpi_machine m = {
		.cpus = cpus, .card = card, .nr_cards = nr_cards,
	};

	free(area);
	area = malloc(room ? room : 1);
	if (!area)
		exit(1);
	memset(area, 0xaa, room);
	used = acpi_write(area, room, GPA, &m);
}

static uint16_t get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t total = 0;

	while (n--)
		total += *p++;
	return total;
}

/* The table at @gpa if it is one, all of it in the area; otherwise NULL. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *t = area + (gpa - GPA);

	if (gpa < GPA || gpa % 16 || gpa - GPA > (uint64_t)used - 36)
		return NULL;
	if (memcmp(t, signature, 4) || memcmp(t + 10, "LAUNCHLAUNCHER", 14))
		return NULL;
	if (get32(t + 4) < 36 || get32(t + 4) > used - (gpa - GPA))
		return NULL;
	return sum(t, get32(t + 4)) ? NULL : t;
}

/* Where the tables are, by the way a kernel takes: RSDP, XSDT, FADT. */
static struct {
	const uint8_t *xsdt, *fadt, *madt, *dsdt;
} found;

static bool find_tables(void)
{
	memset(&found, 0, sizeof(found));
	if (used < 36 || memcmp(area, "RSD PTR ", 8) || area[15] != 2 ||
	    get32(area + 20) != 36 || sum(area, 20) || sum(area, 36))
		return false;

	found.xsdt = table(get64(area + 24), "XSDT");
	if (!found.xsdt || get32(found.xsdt + 4) != 36 + 2 * 8)
		return false;
	found.fadt = table(get64(found.xsdt + 36), "FACP");
	found.madt = table(get64(found.xsdt + 44), "APIC");
	if (found.fadt && get32(found.fadt + 4) == 276)
		found.dsdt = table(get64(found.fadt + 140), "DSDT");
	return found.madt && found.dsdt;
}

static bool madt_is_right(unsigned int cpus)
{
	const uint8_t *e = found.madt + 44;

	if (get32(found.madt + 4) != 44 + 8 * cpus + 12 ||
	    get32(found.madt + 36) != 0xfee00000 || get32(found.madt + 40))
		return false;
	for (unsigned int id = 0; id < cpus; id++, e += 8)
		if (e[0] != 0 || e[1] != 8 || e[2] != id || e[3] != id ||
		    get32(e + 4) != 1)
			return false;
	return e[0] == 1 && e[1] == 12 && get32(e + 4) == 0xfec00000 &&
	       get32(e + 8) == 0;
}

static void test_shapes(void)
{
	static const unsigned int cpus[] = { 1, 2, 254 };
	static const unsigned int cards[] = { 0, 1, 18 };

	for (unsigned int i = 0; i < 9; i++) {
		unsigned int c = cpus[i / 3], n = cards[i % 3];

		write_tables(c, n, ROOM);
		if (!CHECK(used > 0 && find_tables(),
			   "%u cpus, %u cards: pointers, lengths, checksums",
			   c, n))
			continue;
		CHECK(madt_is_right(c), "%u cpus in the MADT", c);
		CHECK(area[used] == 0xaa && area[ROOM - 1] == 0xaa,
		      "no more is written than is said");
	}
}

static void test_room(void)
{
	ssize_t need;
	bool refused = true;

	write_tables(2, 2, ROOM);
	need = used;
	for (ssize_t room = 0; room < need; room++) {
		write_tables(2, 2, room);
		refused &= used == -ENOSPC;
	}
	CHECK(refused, "any room below %zd bytes is -ENOSPC", need);
	write_tables(2, 2, need);
	CHECK(used == need && find_tables(), "just enough room is enough");
}

/* The registers by which the guest resets and powers off. */
static void test_fadt(void)
{
	static const uint8_t gas[4] = { 1, 8, 0, 1 };
	const uint8_t *f;

	write_tables(1, 1, ROOM);
	if (!CHECK(find_tables(), "the FADT is there"))
		return;
	f = found.fadt;
	CHECK(f[8] == 6, "FADT revision 6");
	CHECK(get16(f + 109) == 0x24, "no VGA, no CMOS clock, no relics");
	CHECK(get32(f + 112) & 1 << 20, "hardware-reduced");
	CHECK(get32(f + 112) & 1 << 10, "has a reset register");
	CHECK(!memcmp(f + 116, gas, 4) && get64(f + 120) == 0x64 &&
	      f[128] == 0xfe, "which is port 0x64, value 0xfe");
	CHECK(!memcmp(f + 244, gas, 4) && get64(f + 248) == 0x600 &&
	      !memcmp(f + 256, gas, 4) && get64(f + 260) == 0x601,
	      "sleep control and status at 0x600, 0x601");
	CHECK(ACPI_POWER_OFF == (5 << 2 | 1 << 5), "power-off is 0x34");
}

/* ---- The same, as iasl sees it ---- */

static char dir[] = "/tmp/launcher-acpi.XXXXXX";
static char text[1 << 18];		/* what iasl wrote */

/* Run a command in the temporary directory; true if it exits with 0. */
static bool run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "cd %s && %s", dir, command);
	return system(line) == 0;
}

static void dump(const char *name, const uint8_t *t)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f || fwrite(t, get32(t + 4), 1, f) != 1 || fclose(f))
		exit(1);
}

/* Read a file whole, or say that it is empty. */
static void slurp(const char *name)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
}

static bool has(const char *what)
{
	return strstr(text, what);
}

/* Disassemble; iasl grumbles on its output, and may still exit with 0. */
static void disassemble(const char *name, const uint8_t *t)
{
	char command[64], dsl[16];

	dump(name, t);
	snprintf(command, sizeof(command), "iasl -d %s >log 2>&1", name);
	CHECK(run(command), "iasl takes the %s", name);
	slurp("log");
	CHECK(!has("Warning") && !has("Error") && !has("nvalid") &&
	      !has("ncorrect") && !has("Could not"), "without a grumble");
	snprintf(dsl, sizeof(dsl), "%s.dsl", name);
	slurp(dsl);
	CHECK(!has("Invalid") && !has("incorrect") && !has("Unknown"),
	      "nor is there one in what it wrote");
}

static void check_fadt_text(void)
{
	disassemble("fadt", found.fadt);
	CHECK(has("Hardware Reduced (V5) : 1"), "hardware reduced");
	CHECK(has("Reset Register Supported (V2) : 1"), "reset register");
	CHECK(has("Control Method Power Button (V1) : 1") &&
	      has("Control Method Sleep Button (V1) : 1"), "no fixed buttons");
	CHECK(has("8042 Present on ports 60/64 (V2) : 0") &&
	      has("Legacy Devices Supported (V2) : 0"), "no legacy devices");
	CHECK(has("VGA Not Present (V4) : 1") &&
	      has("CMOS RTC Not Present (V5) : 1"), "no VGA, no clock");
	CHECK(has("MSI Not Supported (V4) : 0"), "MSI is allowed");
}

static void check_madt_text(void)
{
	disassemble("madt", found.madt);
	CHECK(has("Local Apic Address : FEE00000") &&
	      has("Address : FEC00000"), "both APICs are where they are");
	CHECK(has("PC-AT Compatibility : 0"), "no PIC");
	CHECK(has("Local Apic ID : 01") && !has("Local Apic ID : 02"),
	      "two CPUs");
}

static void check_card_text(unsigned int nr)
{
	const struct acpi_device *d = &card[nr];
	char name[32], base[16], size[16], gsi[16];

	snprintf(name, sizeof(name), "Device (VR%02u)", nr);
	snprintf(base, sizeof(base), "0x%08X,", (unsigned int)d->gpa);
	snprintf(size, sizeof(size), "0x%08X,", d->size);
	snprintf(gsi, sizeof(gsi), "0x%08X,\n", d->gsi);
	CHECK(has(name) && has(base) && has(size) && has(gsi),
	      "card %u: window %s size %s GSI %u", nr, base, size, d->gsi);
}

static void check_dsdt_text(void)
{
	disassemble("dsdt", found.dsdt);
	CHECK(has("Name (_S5, Package (0x04)"), "\\_S5");
	CHECK(has("EisaId (\"PNP0501\")") && has("0x03F8,"), "COM1");
	CHECK(has("0x00000004,\n"), "COM1 has interrupt 4");
	CHECK(has("\"LNRO0005\""), "LNRO0005");
	CHECK(has("Memory32Fixed (ReadWrite,"), "a memory window");
	CHECK(has("Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive"),
	      "an edge interrupt");
	check_card_text(0);
	check_card_text(9);
	check_card_text(17);
	CHECK(run("iasl -oa dsdt.dsl >log 2>&1"), "iasl compiles it again");
	slurp("log");
	CHECK(has(" 0 Errors, 0 Warnings"), "with no error and no warning");
}

static void test_iasl(void)
{
	if (system("iasl -v >/dev/null 2>&1")) {
		SKIP("iasl not installed");
		return;
	}
	if (!mkdtemp(dir))
		exit(1);

	write_tables(2, 18, ROOM);
	if (CHECK(find_tables(), "tables for iasl")) {
		check_fadt_text();
		check_madt_text();
		check_dsdt_text();
	}
	if (checks_failed)
		printf("# left in %s\n", dir);
	else if (!run("rm -f fadt* madt* dsdt* log") || rmdir(dir))
		printf("# could not remove %s\n", dir);
}

int main(void)
{
	for (unsigned int nr = 0; nr < 18; nr++)
		card[nr] = (struct acpi_device) {
			.gpa = 0xd0000fa0 + nr * 0x2000,
			.size = 0x200,
			.gsi = 6 + nr,
		};

	test_shapes();
	test_room();
	test_fadt();
	test_iasl();
	free(area);
	return done();
}
