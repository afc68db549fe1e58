/* SPDX-License-Identifier: MIT */
/*
 * Frames with a virtio-net header and a content of one's own choice: for what
 * rig_send() and rig_receive(), which know one kind of frame, are too simple.
 */
#ifndef CONFORMANCE_RAW_H
#define CONFORMANCE_RAW_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/virtio_net.h>

#include "tests/conformance/rig.h"

/* Have @n buffers of the largest size out for RX, and tell. */
void raw_offer(struct rig *r, unsigned int n);
/*
 * The next frame for the guest, in at most @ms: its length, and where it is
 * until its buffer is offered again; -1 if none comes.  One buffer per frame.
 */
int raw_take(struct rig *r, struct virtio_net_hdr_v1 *hdr,
	     const uint8_t **frame, unsigned int ms);
/* No frame for the guest comes in @ms. */
bool raw_quiet(struct rig *r, unsigned int ms);

/* A frame from the guest, and wait until it is used. */
bool raw_send(struct rig *r, const struct virtio_net_hdr_v1 *hdr,
	      const void *frame, unsigned int len);

/* AF_PACKET on @name: any EtherType; with PACKET_VNET_HDR if @vnet_hdr. */
int raw_wire(const char *name, bool vnet_hdr);
/* From and to one with PACKET_VNET_HDR; recv: bytes of the frame, or -1. */
void raw_wire_send(int wire, const struct virtio_net_hdr_v1 *hdr,
		   const void *frame, unsigned int len);
int raw_wire_recv(int wire, struct virtio_net_hdr *hdr, void *frame,
		  unsigned int max, unsigned int ms);

#endif
