/* SPDX-License-Identifier: MIT */
/*
 * One report, two ways to write it: a table for people, or a line of JSON for
 * programs.  Whoever has numbers says them once, as sections of rows, and does
 * not know which of the two comes out; so both always say the same.
 *
 *	report_section(r, "returns", &columns, "returns from KVM_RUN");
 *	report_row(r, "MMIO", cells);
 *	report_close(r);
 *
 *	returns from KVM_RUN                total       vcpu0
 *	  MMIO                                 52          52
 *
 *	"returns":{"MMIO":{"total":52,"vcpu0":52}}
 *
 * A section with one column has no names for it: "pages_4k":12.
 */
#ifndef MACHINE_REPORT_H
#define MACHINE_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What there is no number for: "-" in the table, null in JSON. */
#define REPORT_NONE UINT64_MAX

struct report_columns {
	unsigned int nr;
	const char *const *name;
	bool thousandths;		/* cells are: 2104 is 2.104 */
};

struct report {
	FILE *out;
	bool json;
	bool first;			/* nothing in this JSON object yet */
	const struct report_columns *columns;
};

void report_begin(struct report *r, FILE *out, bool json, const char *when,
		  uint64_t unix_ms, uint64_t run_ms);
void report_end(struct report *r);
void report_open(struct report *r, const char *key);
void report_close(struct report *r);
void report_text(struct report *r, const char *key, const char *text);
void report_number(struct report *r, const char *key, uint64_t n,
		   const char *title, ...)
	__attribute__((format(printf, 4, 5)));
void report_section(struct report *r, const char *key,
		    const struct report_columns *columns,
		    const char *title, ...)
	__attribute__((format(printf, 4, 5)));
void report_row(struct report *r, const char *name, const uint64_t *cells);
void report_row_if_any(struct report *r, const char *name,
		       const uint64_t *cells);
void report_row_none(struct report *r, const char *name, const char *why);
void report_none(struct report *r, const char *key, const char *why, ...)
	__attribute__((format(printf, 3, 4)));

#endif
