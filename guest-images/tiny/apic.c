/* SPDX-License-Identifier: MIT */
/*
 * Interrupts: the vectors, the local APIC (SDM 3A, chapter "APIC"), the IOAPIC
 * (82093AA), a clock tick, and how another CPU is woken.
 */
#include "tiny.h"

#define LAPIC_EOI	0x0b0
#define LAPIC_SPURIOUS	0x0f0
#define LAPIC_TIMER	0x320
#define LAPIC_INITIAL	0x380
#define LAPIC_DIVIDE	0x3e0
#define PERIODIC	(1 << 17)
#define APIC_HZ		1000000000U	/* KVM's: api.rst, APIC_BUS_CYCLES_NS */

#define ICR_INIT	0x4500
#define ICR_STARTUP	0x4600

volatile uint64_t ticks;
volatile unsigned int events, faults, fault_skip;

/* SDM 3A, 6.14.1: a 64-bit interrupt gate. */
static struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
} idt[256];

extern const uint8_t vectors[];
extern const uint8_t trampoline[];
static void (*volatile cpu_work)(void);
volatile unsigned int cpu_next;		/* head.S: whose stack to take */

void lapic_put(uint32_t reg, uint32_t val)
{
	*(volatile uint32_t *)(uintptr_t)(hw.lapic + reg) = val;
}

uint32_t lapic_get(uint32_t reg)
{
	return *(volatile uint32_t *)(uintptr_t)(hw.lapic + reg);
}

/* 82093AA, 3.1: an index, then the register that it names. */
void ioapic_put(uint8_t index, uint32_t val)
{
	*(volatile uint32_t *)(uintptr_t)hw.ioapic = index;
	*(volatile uint32_t *)(uintptr_t)(hw.ioapic + 0x10) = val;
}

uint32_t ioapic_get(uint8_t index)
{
	*(volatile uint32_t *)(uintptr_t)hw.ioapic = index;
	return *(volatile uint32_t *)(uintptr_t)(hw.ioapic + 0x10);
}

/* Pin @gsi sends @vector to the first CPU: an edge, active high. */
void ioapic_route(unsigned int gsi, uint8_t vector)
{
	ioapic_put(0x11 + 2 * gsi, (uint32_t)hw.apic_id[0] << 24);
	ioapic_put(0x10 + 2 * gsi, vector);
}

void idt_load(void)
{
	struct { uint16_t limit; uint64_t base; } PACKED at = {
		sizeof(idt) - 1, (uintptr_t)idt,
	};

	for (unsigned int i = 0; i < 256 && !idt[i].type; i++) {
		uint64_t stub = (uintptr_t)vectors + i * 16;

		idt[i] = (struct gate) {
			.low = stub, .middle = stub >> 16, .high = stub >> 32,
			.selector = 0x10, .type = 0x8e00,
		};
	}
	__asm__ volatile("lidt %0" : : "m"(at));
}

void apic_start(void)
{
	lapic_put(LAPIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);	/* enabled */
	lapic_put(LAPIC_DIVIDE, 0xb);				/* by 1 */
	lapic_put(LAPIC_TIMER, PERIODIC | VECTOR_TICK);
	lapic_put(LAPIC_INITIAL, APIC_HZ / HZ);
	__asm__ volatile("sti");
}

static void exception(struct frame *f)
{
	uint64_t address;

	if (f->vector == 2)		/* NMI: whoever sent it, we live */
		return;
	faults++;
	if (fault_skip) {		/* somebody asked for it */
		f->rip += fault_skip;
		return;
	}
	__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	fail("exception %lu, error %lx, at %lx (cr2 %lx)", f->vector,
	     f->error, f->rip, address);
}

static void device_interrupt(unsigned int gsi)
{
	if (gsi == 4)
		serial_interrupt();
	for (unsigned int i = 0; i < hw.cards; i++)
		if (hw.card[i].gsi == gsi)
			card_interrupt(i);
	events++;
}

/* Every interrupt and every exception, from head.S. */
void trap(struct frame *f)
{
	if (f->vector < 32) {
		exception(f);
		return;
	}
	if (f->vector == VECTOR_SPURIOUS)
		return;			/* has no EOI */
	if (f->vector == VECTOR_TICK)
		ticks++;
	else if (f->vector >= VECTOR_GSI(0) && f->vector < VECTOR_GSI(24))
		device_interrupt(f->vector - VECTOR_GSI(0));
	lapic_put(LAPIC_EOI, 0);
}

/*
 * Sleep until a device has interrupted since @seen was read from events.
 * Returns false if it has not by @deadline.  Nothing is lost in between: after
 * sti, an interrupt is taken no sooner than in the hlt that follows.
 */
bool wait_event(unsigned int seen, uint64_t deadline)
{
	bool happened;

	__asm__ volatile("cli");
	while (events == seen && ticks < deadline)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	happened = events != seen;
	__asm__ volatile("sti");
	return happened;
}

/* From head.S, on a CPU of its own, interrupts off. */
void NORETURN cpu_main(void);
void NORETURN cpu_main(void)
{
	idt_load();
	cpu_work();
	for (;;)
		__asm__ volatile("cli; hlt");
}

/*
 * Let CPU @cpu, 1 to hw.cpus - 1, do @work, once; it does not come back for
 * more.  (SDM 3A, "MP Initialization": the pauses between the messages are
 * for silicon.)  Returns false if there is no such CPU.
 */
bool cpu_start(unsigned int cpu, void (*work)(void))
{
	uint64_t cr3;

	if (cpu >= hw.cpus)
		return false;
	memcpy((void *)TRAMPOLINE, trampoline, TRAMPOLINE_BYTES);
	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	*(volatile uint32_t *)(TRAMPOLINE + TRAMPOLINE_CR3) = cr3;
	cpu_work = work;
	cpu_next = cpu;
	barrier();

	lapic_put(LAPIC_ICR_HIGH, (uint32_t)hw.apic_id[cpu] << 24);
	lapic_put(LAPIC_ICR_LOW, ICR_INIT);
	lapic_put(LAPIC_ICR_HIGH, (uint32_t)hw.apic_id[cpu] << 24);
	lapic_put(LAPIC_ICR_LOW, ICR_STARTUP | TRAMPOLINE >> 12);
	return true;
}
