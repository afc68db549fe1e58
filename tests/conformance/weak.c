/* SPDX-License-Identifier: MIT */
/*
 * Groups without a file of their own yet: empty tables, which the real ones
 * take the place of when they are linked.
 */
#include "tests/conformance/suite.h"

#define EMPTY __attribute__((weak)) const struct scenario

EMPTY control[1], rings[1], hostile[1], lifecycle[1], dirty_log[1], iotlb[1],
      offloads[1], backends[1], workers[1], efficiency[1];
