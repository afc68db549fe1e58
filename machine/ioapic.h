/* SPDX-License-Identifier: MIT */
/*
 * The IOAPIC of a split irqchip: 24 pins, each one an MSI route in waiting.
 *
 * One struct is one chip.  The caller holds the device lock in every call.
 */
#ifndef MACHINE_IOAPIC_H
#define MACHINE_IOAPIC_H

#include <stdint.h>

#define IOAPIC_SIZE	0x1000	/* bytes of its window, at GPA_IOAPIC */
#define IOAPIC_PINS	24	/* 82093AA: 24 redirection entries */

/* What a pin sends: a 32-bit write of @data to @addr, caught by the APICs. */
struct msi {
	uint64_t addr;
	uint32_t data;
};

struct ioapic {
	uint32_t select;		/* index register: what data shows */
	uint32_t id;			/* as written; nothing here reads it */

	/* @pin now sends @msi (NULL: nothing).  Called when that changes. */
	void (*route)(void *ctx, unsigned int pin, const struct msi *msi);
	void *ctx;

	int irq_fd[IOAPIC_PINS];	/* eventfd that raises the pin, or -1 */
	uint64_t rte[IOAPIC_PINS];	/* the redirection table */
};

void ioapic_init(struct ioapic *io,
		 void (*route)(void *ctx, unsigned int pin,
			       const struct msi *msi),
		 void *ctx);
void ioapic_attach(struct ioapic *io, unsigned int pin, int irq_fd);
uint32_t ioapic_read(struct ioapic *io, uint32_t offset);
void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t val);
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
