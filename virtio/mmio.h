/* SPDX-License-Identifier: MIT */
/*
 * The virtio-mmio transport, version 2: a window of 0x200 bytes of registers
 * (virtio 1.2, 4.2.2) and what they do.  What kind of device is behind them is
 * known to struct mmio_ops only.
 *
 * The guest writes here from any vCPU, at any time, with any value.  Nothing
 * in mmio.c believes it.
 *
 * Two ways to plug the window in, the same code for both:
 *
 *  - @page set: reads of the registers from MMIO_PAGED on never come here.
 *    The guest reads memory, and we keep that equal to what mmio_read() says.
 *  - @page NULL: every access comes here.
 *
 * And two ways to interrupt:
 *
 *  - directly: the backend's call reaches the guest without us, so the bit for
 *    used buffers in InterruptStatus, which nobody could set in time, reads 1
 *    from DRIVER_OK until reset.  The spec wants a bit without an event to be 0
 *    (4.2.2.1), so this is a deviation: Linux then looks at its rings, finds
 *    nothing, and goes on.
 *  - @relayed: each call comes to mmio_used(), which sets the bit, and the
 *    driver's ACK clears it, by the book.
 */
#ifndef VIRTIO_MMIO_H
#define VIRTIO_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/memory.h"
#include "machine/refuse.h"

#define MMIO_WINDOW	0x200U	/* bytes of registers */
#define MMIO_PAGED	0x60U	/* InterruptStatus: the first one paged */
#define MMIO_QUEUES_MAX	2

#define FEATURE(bit)	(1ULL << (bit))

struct mmio_queue {
	uint32_t num;			/* as written, checked when made ready */
	bool ready;
	uint64_t desc, driver, device;	/* gpa, the same */
};

struct mmio;

struct mmio_ops {
	/* FEATURES_OK was asked for: may the driver have this subset? */
	bool (*features_ok)(struct mmio *m, uint64_t features);
	/* DRIVER_OK: all queues are ready and checked.  NULL, or why not. */
	const char *(*start)(struct mmio *m);
	/*
	 * When this returns, nobody touches the guest's memory.  Called at
	 * reset and when the device breaks, so perhaps twice, or after a
	 * start() that failed.
	 */
	void (*stop)(struct mmio *m);
	/* A kick that came the long way. */
	void (*notify)(struct mmio *m, unsigned int queue);
};

/* Accesses that reached us, by register; config space is the last row. */
#define MMIO_REGISTERS	(0x100 / 4 + 1)

struct mmio_counts {
	uint64_t read[MMIO_REGISTERS], write[MMIO_REGISTERS];
};

struct mmio {
	const struct mmio_ops *ops;
	const struct memory *mem;
	const char *name;		/* for messages */
	int irq_fd;			/* eventfd: one signal, one interrupt */
	volatile uint32_t *page;	/* what the guest reads, from MMIO_PAGED */
	bool relayed;			/* calls come to mmio_used() */

	uint32_t device_id;		/* virtio 1.2, 5: 1 is a network card */
	uint64_t offered;		/* features; fixed at creation */
	unsigned int nr_queues;
	uint32_t queue_num_max;

	uint64_t driver_features;	/* as written so far */
	uint64_t accepted;		/* a subset, once FEATURES_OK */
	uint32_t device_features_sel, driver_features_sel;
	uint32_t queue_sel;		/* as written: may be out of range */
	uint32_t interrupt_status;
	uint32_t config_generation;
	uint8_t status;

	bool broken_before;		/* has been said */
	uint64_t broken_count;
	char broken_why[WHY_MAX];	/* the last time */
	struct mmio_counts counts[2];	/* before DRIVER_OK, and after */

	struct mmio_queue queue[MMIO_QUEUES_MAX];
	uint8_t config[MMIO_WINDOW - 0x100];	/* device-specific, LE */
};

void mmio_init(struct mmio *m);
uint32_t mmio_read(struct mmio *m, uint32_t offset, unsigned int len);
void mmio_write(struct mmio *m, uint32_t offset, uint32_t val);
void mmio_io(void *mmio, uint64_t offset, uint8_t *data, unsigned int len,
	     bool write);
bool mmio_running(const struct mmio *m);
void mmio_broken(struct mmio *m, const char *why);
void mmio_used(struct mmio *m);
void mmio_set_config(struct mmio *m, unsigned int at, const void *bytes,
		     unsigned int len);
const char *mmio_register_name(unsigned int row);

#endif
