/* SPDX-License-Identifier: MIT */
/*
 * The two writers.  In a table a row of zeroes is mostly noise; in JSON it is a
 * key that a program need not look for in vain, so there it stays.
 */
#include <stdarg.h>
#include <string.h>

#include "machine/report.h"

/* Four columns on a terminal of 80. */
#define NAME_WIDTH	30
#define CELL_WIDTH	12

/*
 * ---- JSON ----
 */

/*
 * RFC 8259, section 7.  A name is bytes, and not always text: those above 7e
 * become the characters of these numbers, as in Latin-1, so that the line is
 * ASCII whatever a tap is called.
 */
static void json_string(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c < 0x20 || c > 0x7e) {
			fprintf(out, "\\u%04x", c);
			continue;
		}
		if (c == '"' || c == '\\')
			putc('\\', out);
		putc(c, out);
	}
	putc('"', out);
}

/* A key and its colon, and the comma if something stands before. */
static void json_key(struct report *r, const char *key)
{
	if (!r->first)
		putc(',', r->out);
	r->first = false;
	json_string(r->out, key);
	putc(':', r->out);
}

/*
 * ---- cells ----
 */

/* @value right-aligned in @width, or as wide as it is if that is 0. */
static void cell(const struct report *r, uint64_t value, int width)
{
	char text[32];

	if (value == REPORT_NONE)
		snprintf(text, sizeof(text), r->json ? "null" : "-");
	else if (r->columns->thousandths)
		snprintf(text, sizeof(text), "%llu.%03llu",
			 (unsigned long long)value / 1000,
			 (unsigned long long)value % 1000);
	else
		snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)value);
	fprintf(r->out, "%*s", width, text);
}

static void json_cells(struct report *r, const uint64_t *cells)
{
	const struct report_columns *c = r->columns;

	if (c->nr == 1) {
		cell(r, cells[0], 0);
		return;
	}
	putc('{', r->out);
	for (unsigned int i = 0; i < c->nr; i++) {
		if (i)
			putc(',', r->out);
		json_string(r->out, c->name[i]);
		putc(':', r->out);
		cell(r, cells[i], 0);
	}
	putc('}', r->out);
}

static void table_cells(struct report *r, const uint64_t *cells)
{
	for (unsigned int i = 0; i < r->columns->nr; i++) {
		putc(' ', r->out);
		cell(r, cells[i], CELL_WIDTH - 1);
	}
}

/*
 * ---- what a report is made of ----
 */

/* Milliseconds as seconds. */
static void put_seconds(FILE *out, uint64_t ms)
{
	fprintf(out, "%llu.%03llu", (unsigned long long)ms / 1000,
		(unsigned long long)ms % 1000);
}

/*
 * Begin a report on @out, where nobody else writes until report_end().  @when
 * is the occasion; it is @unix_ms since the epoch and @run_ms since the start.
 */
void report_begin(struct report *r, FILE *out, bool json, const char *when,
		  uint64_t unix_ms, uint64_t run_ms)
{
	*r = (struct report) { .out = out, .json = json, .first = true };
	if (!json) {
		fprintf(out, "statistics (%s) after ", when);
		put_seconds(out, run_ms);
		fputs(" s\n", out);
		return;
	}
	putc('{', out);
	report_text(r, "when", when);
	json_key(r, "time");
	put_seconds(out, unix_ms);
	json_key(r, "seconds");
	put_seconds(out, run_ms);
}

/* The report's last line: whoever waits for the whole of it, waits for this. */
void report_end(struct report *r)
{
	fputs(r->json ? "}\n" : "stats end\n", r->out);
	fflush(r->out);
}

/* Until report_close(), what follows is in an object of its own, @key. */
void report_open(struct report *r, const char *key)
{
	if (!r->json)
		return;
	json_key(r, key);
	putc('{', r->out);
	r->first = true;
}

/* Ends what report_open() or report_section() began. */
void report_close(struct report *r)
{
	if (r->json)
		putc('}', r->out);
	r->first = false;
}

/* What the table has in its titles, and programs need on its own. */
void report_text(struct report *r, const char *key, const char *text)
{
	if (!r->json)
		return;
	json_key(r, key);
	json_string(r->out, text);
}

/* One number that is no section's. */
void report_number(struct report *r, const char *key, uint64_t n,
		   const char *title, ...)
{
	va_list ap;

	if (r->json) {
		json_key(r, key);
	} else {
		va_start(ap, title);
		vfprintf(r->out, title, ap);
		va_end(ap);
	}
	fprintf(r->out, r->json ? "%llu" : ": %llu\n", (unsigned long long)n);
}

/*
 * Rows with these @columns follow, until report_close().  @columns stays the
 * caller's, and where it is.
 */
void report_section(struct report *r, const char *key,
		    const struct report_columns *columns,
		    const char *title, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, title);
	vsnprintf(text, sizeof(text), title, ap);
	va_end(ap);

	r->columns = columns;
	report_open(r, key);
	if (r->json)
		return;
	if (columns->nr == 1) {
		fprintf(r->out, "%s\n", text);
		return;
	}
	if (strlen(text) < NAME_WIDTH)
		fprintf(r->out, "%-*s", NAME_WIDTH, text);
	else			/* the names of its columns go below */
		fprintf(r->out, "%s\n%*s", text, NAME_WIDTH, "");
	for (unsigned int i = 0; i < columns->nr; i++)
		fprintf(r->out, " %*s", CELL_WIDTH - 1, columns->name[i]);
	putc('\n', r->out);
}

/* @cells are as many as the section has columns. */
void report_row(struct report *r, const char *name, const uint64_t *cells)
{
	if (r->json) {
		json_key(r, name);
		json_cells(r, cells);
	} else {
		fprintf(r->out, "  %-*s", NAME_WIDTH - 2, name);
		table_cells(r, cells);
		putc('\n', r->out);
	}
}

/* The same, but in a table only if there is something in it. */
void report_row_if_any(struct report *r, const char *name,
		       const uint64_t *cells)
{
	bool any = r->json;

	for (unsigned int i = 0; i < r->columns->nr; i++)
		any |= cells[i];
	if (any)
		report_row(r, name, cells);
}

/* Row @name has no numbers here, because of @why. */
void report_row_none(struct report *r, const char *name, const char *why)
{
	if (r->json) {
		json_key(r, name);
		fputs("null", r->out);
	} else {
		fprintf(r->out, "  %-*s  %s\n", NAME_WIDTH - 2, name, why);
	}
}

/* A whole section has none: @why stands in its place, and begins with what. */
void report_none(struct report *r, const char *key, const char *why, ...)
{
	va_list ap;

	if (r->json) {
		json_key(r, key);
		fputs("null", r->out);
		return;
	}
	va_start(ap, why);
	vfprintf(r->out, why, ap);
	va_end(ap);
	putc('\n', r->out);
}
