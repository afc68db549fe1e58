/* SPDX-License-Identifier: MIT */
/*
 * Interfaces besides a rig's own tap, and what joins them: a bridge, a macvtap,
 * a queue that holds frames back.  All of it lives and dies with the network
 * namespace of the scenario.
 *
 * As in rig.h: what does not return an error has worked, or the scenario ended.
 */
#ifndef CONFORMANCE_LINKS_H
#define CONFORMANCE_LINKS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* SIOC... on the interface @name; 0 or -errno. */
int link_ioctl(unsigned long request, const char *name, struct ifreq *ifr);
int link_index(const char *name);	/* 0 if there is none */
int link_delete(const char *name);	/* as `ip link del`; 0 or -errno */

/* A bridge, up, that learns and sends nothing of its own. */
void bridge_make(const char *name);
void bridge_add(const char *bridge, const char *port);

/*
 * A macvtap or ipvtap (@kind) of @mode on top of @lower, up.  Returns its open
 * descriptor, with a virtio-net header of @hdr_len bytes; SKIPs if the kernel
 * has none.
 */
int tap_on_link(const char *kind, const char *name, const char *lower,
		uint32_t mode, const uint8_t mac[6], unsigned int hdr_len);

/* A queue of @kind, as "fq", for what @name sends; 0 or -errno. */
int qdisc_make(const char *name, const char *kind);

/*
 * From now on what @name would send stays in its queue, and keeps counting as
 * its sender's, until plug_release().  SKIPs without sch_plug.
 */
void plug_make(const char *name);
void plug_release(const char *name);

#endif
