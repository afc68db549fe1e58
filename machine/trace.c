/* SPDX-License-Identifier: MIT */
/*
 * Lines on their way out.  Each is one write(2), so that those of several
 * threads, and the guest's console, do not run into each other.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "machine/options.h"
#include "machine/trace.h"

unsigned int trace_on;			/* TRACE_ bits */

static int out = STDERR_FILENO;
static struct timespec started;

/* By bit: TRACE_WORDS is the same, for people. */
static const char *const word_of[] = {
	"run", "kvm", "tap", "vhost", "regs", "card",
};

#define NR_WORDS (sizeof(word_of) / sizeof(word_of[0]))

/* The bit that @word stands for in --trace, or 0. */
unsigned int trace_word(const char *word)
{
	for (unsigned int i = 0; i < NR_WORDS; i++)
		if (strcmp(word, word_of[i]) == 0)
			return 1U << i;
	return 0;
}

/*
 * ---- text ----
 */

/* Add to @t what printf would print; what does not fit is left out. */
void text_add(struct text *t, const char *fmt, ...)
{
	size_t room = sizeof(t->s) - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

/*
 * Add @bits as a number and as words, from a table with a row per bit.  A bit
 * without a word is "bit N".  Returns the text, for use in a trace().
 */
const char *text_bits(struct text *t, uint64_t bits, const char *const *name,
		      unsigned int names)
{
	text_add(t, "%#llx", (unsigned long long)bits);
	for (unsigned int i = 0; i < 64; i++) {
		if (!(bits >> i & 1))
			continue;
		if (i < names && name[i])
			text_add(t, " %s", name[i]);
		else
			text_add(t, " bit %u", i);
	}
	return t->s;
}

/*
 * ---- lines ----
 */

/* The disk is full, or nobody reads any more: say so, and go on without. */
static void give_up(int error)
{
	trace_on = 0;
	warnx("--trace: %s; the transcript ends here", strerror(error));
}

static void write_all(const char *s, size_t len)
{
	struct pollfd p = { .fd = out, .events = POLLOUT };

	while (len) {
		ssize_t n = write(out, s, len);

		if (n >= 0) {
			s += n;
			len -= n;
		} else if (errno == EAGAIN) {	/* a terminal that others use */
			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			give_up(errno);
			return;
		}
	}
}

/* Behind the macro trace(): @what is the line's kind, one bit. */
void trace_line(unsigned int what, const char *fmt, ...)
{
	char line[1280];
	struct timespec now;
	long long us;
	va_list ap;
	int n, len;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - started.tv_sec) * 1000000LL +
	     (now.tv_nsec - started.tv_nsec) / 1000;
	len = snprintf(line, sizeof(line), "%4lld.%06lld %-5s ", us / 1000000,
		       us % 1000000, word_of[__builtin_ctz(what)]);

	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	if (n > 0)
		len += n;
	if (len > (int)sizeof(line) - 1)
		len = sizeof(line) - 1;

	/* One event, one line: a command line may hold anything. */
	for (int i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = ' ';
	line[len] = '\n';
	write_all(line, len + 1);
}

static void add_ioctl(struct text *t, const struct trace_call *table,
		      unsigned long request, unsigned long arg, int ret,
		      int error)
{
	while (table->request && table->request != request)
		table++;
	if (table->request)
		text_add(t, " %s", table->name);
	else
		text_add(t, " ioctl %#lx %#lx", request, arg);
	if (table->in) {
		text_add(t, " ");
		table->in(t, arg);
	}
	if (ret < 0) {
		text_add(t, " = -1: %s", strerror(error));
		return;
	}
	text_add(t, " = %d", ret);
	if (table->out) {
		text_add(t, ": ");
		table->out(t, arg);
	}
}

/*
 * As ioctl(2), errno included, with a line of kind @what that says what went
 * in, what it returned and what came out, by the rows of @table.
 */
int trace_ioctl(unsigned int what, const struct trace_call *table, int fd,
		unsigned long request, unsigned long arg)
{
	int ret = ioctl(fd, request, arg), error = errno;

	if (trace_on & what) {
		struct text t = { 0 };

		add_ioctl(&t, table, request, arg, ret, error);
		trace_line(what, "fd %d%s", fd, t.s);
		errno = error;
	}
	return ret;
}

/*
 * ---- the start ----
 */

/* A word of a command line as a shell would take it. */
static void add_quoted(struct text *t, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=,.:/@%";

	if (*word && word[strspn(word, plain)] == '\0')
		text_add(t, " %s", word);
	else
		text_add(t, " '%s'", word);
}

/*
 * Write lines of the kinds @what (TRACE_ bits) to @file, or to standard error
 * if that is empty; the first says what runs on what, with @argv.  Returns
 * false with @why if the file cannot be written.
 */
bool trace_start(unsigned int what, const char *file, char *const *argv,
		 char why[static WHY_MAX])
{
	struct utsname host = { .release = "?" };
	struct text t = { 0 };

	if (*file)
		out = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND |
				 O_CLOEXEC | O_NOCTTY, 0666);
	if (out < 0)
		return refuse(why, "--trace: %s: %s", file, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &started);
	trace_on = what;

	uname(&host);
	for (; *argv; argv++)
		add_quoted(&t, *argv);
	trace(TRACE_RUN, "launcher " LAUNCHER_VERSION " on Linux %s:%s",
	      host.release, t.s);
	return true;
}
