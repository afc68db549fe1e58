/* SPDX-License-Identifier: MIT */
/*
 * What the fuzzers share: an input is taken apart from its front, and MUST()
 * says what has to hold whatever it was.
 *
 * A seed is in tests/fuzz/corpus/NAME/, as hexadecimal digits with comments if
 * it ends in .hex; scripts/fuzz makes bytes of those.  Numbers are
 * little-endian, and what is not there any more reads as 0.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define MUST(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,	\
			__LINE__, #cond);				\
		abort();						\
	}								\
} while (0)

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next @bytes, up to 8 of them, as a number. */
static inline uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t val = 0;
	size_t n = bytes < in->left ? bytes : in->left;

	if (n)
		memcpy(&val, in->at, n);
	in->at += n;
	in->left -= n;
	return val;
}

/* The next @bytes, to be kept; behind the input's end they are 0. */
static inline void take_bytes(struct input *in, void *to, size_t bytes)
{
	size_t n = bytes < in->left ? bytes : in->left;

	memset(to, 0, bytes);
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

static inline int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	MUST(fd >= 0);
	return fd;
}

/* How often an eventfd was signalled since this was last asked. */
static inline uint64_t signals(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) == 0 ? n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
