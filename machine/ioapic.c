/* SPDX-License-Identifier: MIT */
/*
 * A virtual 82093AA: the chip that says which CPU hears of which device.
 *
 * The local APICs are in the kernel and this chip is not, so a pin has no wire
 * to them.  Instead, each unmasked redirection entry is turned into the MSI
 * message that means the same, and the pin's eventfd is routed to it.  From
 * then on an interrupt goes from vhost to the CPU without us, and without the
 * workqueue an in-kernel IOAPIC would put in between.
 *
 * Nothing written here is believed: a guest may write any value at any time.
 */
#include <assert.h>
#include <stdbool.h>
#include <unistd.h>

#include "machine/ioapic.h"

/* The two registers of the window (82093AA, section 3.1) ... */
#define REG_SELECT	0x00
#define REG_DATA	0x10

/* ... and what the first makes the second show (section 3.2). */
#define INDEX_ID	0x00
#define INDEX_VERSION	0x01
#define INDEX_ARB	0x02
#define INDEX_RTE	0x10		/* two per pin: low half, high half */

/*
 * 0x11 is the 82093AA itself.  Version 0x20 would add an EOI register, which
 * nobody needs where no line is ever held: see ioapic_eoi().
 */
#define VERSION		0x11

#define ID_BITS		0x0f000000	/* section 3.2.1 */

/* A redirection entry (section 3.2.4).  Polarity means nothing to an MSI. */
#define RTE_VECTOR	0xffULL
#define RTE_MODE(rte)	((unsigned int)((rte) >> 8) & 7)
#define RTE_LOGICAL	(1ULL << 11)
#define RTE_POLARITY	(1ULL << 13)
#define RTE_REMOTE_IRR	(1ULL << 14)
#define RTE_LEVEL	(1ULL << 15)
#define RTE_MASKED	(1ULL << 16)
#define RTE_DEST(rte)	((rte) >> 56)

#define MODE_BITS	(7ULL << 8)
#define MODE_FIXED	0
#define MODE_LOWEST	1

#define VECTOR_MIN	16	/* SDM 3A, "Valid Interrupt Vectors" */

/* All the guest may set; bits 12 and 14 are the chip's, the rest reserved. */
#define RTE_WRITABLE	(RTE_VECTOR | MODE_BITS | RTE_LOGICAL |		\
			 RTE_POLARITY | RTE_LEVEL | RTE_MASKED |	\
			 0xffULL << 56)

/* A message as the local APIC takes it (SDM 3A, "Message Signalled..."). */
#define MSI_ADDR	0xfee00000
#define MSI_LOGICAL	(1 << 2)
#define MSI_ASSERT	(1 << 14)
#define MSI_LEVEL	(1 << 15)

/*
 * Power-on state: every entry masked, no pin attached.  @route is called with
 * @ctx, later, and from within ioapic_write() only.
 */
void ioapic_init(struct ioapic *io,
		 void (*route)(void *ctx, unsigned int pin,
			       const struct msi *msi),
		 void *ctx)
{
	*io = (struct ioapic) { .route = route, .ctx = ctx };

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		io->rte[pin] = RTE_MASKED;
		io->irq_fd[pin] = -1;
	}
}

/*
 * Say which eventfd raises @pin (-1: none), so that an edge its entry was not
 * ready for can be given again.  We write to @irq_fd and never close it.
 */
void ioapic_attach(struct ioapic *io, unsigned int pin, int irq_fd)
{
	assert(pin < IOAPIC_PINS);
	io->irq_fd[pin] = irq_fd;
}

/*
 * Whether an entry sends anything.  Our devices want an ordinary vector and
 * nothing else, so an entry that asks for SMI, NMI, INIT or ExtINT is treated
 * as masked: the network would send it at packet rate, which is nobody's wish.
 */
static bool rte_sends(uint64_t rte)
{
	return !(rte & RTE_MASKED) &&
	       (RTE_MODE(rte) == MODE_FIXED || RTE_MODE(rte) == MODE_LOWEST) &&
	       (rte & RTE_VECTOR) >= VECTOR_MIN;
}

/*
 * The message of an entry.  Address 0, which no message has, stands for none.
 *
 * A level entry sends a level message and KVM tells us of its EOI, but our
 * devices only pulse: it then works as an edge entry does.
 */
static struct msi rte_msi(uint64_t rte)
{
	struct msi msi = { 0 };

	if (!rte_sends(rte))
		return msi;

	msi.addr = MSI_ADDR | RTE_DEST(rte) << 12;
	if (rte & RTE_LOGICAL)
		msi.addr |= MSI_LOGICAL;
	msi.data = (rte & RTE_VECTOR) | RTE_MODE(rte) << 8;
	if (rte & RTE_LEVEL)
		msi.data |= MSI_LEVEL | MSI_ASSERT;
	return msi;
}

/* Raise a pin as its device would. */
static void kick(int irq_fd)
{
	uint64_t one = 1;

	if (irq_fd < 0)
		return;
	if (write(irq_fd, &one, sizeof(one)) < 0)
		return;		/* full: the pin is about to be raised anyway */
}

/*
 * Store an entry, and tell the owner if the pin now sends something else.
 *
 * An eventfd without a route swallows what is written to it, and a route to
 * the wrong CPU is no better.  So a new route is always followed by one
 * interrupt, in this order: a spurious one is harmless, a lost one is a hang.
 */
static void rte_set(struct ioapic *io, unsigned int pin, uint64_t rte)
{
	struct msi was = rte_msi(io->rte[pin]);
	struct msi now;

	if (!(rte & RTE_LEVEL))
		rte &= ~RTE_REMOTE_IRR;	/* level entries only */
	io->rte[pin] = rte;

	now = rte_msi(rte);
	if (now.addr == was.addr && now.data == was.data)
		return;
	if (!now.addr) {
		io->route(io->ctx, pin, NULL);
		return;
	}
	io->route(io->ctx, pin, &now);
	kick(io->irq_fd[pin]);
}

/* Replace one half of an entry, as far as the guest may. */
static void rte_write_half(struct ioapic *io, unsigned int half, uint32_t val)
{
	unsigned int pin = half / 2, shift = half % 2 * 32;
	uint64_t mask = RTE_WRITABLE & 0xffffffffULL << shift;
	uint64_t rte = io->rte[pin];

	rte_set(io, pin, (rte & ~mask) | ((uint64_t)val << shift & mask));
}

/* Which half of the table the index register names: check before use. */
static unsigned int selected_half(const struct ioapic *io)
{
	return io->select - INDEX_RTE;		/* wraps far out of range */
}

static uint32_t read_data(const struct ioapic *io)
{
	unsigned int half = selected_half(io);

	switch (io->select) {
	case INDEX_ID:
	case INDEX_ARB:				/* the same four bits */
		return io->id;
	case INDEX_VERSION:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	}
	if (half < 2 * IOAPIC_PINS)
		return io->rte[half / 2] >> (half % 2 * 32);
	return 0;
}

static void write_data(struct ioapic *io, uint32_t val)
{
	unsigned int half = selected_half(io);

	if (io->select == INDEX_ID)
		io->id = val & ID_BITS;
	else if (half < 2 * IOAPIC_PINS)
		rte_write_half(io, half, val);
}

/*
 * The guest reads 32 bits at @offset, in bytes from the start of the window.
 * Anything but the two registers reads 0.
 */
uint32_t ioapic_read(struct ioapic *io, uint32_t offset)
{
	switch (offset) {
	case REG_SELECT:
		return io->select;
	case REG_DATA:
		return read_data(io);
	default:
		return 0;
	}
}

/* The guest writes there.  Anything but the two registers takes no notice. */
void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t val)
{
	switch (offset) {
	case REG_SELECT:
		io->select = val & 0xff;	/* section 3.1.1: 8 bits */
		break;
	case REG_DATA:
		write_data(io, val);
		break;
	}
}

/*
 * KVM_EXIT_IOAPIC_EOI: a CPU is done with @vector, a level-triggered one.
 *
 * Remote IRR says that a CPU has taken a level interrupt and not yet finished
 * it.  Nothing here sets it, for we do not see an irqfd being delivered; it is
 * cleared all the same, so that no guest can wait for a bit that stays.  No
 * line is held either, so there is nothing to send again.
 */
void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t *rte = &io->rte[pin];

		if ((*rte & RTE_LEVEL) && (*rte & RTE_VECTOR) == vector)
			*rte &= ~RTE_REMOTE_IRR;
	}
}
