/* SPDX-License-Identifier: MIT */
/*
 * Who answers at which address: one table for I/O ports, one for MMIO.
 *
 * An access that nobody claims reads as ones and is dropped when written, as
 * on a real bus.
 */
#ifndef MACHINE_BUS_H
#define MACHINE_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_RANGES_MAX 24

/*
 * The guest read or wrote @len bytes (1, 2, 4 or 8) at @offset into the range;
 * a read leaves its answer in @data.  An access that starts inside the range
 * may run past its end: the device decides what that is worth.
 */
typedef void bus_io_fn(void *ctx, uint64_t offset, uint8_t *data,
		       unsigned int len, bool write);

struct bus {
	unsigned int nr;
	struct bus_range {
		uint64_t start, len;
		bus_io_fn *io;
		void *ctx;
	} range[BUS_RANGES_MAX];
};

void bus_add(struct bus *bus, uint64_t start, uint64_t len, bus_io_fn *io,
	     void *ctx);
void bus_io(const struct bus *bus, uint64_t addr, uint8_t *data,
	    unsigned int len, bool write);

#endif
