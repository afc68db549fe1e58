/* SPDX-License-Identifier: MIT */
/*
 * The vhost protocol, one function per step, for any kind of vhost device.
 * What a ring is connected to in the end is in net.h.
 *
 * The order (drivers/vhost/vhost.c, and why):
 *
 *   1  vhost_own()		binds the descriptor to our address space
 *   2  vhost_get_features()	what this kernel's vhost can do
 *   3  vhost_set_memory()	the table of guest RAM, before any backend
 *   4  vhost_set_features()	before any address: it may throw those away
 *   5  vhost_set_ring()	for each ring: NUM, BASE, ADDR, KICK, CALL, ERR
 *
 * then the backend, with which the kernel starts to run the ring.
 */
#ifndef VHOST_VHOST_H
#define VHOST_VHOST_H

#include <stdint.h>

#include "machine/memory.h"

struct vhost_ring {
	void *desc, *avail, *used;	/* hva */
	uint16_t num;			/* entries, a power of 2 */
	uint16_t base;			/* index in avail to start from */
	int kick_fd, call_fd, err_fd;	/* eventfds */
	unsigned int busy_us;		/* poll so long before sleeping */
};

int vhost_ioctl(int fd, unsigned long request, void *arg);
int vhost_own(int fd);
int vhost_get_features(int fd, uint64_t *features);
int vhost_set_memory(int fd, const struct memory *mem);
int vhost_set_features(int fd, uint64_t features);
int vhost_set_ring(int fd, unsigned int index, const struct vhost_ring *ring);
int vhost_get_base(int fd, unsigned int index, uint16_t *base);

#endif
