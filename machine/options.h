/* SPDX-License-Identifier: MIT */
/*
 * The command line, parsed and checked as far as it can be without touching
 * the host.
 */
#ifndef MACHINE_OPTIONS_H
#define MACHINE_OPTIONS_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/refuse.h"

#define LAUNCHER_VERSION "0.1"

/*
 * Pins of the 24-pin IOAPIC: 0 to 5 are what they are on a PC (4 is the serial
 * port), and each card has one of the others to itself.
 */
#define CARDS_MAX	18
#define CPUS_MAX	254
#define RING_MAX	1024
#define RING_MIN	32	/* with less Linux stops sending, and waits */
#define TX_DELAY	1000	/* us: what pays, see docs/benchmark/README.md */
#define TX_DELAY_MAX	100000	/* us; longer, and TCP takes it for loss */
#define BUSY_MAX	100000	/* us; longer, and nobody else gets to run */

struct tap_option {
	char name[IFNAMSIZ];	/* empty when fd is given */
	int fd;			/* passed-in tap, or -1 */
	bool has_mac;
	uint8_t mac[6];
	unsigned int mtu;	/* 0: the tap's own */
	unsigned int ring;	/* entries of each ring, at most */
	unsigned int tx_delay;	/* us between TX interrupts, at least */
	unsigned int busy;	/* us that vhost polls before it sleeps */
	bool batch;		/* vhost's worker preempts nobody */
	unsigned int sndbuf;	/* bytes under way in the tap; 0: its own */
	uint64_t without;	/* features not to offer, bits as virtio's */
	int vhost;		/* 1 on, 0 off, -1 not said here */
	int vhostfd;		/* passed-in /dev/vhost-net, or -1 */
};

struct options {
	const char *kernel;
	const char *initrd;	/* NULL for none */
	const char *append;	/* "" for nothing */
	uint64_t memory;	/* bytes */
	unsigned int cpus;
	unsigned int nr_taps;
	bool stats;		/* at exit, not only when asked */
	const char *stats_file;	/* NULL: stderr */
	unsigned int stats_interval;	/* seconds, or 0 for never */
	bool probe;
	bool trap_registers;	/* no register page: every access exits */
	bool relay_interrupts;	/* by way of us, who set InterruptStatus */
	unsigned int trace;	/* TRACE_ bits, see machine/trace.h; 0: off */
	char trace_file[PATH_MAX];	/* "" for standard error */
	struct tap_option tap[CARDS_MAX];
};

enum options_result {
	OPTIONS_RUN,		/* filled in, go on */
	OPTIONS_DONE,		/* --help or --version: printed, exit 0 */
	OPTIONS_WRONG,		/* @why names the option and the fix, exit 2 */
};

enum options_result options_parse(struct options *opt, int argc, char **argv,
				  char why[static WHY_MAX]);

#endif
