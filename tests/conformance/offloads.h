/* SPDX-License-Identifier: MIT */
/* What the files of the offloads have in common. */
#ifndef CONFORMANCE_OFFLOADS_H
#define CONFORMANCE_OFFLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/uapi.h"
#include "tests/conformance/rig.h"

#define USO	(TUN_F_USO4 | TUN_F_USO6)
#define TSO	(TUN_F_TSO4 | TUN_F_TSO6)

/* TUNSETOFFLOAD: what the guest of @r accepts from now on. */
void accept_offload(const struct rig *r, unsigned int flags);
/* Does the kernel know USO?  Leaves @tap with no offloads. */
bool has_uso(int tap);
/* Two guests, started, their taps on one bridge, br. */
void pair_make(struct rig *a, struct rig *b, uint64_t features);

/* In segments.c. */
void large_to_guest(void);		/* O2 */
void large_from_guest(void);		/* O3 */
void checksums(void);			/* O4 */
/* In tunnel.c. */
void udp_tunnel(void);			/* O8 */
void offload_taken_back(void);		/* O10 */

#endif
