/* SPDX-License-Identifier: MIT */
/*
 * From the loader's hands to run(), and from there to the power switch.  Also
 * the few functions that the compiler takes for granted.
 */
#include "tiny.h"

/* boot_params (boot.rst, zero-page.rst): the fields that matter. */
#define BP_RSDP		0x070		/* acpi_rsdp_addr, 64 bits */
#define BP_CMDLINE	0x228		/* cmd_line_ptr, 32 bits */
#define BP_CMDLINE_HIGH	0x0c8		/* ext_cmd_line_ptr */
#define BP_E820_ENTRIES	0x1e8
#define BP_E820_TABLE	0x2d0

static char cmdline[1024];

void *memcpy(void *to, const void *from, size_t n)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)
			 : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t n)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte)
			 : "memory");
	return start;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n]) {
		n++;
		__asm__("" : "+r"(n));	/* lest this becomes strlen() */
	}
	return n;
}

/* Any number, and the same ones in every run (xorshift, Marsaglia). */
uint32_t noise(void)
{
	static uint32_t x = 0x2545f491;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* The text after @name on the command line, or NULL: "count=" or "hello". */
static const char *find_word(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = cmdline; *p; p++)
		if ((p == cmdline || p[-1] == ' ') &&
		    memcmp(p, name, len) == 0 &&
		    (name[len - 1] == '=' || p[len] == ' ' || !p[len]))
			return p + len;
	return NULL;
}

bool word(const char *name)
{
	return find_word(name) != NULL;
}

/* What follows "name="; it ends at a space.  NULL if it is not there. */
const char *word_text(const char *name)
{
	return find_word(name);
}

/* Decimal, or hexadecimal after 0x. */
uint64_t word_number(const char *name, uint64_t otherwise)
{
	const char *p = find_word(name);
	unsigned int base = 10;
	uint64_t n = 0;

	if (!p)
		return otherwise;
	if (p[0] == '0' && p[1] == 'x') {
		base = 16;
		p += 2;
	}
	for (; *p && *p != ' '; p++) {
		unsigned int digit = *p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10;

		if (digit >= base)
			fail("%s is not a number", name);
		n = n * base + digit;
	}
	return n;
}

/* ACPI 4.8.3.7, the sleep control register: SLP_TYP, and SLP_EN. */
void NORETURN power_off(void)
{
	if (hw.sleep_control)
		out8(hw.sleep_control, hw.sleep_s5 << 2 | 1 << 5);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void NORETURN fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("FAIL: ");
	say_list(fmt, ap);
	say("\n");
	va_end(ap);
	power_off();
}

static void read_cmdline(const uint8_t *bp)
{
	uint64_t at = *(const uint32_t *)(bp + BP_CMDLINE) |
		      (uint64_t)*(const uint32_t *)(bp + BP_CMDLINE_HIGH) << 32;
	const char *from = (const char *)at;

	for (size_t i = 0; at && i < sizeof(cmdline) - 1 && from[i]; i++)
		cmdline[i] = from[i];
}

/* Where the last RAM below 4 GiB ends, of what the loader lists. */
static void read_e820(const uint8_t *bp)
{
	const struct { uint64_t gpa, size; uint32_t type; } PACKED *e =
		(const void *)(bp + BP_E820_TABLE);

	for (unsigned int i = 0; i < bp[BP_E820_ENTRIES]; i++)
		if (e[i].type == 1 && e[i].gpa + e[i].size <= 1ULL << 32)
			hw.ram_end = e[i].gpa + e[i].size;
}

/* From head.S, with .bss cleared and a stack. */
void NORETURN start(const uint8_t *boot_params);
void NORETURN start(const uint8_t *boot_params)
{
	const char *why;

	idt_load();			/* first: so that a fault says where */
	read_cmdline(boot_params);
	read_e820(boot_params);
	acpi_read(*(const uint64_t *)(boot_params + BP_RSDP));
	apic_start();
	serial_start();
	cards_find();

	why = run();
	if (why)
		fail("%s", why);
	say("PASS\n");
	power_off();
}
