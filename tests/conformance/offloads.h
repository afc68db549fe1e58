/* SPDX-License-Identifier: MIT */
/* What the files of the offloads have in common. */
#ifndef CONFORMANCE_OFFLOADS_H
#define CONFORMANCE_OFFLOADS_H

#include <stdint.h>

#include "tests/conformance/rig.h"

/* Two guests, started, their taps on one bridge, br. */
void pair_make(struct rig *a, struct rig *b, uint64_t features);

#endif
