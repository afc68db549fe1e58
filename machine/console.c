/* SPDX-License-Identifier: MIT */
/*
 * Keys in, characters out.  Runs under the machine's lock but for what gives
 * the terminal back, which must work from a signal handler.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>
#include <linux/serial_reg.h>

#include "machine/console.h"

#define CTRL_A	0x01
#define BREAK	0x100			/* in hold[]: not a key */

/* ---- the terminal ---- */

static struct termios cooked, raw;
static volatile sig_atomic_t is_raw;

static void restore_terminal(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
	is_raw = 0;
}

static void on_fatal_signal(int sig)
{
	restore_terminal();
	raise(sig);			/* SA_RESETHAND: this time it kills */
}

/*
 * Every key goes to the guest, Ctrl-C too.  Output keeps its processing: our
 * own messages end in a bare newline.  Comes undone however we end.
 */
static void make_raw(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
				     SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ };
	struct sigaction sa = {
		.sa_handler = on_fatal_signal,
		.sa_flags = SA_RESETHAND | SA_NODEFER,
	};

	atexit(restore_terminal);
	for (unsigned int i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);

	signal(SIGTTOU, SIG_IGN);	/* put in the background: still restore */
	raw = cooked;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST | ONLCR;
	is_raw = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* After SIGCONT: whoever stopped us has set the terminal for himself. */
void console_resume(void)
{
	if (is_raw && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* ---- output ---- */

static bool writable(void)
{
	struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

	return poll(&p, 1, 0) == 1;
}

/* Write what can be written now; watch for the chance to write the rest. */
static void push_out(struct console *c)
{
	bool wait;

	while (c->out_len && writable()) {
		/* POLLOUT of a terminal promises little: small bites. */
		size_t bite = c->out_len < 64 ? c->out_len : 64;
		ssize_t n = write(STDOUT_FILENO, c->out_buf, bite);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)		/* nobody reads any more */
			n = c->out_len;
		c->out_len -= n;
		memmove(c->out_buf, c->out_buf + n, c->out_len);
	}

	wait = c->out_len > 0;
	if (wait && !c->out_watched)
		loop_watch(c->loop, &c->out, EPOLLOUT);
	else if (!wait && c->out_watched)
		loop_unwatch(c->loop, &c->out);
	c->out_watched = wait;
}

static bool transmit(void *ctx, uint8_t byte)
{
	struct console *c = ctx;

	if (c->out_len == sizeof(c->out_buf))
		return false;
	c->out_buf[c->out_len++] = byte;
	push_out(c);
	return true;
}

static void out_ready(void *ctx)
{
	struct console *c = ctx;

	push_out(c);
	if (c->out_len < sizeof(c->out_buf))
		serial_tx_ready(&c->serial);
}

/* The end: give a slow reader a second for what the guest said last. */
void console_flush(struct console *c)
{
	struct pollfd p = { STDOUT_FILENO, POLLOUT, 0 };

	while (c->out_len && poll(&p, 1, 1000) == 1)
		push_out(c);
}

/* ---- input ---- */

static const char escape_help[] =
	"\n"
	"Ctrl-A x       quit\n"
	"Ctrl-A b       send a break (then a letter is a sysrq)\n"
	"Ctrl-A Ctrl-A  send a Ctrl-A\n"
	"Ctrl-A h       this list\n";

/* What @key becomes: a key or BREAK for the guest, or -1 for nothing. */
static int translate(struct console *c, uint8_t key)
{
	if (!c->escape) {
		c->escape = key == CTRL_A;
		return c->escape ? -1 : key;
	}
	c->escape = false;
	switch (key) {
	case 'x':
		loop_stop(c->loop, 0);
		return -1;
	case 'b':
		return BREAK;
	case CTRL_A:
		return CTRL_A;
	default:
		fputs(escape_help, stderr);
		return -1;
	}
}

/*
 * Has the guest opened its port?  A driver that probes switches interrupts on
 * for a moment as well, but not OUT2, which on a PC connects them; and after
 * the probe it empties the FIFO, and what came too early is gone.
 */
static bool guest_listens(const struct console *c)
{
	return c->serial.ier & UART_IER_RDI && c->serial.mcr & UART_MCR_OUT2;
}

/* Give the chip what it takes, once the guest listens. */
static void deliver(struct console *c)
{
	unsigned int n = 0;

	if (!guest_listens(c))
		return;
	while (n < c->held && serial_room(&c->serial)) {
		uint8_t key = c->hold[n];

		if (c->hold[n++] == BREAK)
			serial_break(&c->serial);
		else
			serial_receive(&c->serial, &key, 1);
	}
	c->held -= n;
	memmove(c->hold, c->hold + n, c->held * sizeof(c->hold[0]));
}

static void in_ready(void *ctx)
{
	struct console *c = ctx;
	uint8_t keys[CONSOLE_HOLD];
	unsigned int room = CONSOLE_HOLD - c->held;
	ssize_t n;

	/* At a terminal Ctrl-A x must get through, so excess keys are lost. */
	n = read(STDIN_FILENO, keys, c->in_terminal ? sizeof(keys) : room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		c->in_open = false;

	for (ssize_t i = 0; i < n; i++) {
		int what = translate(c, keys[i]);

		if (what >= 0 && c->held < CONSOLE_HOLD)
			c->hold[c->held++] = what;
	}
}

/* Move input on as far as it goes, and wait for more if there is room. */
static void pump_input(struct console *c)
{
	bool want;

	deliver(c);
	while (c->in_file && c->in_open && c->held < CONSOLE_HOLD) {
		in_ready(c);
		deliver(c);
	}
	if (c->in_file)
		return;

	want = c->in_open && (c->in_terminal || c->held < CONSOLE_HOLD);
	if (want && !c->in_watched)
		loop_watch(c->loop, &c->in, EPOLLIN);
	else if (!want && c->in_watched)
		loop_unwatch(c->loop, &c->in);
	c->in_watched = want;
}

static void in_event(void *ctx)
{
	in_ready(ctx);
	pump_input(ctx);
}

/* ---- the chip's ports ---- */

/* A bus_io_fn.  A wide access is one to each port in turn, as on ISA. */
void console_io(void *ctx, uint64_t offset, uint8_t *data, unsigned int len,
		bool write)
{
	struct console *c = ctx;

	for (unsigned int i = 0; i < len && offset + i < SERIAL_REGS; i++) {
		if (write)
			serial_write(&c->serial, offset + i, data[i]);
		else
			data[i] = serial_read(&c->serial, offset + i);
	}
	if (c->held || c->in_file)	/* the guest may have made room */
		pump_input(c);
}

/* A serial port that raises its interrupt by eventfd @irq_fd. */
void console_create(struct console *c, struct loop *loop, int irq_fd)
{
	memset(c, 0, sizeof(*c));
	c->loop = loop;
	c->in = (struct watch) { STDIN_FILENO, in_event, c };
	c->out = (struct watch) { STDOUT_FILENO, out_ready, c };
	serial_init(&c->serial, irq_fd, transmit, c);
}

/*
 * Connect standard input, last of all before the guest runs: an error message
 * before this meets a terminal as the user left it.  A terminal that belongs
 * to somebody else, because we run in the background, is left alone.
 */
void console_start(struct console *c)
{
	pid_t foreground;
	int err;

	c->in_terminal = tcgetattr(STDIN_FILENO, &cooked) == 0;
	foreground = tcgetpgrp(STDIN_FILENO);	/* -1: not in a session */
	c->in_open = !c->in_terminal || foreground < 0 ||
		     foreground == getpgrp();
	if (!c->in_open)
		return;
	if (c->in_terminal)
		make_raw();
	err = loop_watch(c->loop, &c->in, EPOLLIN);
	c->in_watched = err == 0;
	c->in_file = err == -EPERM;
	c->in_open = !err || c->in_file;
	pump_input(c);
}
