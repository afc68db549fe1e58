/* SPDX-License-Identifier: MIT */
/*
 * One network card as the guest's hardware: where the machine, the virtio
 * device and its backend meet.  They know nothing of each other; what
 * joins them is eventfds and the memory table.
 *
 * Card i has pin 6 + i of the IOAPIC and 8 KiB of addresses to itself:
 *
 *   d000_0000 + i * 2000 + 0fa0   MagicValue     no memslot: reads and writes
 *                          0ff0   QueueNotify    exit; a kick is an ioeventfd
 *   ---------------------- 1000 ------------------ page boundary ----------
 *                          1000   InterruptStatus  a page of ours, mapped read
 *                          1004   InterruptACK     only: reads cost nothing,
 *                          1010   Status           writes exit; ACK of a used
 *                          10a0   Config           buffer ends in an ioeventfd
 *
 * What runs per packet, the kick and the handler's read and ACK, never returns
 * to user space.  The boundary lies where it does because KVM caches that an
 * address has no memslot, but tries every store to a read-only one from
 * scratch: with QueueNotify on the first page, a kick costs about a thousand
 * instructions less.  Linux does not mind where its registers begin.
 */
#ifndef MACHINE_CARD_H
#define MACHINE_CARD_H

#include <stdint.h>

#include "machine/acpi.h"
#include "machine/call.h"
#include "machine/link.h"
#include "machine/loop.h"
#include "machine/options.h"
#include "machine/report.h"
#include "machine/tap.h"
#include "vhost/net.h"
#include "virtio/net.h"
#include "virtio/net-user.h"

#define CARD_WINDOW_STEP	0x2000
#define CARD_FIRST_GSI		6

struct machine;

struct card {
	char name[IFNAMSIZ + 16];	/* "card 0 (tap0)", for messages */
	struct tap tap;
	struct vhost_net vhost;
	struct net_user *user;		/* instead, or NULL; it is large */
	struct net net;
	int call_fd[NET_RINGS];
	struct call call[NET_RINGS];	/* of those that KVM does not watch */
	struct ring_watch {		/* vhost's err_fd of each ring */
		struct watch watch;
		struct card *card;
	} err[NET_RINGS];
};

void card_create(struct machine *m, unsigned int index);
void card_link_changed(struct card *card);
struct acpi_device card_describe(unsigned int index);
uint64_t card_report(const struct card *card, struct report *r,
		     const char *key);
void card_default_mac(const char *tap, const char *machine_id, uint8_t mac[6]);

#endif
