/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the serial port: standard input, which may be a terminal,
 * a pipe, a file, /dev/null or closed, and standard output.
 *
 * Input waits here until the guest has opened its port (which throws away what
 * the chip holds), and Ctrl-A is watched for on the way.  Output waits here
 * while standard output cannot take it, so that a reader who has stopped
 * reading stops the guest's printing, not the launcher.
 */
#ifndef MACHINE_CONSOLE_H
#define MACHINE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/bus.h"
#include "machine/loop.h"
#include "machine/serial.h"

#define CONSOLE_HOLD	256
#define CONSOLE_OUT	4096

struct console {
	struct serial serial;
	struct loop *loop;
	struct watch in, out;
	bool in_open;			/* not at its end yet */
	bool in_terminal;
	bool in_file;			/* epoll refuses it: always ready */
	bool in_watched, out_watched;
	bool escape;			/* the last key was Ctrl-A */
	unsigned int held, out_len;
	uint16_t hold[CONSOLE_HOLD];	/* keys, or BREAK; the oldest first */
	char out_buf[CONSOLE_OUT];
};

void console_create(struct console *c, struct loop *loop, int irq_fd);
void console_start(struct console *c);
void console_resume(void);
void console_flush(struct console *c);
bus_io_fn console_io;

#endif
