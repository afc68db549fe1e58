/* SPDX-License-Identifier: MIT */
/*
 * Address decoding.  The tables are filled before the guest runs and never
 * change, so looking at them needs no lock; what they lead to does, and the
 * caller holds it.
 */
#include <assert.h>
#include <string.h>

#include "machine/bus.h"

/* Claim [@start, @start + @len) for @io.  Ranges do not overlap. */
void bus_add(struct bus *bus, uint64_t start, uint64_t len, bus_io_fn *io,
	     void *ctx)
{
	assert(bus->nr < BUS_RANGES_MAX);
	for (unsigned int i = 0; i < bus->nr; i++)
		assert(start + len <= bus->range[i].start ||
		       start >= bus->range[i].start + bus->range[i].len);

	bus->range[bus->nr++] = (struct bus_range) { start, len, io, ctx };
}

/* One access of @len bytes at @addr, by a vCPU. */
void bus_io(const struct bus *bus, uint64_t addr, uint8_t *data,
	    unsigned int len, bool write)
{
	const struct bus_range *r;

	if (!write)
		memset(data, 0xff, len);
	for (r = bus->range; r < bus->range + bus->nr; r++)
		if (addr >= r->start && addr - r->start < r->len) {
			r->io(r->ctx, addr - r->start, data, len, write);
			return;
		}
}
