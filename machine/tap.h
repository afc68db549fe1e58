/* SPDX-License-Identifier: MIT */
/*
 * The tap: a network interface of the host's whose other end is a file.  Both
 * backends need one; which of them reads and writes it is not decided here.
 */
#ifndef MACHINE_TAP_H
#define MACHINE_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/refuse.h"

enum tap_link { TAP_UP, TAP_DOWN, TAP_GONE };

/* One direction of a tap's traffic, as the interface counted it. */
struct tap_counts {
	uint64_t packets, bytes, dropped, errors;
};

struct tap {
	int fd;
	char name[IFNAMSIZ];	/* as it was when we got it, for messages */
	bool visible;		/* its interface is in our network namespace */
	bool has_uso;		/* takes UDP segmentation offload, Linux 6.2 */
	struct tap_counts rx_before, tx_before;	/* as it counted till then */
};

bool tap_open(struct tap *tap, const char *name, char why[static WHY_MAX]);
bool tap_adopt(struct tap *tap, int fd, char why[static WHY_MAX]);
bool tap_probe(void);
bool tap_own_mac(const struct tap *tap, uint8_t mac[6]);
unsigned int tap_mtu(const struct tap *tap);
enum tap_link tap_link(const struct tap *tap);
bool tap_counts(const struct tap *tap, struct tap_counts *from_guest,
		struct tap_counts *to_guest);
int tap_set_header(const struct tap *tap, unsigned int bytes);
int tap_set_sndbuf(const struct tap *tap, unsigned int bytes);
int tap_set_offload(const struct tap *tap, uint64_t features);

#endif
