/* SPDX-License-Identifier: MIT */
/*
 * The IOAPIC against a plain table of its registers, from the 82093AA's data
 * sheet: what is read is what may be written, each pin is routed to the message
 * its entry means, and every new route is followed by one interrupt.
 *
 * Input: steps of 6 bytes: kind, offset or vector, value (4).
 */
#include "machine/ioapic.h"
#include "tests/fuzz/fuzz.h"

#define ATTACHED	7		/* pin 0, 7, 14...: with an eventfd */
#define EOI		0xff		/* a kind; others are writes, if odd */

static struct {
	uint32_t index, id;
	uint32_t half[2 * IOAPIC_PINS];
	struct msi msi[IOAPIC_PINS];	/* addr 0: none */
} model;

static struct {
	struct msi msi[IOAPIC_PINS];
	unsigned int calls[IOAPIC_PINS];
} told;

static struct ioapic io;
static int irq_fd[IOAPIC_PINS];

static void route(void *ctx, unsigned int pin, const struct msi *msi)
{
	MUST(ctx == &told && pin < IOAPIC_PINS);
	/* Not before it is routed, or the interrupt is lost. */
	MUST(irq_fd[pin] < 0 || signals(irq_fd[pin]) == 0);
	told.msi[pin] = msi ? *msi : (struct msi) { 0 };
	told.calls[pin]++;
}

/* Section 3.2.4, and the MSI format of SDM 3A: what this entry sends. */
static struct msi model_message(unsigned int pin)
{
	uint32_t low = model.half[2 * pin], high = model.half[2 * pin + 1];
	uint32_t vector = low & 0xff, mode = low >> 8 & 7;
	struct msi msi = { 0 };

	if (low & 1 << 16 || mode > 1 || vector < 16)
		return msi;
	msi.addr = 0xfee00000 | (high >> 24) << 12 | (low >> 11 & 1) << 2;
	msi.data = vector | mode << 8;
	if (low & 1 << 15)			/* level, and asserted */
		msi.data |= 3 << 14;
	return msi;
}

static uint32_t model_read(uint32_t offset)
{
	if (offset == 0x00)
		return model.index;
	if (offset != 0x10)
		return 0;
	if (model.index == 0 || model.index == 2)
		return model.id;
	if (model.index == 1)
		return 0x00170011;
	if (model.index >= 0x10 && model.index < 0x10 + 2 * IOAPIC_PINS)
		return model.half[model.index - 0x10];
	return 0;
}

static void model_write(uint32_t offset, uint32_t val)
{
	unsigned int half = model.index - 0x10;

	if (offset == 0x00)
		model.index = val & 0xff;
	if (offset != 0x10)
		return;
	if (model.index == 0)
		model.id = val & 0x0f000000;
	if (half < 2 * IOAPIC_PINS)
		model.half[half] = val & (half % 2 ? 0xff000000 : 0x1afff);
}

/* What is routed is what the entry says, and one kick came with each change. */
static void check_pins(void)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		struct msi now = model_message(pin), *was = &model.msi[pin];
		bool changed = now.addr != was->addr || now.data != was->data;

		MUST(told.calls[pin] == changed);
		MUST(told.msi[pin].addr == now.addr &&
		     told.msi[pin].data == now.data);
		if (irq_fd[pin] >= 0)
			MUST(signals(irq_fd[pin]) == (changed && now.addr));
		*was = now;
		told.calls[pin] = 0;
	}
}

static void begin(void)
{
	memset(&model, 0, sizeof(model));
	memset(&told, 0, sizeof(told));
	ioapic_init(&io, route, &told);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		model.half[2 * pin] = 1 << 16;
		if (!irq_fd[pin])
			irq_fd[pin] = pin % ATTACHED ? -1 : new_eventfd();
		ioapic_attach(&io, pin, irq_fd[pin]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };

	begin();
	while (in.left) {
		unsigned int kind = take(&in, 1);
		uint32_t offset = take(&in, 1);
		uint32_t val = take(&in, 4);

		if (kind == EOI) {
			ioapic_eoi(&io, offset);
		} else if (kind & 1) {
			model_write(offset, val);
			ioapic_write(&io, offset, val);
		}
		check_pins();
		MUST(ioapic_read(&io, offset) == model_read(offset));
		MUST(ioapic_read(&io, 0x10) == model_read(0x10));
	}
	return 0;
}
