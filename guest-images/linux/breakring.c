/* SPDX-License-Identifier: MIT */
/*
 * breakring CARD MISDEED - a driver, in user space, that breaks its own ring
 *
 * Brings network card CARD (0, 1, ...) up to DRIVER_OK as virtio 1.2 has it,
 * breaks its TX ring in one way, kicks, and waits for the device to say that it
 * wants a reset; then resets it.  The card's kernel driver has to be unbound.
 *
 * Exit status: 0 the device wanted a reset and said so by a configuration
 * change; 1 it did not within PATIENCE; 2 usage.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#define WINDOW(card)	(0xd0000fa0UL + (card) * 0x2000UL)	/* as ACPI says */
#define PAGE		4096
#define NUM		8	/* entries of each ring */
#define TX		1
#define PATIENCE	5	/* seconds */

static volatile uint8_t *window;

static void put(unsigned int reg, uint32_t val)
{
	*(volatile uint32_t *)(window + reg) = val;
}

static uint32_t get(unsigned int reg)
{
	return *(volatile uint32_t *)(window + reg);
}

/* The guest physical address of @p: proc_pid_pagemap(5). */
static uint64_t gpa(const void *p)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (uintptr_t)p / PAGE * sizeof(entry)) < 0)
		err(1, "/proc/self/pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE + (uintptr_t)p % PAGE;
}

/* A ring in one page: descriptors, then avail, then used. */
struct ring {
	struct vring_desc desc[NUM];
	struct vring_avail avail;
	uint16_t avail_ring[NUM + 1];
	struct vring_used used __attribute__((aligned(4)));
	struct vring_used_elem used_ring[NUM];
} __attribute__((aligned(PAGE)));

static struct ring ring[2];

static void set_up(unsigned int i)
{
	struct ring *r = &ring[i];

	put(VIRTIO_MMIO_QUEUE_SEL, i);
	put(VIRTIO_MMIO_QUEUE_NUM, NUM);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, gpa(r->desc));
	put(VIRTIO_MMIO_QUEUE_DESC_HIGH, gpa(r->desc) >> 32);
	put(VIRTIO_MMIO_QUEUE_AVAIL_LOW, gpa(&r->avail));
	put(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, gpa(&r->avail) >> 32);
	put(VIRTIO_MMIO_QUEUE_USED_LOW, gpa(&r->used));
	put(VIRTIO_MMIO_QUEUE_USED_HIGH, gpa(&r->used) >> 32);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
}

static void handshake(void)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	put(VIRTIO_MMIO_STATUS, 0);
	put(VIRTIO_MMIO_STATUS, status);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	put(VIRTIO_MMIO_DRIVER_FEATURES, 1U << (VIRTIO_F_VERSION_1 - 32));
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	put(VIRTIO_MMIO_DRIVER_FEATURES, 0);
	put(VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_FEATURES_OK);
	set_up(0);
	set_up(TX);
	put(VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_DRIVER_OK);
	if (get(VIRTIO_MMIO_STATUS) != status)
		errx(1, "status %#x instead of %#x", get(VIRTIO_MMIO_STATUS),
		     status);
}

/* One misdeed each: what the first entry of the avail ring leads to. */
static void misdeed(struct ring *r, const char *name)
{
	uint16_t exposed = 1;

	r->desc[0] = (struct vring_desc) { gpa(r), 64, 0, 0 };
	if (!strcmp(name, "avail-jump"))
		exposed = NUM + 1;
	else if (!strcmp(name, "head"))
		r->avail.ring[0] = NUM;
	else if (!strcmp(name, "loop"))
		r->desc[0].flags = VRING_DESC_F_NEXT;
	else if (!strcmp(name, "address"))
		r->desc[0].addr = 1ULL << 45;
	else
		errx(2, "%s: not avail-jump, head, loop or address", name);
	__atomic_store_n(&r->avail.idx, exposed, __ATOMIC_SEQ_CST);
}

int main(int argc, char *argv[])
{
	uint64_t base;
	int fd, tries;
	uint32_t interrupt;

	if (argc != 3)
		errx(2, "usage: breakring CARD avail-jump|head|loop|address");
	base = WINDOW(atoi(argv[1]));
	fd = open("/dev/mem", O_RDWR | O_SYNC);
	if (fd < 0)
		err(1, "/dev/mem");
	window = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      base / PAGE * PAGE);
	if (window == MAP_FAILED || mlockall(MCL_CURRENT) < 0)
		err(1, "the card's registers");
	window += base % PAGE;
	memset(ring, 0, sizeof(ring));		/* now they have pages */

	handshake();
	misdeed(&ring[TX], argv[2]);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, TX);

	for (tries = PATIENCE * 100; tries; tries--) {
		if (get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET)
			break;
		usleep(10000);
	}
	interrupt = get(VIRTIO_MMIO_INTERRUPT_STATUS);
	printf("breakring: %s: status %#x, interrupt status %#x\n", argv[2],
	       get(VIRTIO_MMIO_STATUS), interrupt);
	put(VIRTIO_MMIO_INTERRUPT_ACK, interrupt);
	put(VIRTIO_MMIO_STATUS, 0);
	return !tries || !(interrupt & VIRTIO_MMIO_INT_CONFIG);
}
