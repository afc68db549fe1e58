/* SPDX-License-Identifier: MIT */
/*
 * tiny: a guest without an operating system, to see a virtio network card from
 * the driver's side with nothing in between.
 *
 * Its driver is written from the specification (virtio 1.2) and shares not a
 * line with the device, so that where one of the two misread it they disagree.
 * Read main.c for what it can be told to do, then virtio.c, which is the other
 * half of the lesson: reset, acknowledge, negotiate, queues, DRIVER_OK, kick,
 * interrupt, ACK.  head.S is how it starts, net.c what it says on the wire.
 *
 * Memory is mapped to itself: a pointer is an address as the device sees it.
 */
#ifndef TINY_H
#define TINY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trampoline.h"

/* Memory that nobody clears. */
#define POOL		__attribute__((section(".pool"), aligned(4096)))
#define PACKED		__attribute__((packed))
#define NORETURN	__attribute__((noreturn))

/* ---- start.c: from the loader's hands to main(), and the end ---- */

/* What this image is for.  NULL: PASS; else FAIL, and this is why. */
const char *run(void);

bool word(const char *name);
const char *word_text(const char *name);
uint64_t word_number(const char *name, uint64_t otherwise);
void NORETURN fail(const char *fmt, ...);
void NORETURN power_off(void);
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
uint32_t noise(void);

/* ---- serial.c ---- */

void serial_start(void);
void say(const char *fmt, ...);
void say_list(const char *fmt, va_list ap);
void serial_interrupt(void);
char key(void);
char wait_key(void);

/* ---- acpi.c: what the machine says it has ---- */

#define CARDS_MAX	4

struct hardware {
	uint32_t lapic, ioapic;		/* where their registers are */
	uint64_t ram_end;		/* of what lies below 4 GiB */
	unsigned int listed_cpus, listed_cards;	/* more than we use, perhaps */
	unsigned int cpus;
	uint8_t apic_id[CPUS_MAX];
	uint16_t sleep_control;		/* port */
	uint8_t sleep_s5;		/* SLP_TYP for power off */
	unsigned int cards;
	struct { uint32_t base, size, gsi; } card[CARDS_MAX];
};

extern struct hardware hw;
void acpi_read(uint64_t rsdp_gpa);

/* ---- apic.c: interrupts, time, other CPUs ---- */

/* What the stubs in head.S leave on the stack. */
struct frame {
	uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

#define HZ		100		/* ticks in a second */
#define SECONDS(n)	((n) * HZ)
#define FOREVER		UINT64_MAX

#define VECTOR_TICK	0x20
#define VECTOR_GSI(gsi)	(0x30 + (gsi))
#define VECTOR_SPURIOUS	0xff

extern volatile uint64_t ticks;
extern volatile unsigned int events;	/* interrupts of devices */
extern volatile unsigned int faults;	/* exceptions that were skipped */
extern volatile unsigned int fault_skip; /* bytes of the instruction to skip */

void apic_start(void);
void ioapic_put(uint8_t index, uint32_t val);
uint32_t ioapic_get(uint8_t index);
void ioapic_route(unsigned int gsi, uint8_t vector);
void lapic_put(uint32_t reg, uint32_t val);
uint32_t lapic_get(uint32_t reg);
void idt_load(void);
bool wait_event(unsigned int seen, uint64_t deadline);
bool cpu_start(unsigned int cpu, void (*work)(void));
void trap(struct frame *f);

#define LAPIC_ICR_LOW	0x300
#define LAPIC_ICR_HIGH	0x310

static inline void out8(uint16_t port, uint8_t val)
{
	__asm__ volatile("outb %0, %1" : : "a"(val), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t val;

	__asm__ volatile("inb %1, %0" : "=a"(val) : "Nd"(port) : "memory");
	return val;
}

/* ---- virtio.c: the driver ---- */

/* 4.2.2, table of registers */
enum {
	MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, VENDOR_ID = 0x00c,
	DEVICE_FEATURES = 0x010, DEVICE_FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020, DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030, QUEUE_SIZE_MAX = 0x034, QUEUE_SIZE = 0x038,
	QUEUE_READY = 0x044, QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060, INTERRUPT_ACK = 0x064, STATUS = 0x070,
	QUEUE_DESC = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0,
	CONFIG_GENERATION = 0x0fc, CONFIG = 0x100,
};

/* 2.1, device status */
enum {
	ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8,
	NEEDS_RESET = 64, FAILED = 128,
};

#define BIT(n)		(1ULL << (n))
#define F_MAC		BIT(5)		/* 5.1.3 */
#define F_MRG_RXBUF	BIT(15)
#define F_STATUS	BIT(16)
#define F_INDIRECT	BIT(28)		/* 6 */
#define F_EVENT_IDX	BIT(29)
#define F_VERSION_1	BIT(32)

struct desc {				/* 2.7.5 */
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

#define RING_MAX	64

struct avail {				/* 2.7.6 */
	uint16_t flags, idx, ring[RING_MAX], used_event;
};

struct used {				/* 2.7.8 */
	uint16_t flags, idx;
	struct { uint32_t id, len; } ring[RING_MAX];
	uint16_t avail_event;
};

struct net_header {			/* 5.1.6 */
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

enum { RX, TX };

struct ring {
	volatile struct desc *desc;
	volatile struct avail *avail;
	volatile struct used *used;
	uint16_t num;			/* entries */
	uint16_t next_avail, kicked;	/* ours, and what was announced */
	uint16_t last_used;		/* the device's, as far as looked at */
};

#define FRAME_MAX	1536
#define TX_SLOTS	(RING_MAX / 2)

struct card {
	uint32_t base;
	unsigned int index;
	uint64_t offered, accepted;
	uint8_t mac[6];
	uint32_t ip;			/* in the order of the wire */
	uint32_t rx_bytes;		/* of each buffer */
	volatile unsigned int interrupts, config_changes;
	struct ring ring[2];
	unsigned int tx_free;		/* slots; used in turn */
	unsigned int tx_next;
};

extern struct card card[CARDS_MAX];

static inline uint32_t get(const struct card *c, uint32_t reg)
{
	return *(volatile uint32_t *)(uintptr_t)(c->base + reg);
}

static inline void put(const struct card *c, uint32_t reg, uint32_t val)
{
	*(volatile uint32_t *)(uintptr_t)(c->base + reg) = val;
}

/* Nothing after is seen before what comes before: between CPUs, and vhost. */
static inline void barrier(void)
{
	__sync_synchronize();
}

void cards_find(void);
void card_reset(struct card *c);
void card_hello(struct card *c);
bool card_negotiate(struct card *c, uint64_t mask);
void queue_place(struct card *c, unsigned int index, uint32_t num,
		 uint64_t desc, uint64_t driver, uint64_t device);
void queue_make(struct card *c, unsigned int index);
void rx_fill(struct card *c);
void card_up(struct card *c, uint64_t mask);
void kick(struct card *c, unsigned int index);
void offer(struct ring *r, uint16_t head);
bool used_next(struct ring *r, uint32_t *id, uint32_t *len);
bool card_send(struct card *c, const void *frame, unsigned int len);
unsigned int card_receive(struct card *c, void *frame);
void card_interrupt(unsigned int index);

/* ---- net.c: what is said on the wire ---- */

uint32_t parse_ip(const char *s);
void say_ip(uint32_t ip);
bool net_answer(struct card *c, void *frame, unsigned int len);
const char *net_ping(struct card *c, uint32_t to, unsigned int count);
const char *net_resolve(struct card *c, uint32_t ip, uint8_t mac[6]);
unsigned int udp_build(struct card *c, void *frame, const uint8_t mac[6],
		       uint32_t to, uint16_t port, unsigned int bytes);
uint8_t *udp_payload(void *frame, unsigned int len, uint16_t port,
		     unsigned int *bytes);

#endif
