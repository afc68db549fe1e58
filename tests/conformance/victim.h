/* SPDX-License-Identifier: MIT */
/*
 * A rig to be maltreated, and its neighbour, which must not notice: what the
 * scenarios of group H have in common.
 *
 * Whatever a guest does, three things must hold: the kernel logs nothing,
 * another device does not notice, and a reset gives back a device that works.
 * So after each misdeed both rigs must pass frames.
 *
 * vhost says that a ring is broken by signalling its err eventfd.  It looks at
 * avail of RX only once it has a frame for it, so there each misdeed comes with
 * a frame on the wire; that frame waits in the tap, and must be the first to
 * arrive after the reset.
 */
#ifndef CONFORMANCE_VICTIM_H
#define CONFORMANCE_VICTIM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/conformance/rig.h"

#define SOON_MS		10000U	/* what is due comes within, on any machine */
#define NUM		256U
#define PAGE		4096U
#define LEN		200U	/* of a frame, where its length is no matter */
#define PLAIN		(FEATURE(VIRTIO_F_VERSION_1) | \
			 FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
#define MERGED		(PLAIN | FEATURE(VIRTIO_NET_F_MRG_RXBUF))

#define WORK_PAGES	300U	/* an indirect table of 65,537, and buffers */

struct victim {
	struct rig bad, good;
	uint64_t work;		/* WORK_PAGES pages of bad's memory, to misuse */
};

void victim_make(struct victim *p, uint64_t features);
void victim_free(struct victim *p);

/* Throw away what came out of the tap; how many frames. */
unsigned int rig_drain(const struct rig *r);
/* As a VMM does at a device reset; the rings then start anew. */
void rig_reset(struct rig *r);
/* The same, and what waits in the tap for RX is thrown away. */
void rig_reset_empty(struct rig *r);

/* The table of memory that vhost of @r has, until the next reset. */
void rig_set_regions(const struct rig *r,
		     const struct vhost_memory_region *region, unsigned int n);

/* A frame of LEN bytes on the wire, which makes vhost look for a buffer. */
void rig_poke(struct rig *r, uint32_t seq);
/* One buffer, and what is in the tap must come: the frame of rig_poke(). */
void expect_poked(struct rig *r, uint32_t seq, const char *what);

/* Header and frame, ready to be sent, at @gpa; its length. */
uint32_t lay_frame(struct rig *r, uint64_t gpa, unsigned int len, uint32_t seq);

/*
 * The ring is laid, and wrong: kick, and poke if it is RX.  ERR must come and
 * nothing be used or sent; then the neighbour and, after a reset, the ring
 * itself must work.
 */
void expect_broken(struct victim *p, unsigned int index, const char *what);
/* TX is laid in an odd way that is fine: the frame goes out, without ERR. */
void expect_fine(struct victim *p, uint32_t seq, unsigned int len,
		 const char *what);

/* How busy @r's worker is, in percent of the next second. */
unsigned int worker_busy(const struct rig *r);
/*
 * Wait until @n of TX are used, or it is plain that the worker turns round and
 * round instead.
 */
bool used_or_spins(const struct rig *r, unsigned int n, const char *what);

/* In hostile-frames.c and hostile-memory.c, for the table in hostile.c. */
void odd_headers(void);
void stumps(void);
void too_few_buffers(void);
void flood_without_room(void);
void rewritten_meanwhile(void);
void memory_goes_away(void);
void overlapping_rings(void);
void renegotiated(void);

#endif
