/* SPDX-License-Identifier: MIT */
/*
 * The transcript, --trace: one line per event, in order, with the time since
 * the start.  It reads as the story of how a ring is wired, and it is what
 * belongs into a bug report.
 *
 * What a value means is known where the value is used, so the decoders are
 * there: next to the ioctls in kvm.c, tap.c and vhost/vhost.c, and for what the
 * guest says in virtio/names.h.  Nothing that happens per packet is traced but
 * what a person has asked to come this way (--registers trap, --irq relay).
 */
#ifndef MACHINE_TRACE_H
#define MACHINE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "machine/refuse.h"

/* Kinds of events, bits of trace_on; trace_word() knows their names. */
enum {
	TRACE_RUN   = 1 << 0,	/* the command line, the guest's start and end */
	TRACE_KVM   = 1 << 1,	/* ioctls on KVM: all but KVM_RUN */
	TRACE_TAP   = 1 << 2,	/* ... on the tap and its interface */
	TRACE_VHOST = 1 << 3,	/* ... on /dev/vhost-net */
	TRACE_REGS  = 1 << 4,	/* register writes that reach us */
	TRACE_CARD  = 1 << 5,	/* eventfds, features, rings, resets, errors */
	TRACE_ALL   = (1 << 6) - 1,
};

#define TRACE_WORDS	"run, kvm, tap, vhost, regs and card"

extern unsigned int trace_on;

/* A line of kind @what, printf-like.  Arguments are evaluated if it is on. */
#define trace(what, ...) do {						\
	if (__builtin_expect(trace_on & (what), 0))			\
		trace_line(what, __VA_ARGS__);				\
} while (0)

/*
 * Text that grows by printf and is cut where it is full.  Starts as { 0 }, and
 * may be made on the spot: name(&(struct text){ 0 }, value) inside a trace().
 */
struct text {
	size_t len;
	char s[1024];
};

/* One kind of ioctl: a row with request 0 ends a table of them. */
struct trace_call {
	unsigned long request;
	const char *name;
	void (*in)(struct text *t, unsigned long arg);	/* or NULL */
	void (*out)(struct text *t, unsigned long arg);	/* if it succeeded */
};

unsigned int trace_word(const char *word);
bool trace_start(unsigned int what, const char *file, char *const *argv,
		 char why[static WHY_MAX]);
void trace_line(unsigned int what, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int trace_ioctl(unsigned int what, const struct trace_call *table, int fd,
		unsigned long request, unsigned long arg);

void text_add(struct text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
const char *text_bits(struct text *t, uint64_t bits, const char *const *name,
		      unsigned int names);

#endif
