/* SPDX-License-Identifier: MIT */
/*
 * A driver for a network card behind virtio-mmio, from virtio 1.2 alone; the
 * numbers are sections of it.  Each step of getting a card to work is one
 * function here, in the order in which they come, so that a guest can also
 * leave one out.
 *
 * A ring is two lists: of buffers that the driver offers (avail), and of those
 * that the device is done with (used).  Each side writes one and only reads the
 * other, and what each counts, it counts for itself.
 */
#include "tiny.h"

#define OURS	(F_MAC | F_STATUS | F_MRG_RXBUF | F_INDIRECT | F_EVENT_IDX | \
		 F_VERSION_1)
#define CONFIG_MAC	0		/* 5.1.4 */
#define INT_CONFIG	2
#define NO_INTERRUPT	1		/* 2.7.7: avail flags */
#define NO_NOTIFY	1		/* 2.7.10: used flags */

struct card card[CARDS_MAX];

/* Everything that a card reads or writes by itself. */
static struct memory {
	struct {
		struct desc desc[RING_MAX];
		struct avail avail;
		struct used used __attribute__((aligned(4)));
	} __attribute__((aligned(4096))) ring[2];
	uint8_t rx[RING_MAX][FRAME_MAX + sizeof(struct net_header)];
	struct { struct net_header header; uint8_t frame[FRAME_MAX]; }
		tx[TX_SLOTS];
	struct desc table[TX_SLOTS][2];	/* of indirect descriptors */
} memory[CARDS_MAX] POOL;

/* ---- Is there a card at all? ---- */

/* 4.2.3.1.1: what is at the addresses that ACPI told us? */
void cards_find(void)
{
	for (unsigned int i = 0; i < hw.cards; i++) {
		struct card *c = &card[i];

		c->base = hw.card[i].base;
		c->index = i;
		if (get(c, MAGIC) != 0x74726976 || get(c, VERSION) != 2)
			fail("card %u: no virtio-mmio device, version 2", i);
		if (get(c, DEVICE_ID) != 1)
			fail("card %u: not a network card", i);
		ioapic_route(hw.card[i].gsi, VECTOR_GSI(hw.card[i].gsi));
	}
}

/* ---- 3.1.1: steps 1 to 8 ---- */

/* Step 1: from here on it touches no memory of ours. */
void card_reset(struct card *c)
{
	put(c, STATUS, 0);
	while (get(c, STATUS) != 0)	/* 4.2.3.1: done when it reads 0 */
		;
}

/* Steps 2 and 3: we have noticed it, and know how to drive it. */
void card_hello(struct card *c)
{
	put(c, STATUS, ACKNOWLEDGE);
	put(c, STATUS, ACKNOWLEDGE | DRIVER);
}

/*
 * Steps 4 to 6: of what it offers, ask for what we know and @mask allows.
 * False: it will not have that.
 */
bool card_negotiate(struct card *c, uint64_t mask)
{
	put(c, DEVICE_FEATURES_SEL, 0);
	c->offered = get(c, DEVICE_FEATURES);
	put(c, DEVICE_FEATURES_SEL, 1);
	c->offered |= (uint64_t)get(c, DEVICE_FEATURES) << 32;

	c->accepted = c->offered & OURS & (mask | F_VERSION_1);
	put(c, DRIVER_FEATURES_SEL, 0);
	put(c, DRIVER_FEATURES, (uint32_t)c->accepted);
	put(c, DRIVER_FEATURES_SEL, 1);
	put(c, DRIVER_FEATURES, c->accepted >> 32);

	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return get(c, STATUS) & FEATURES_OK;
}

static void put64(struct card *c, uint32_t reg, uint64_t val)
{
	put(c, reg, (uint32_t)val);
	put(c, reg + 4, val >> 32);
}

/* 4.2.3.2: where queue @index is, and that it is ready.  Believes anything. */
void queue_place(struct card *c, unsigned int index, uint32_t num,
		 uint64_t desc, uint64_t driver, uint64_t device)
{
	put(c, QUEUE_SEL, index);
	put(c, QUEUE_SIZE, num);
	put64(c, QUEUE_DESC, desc);
	put64(c, QUEUE_DRIVER, driver);
	put64(c, QUEUE_DEVICE, device);
	put(c, QUEUE_READY, 1);
}

/* Step 7, for one queue: empty, and in memory of ours. */
void queue_make(struct card *c, unsigned int index)
{
	struct memory *m = &memory[c->index];
	struct ring *r = &c->ring[index];
	uint32_t max;

	put(c, QUEUE_SEL, index);
	max = get(c, QUEUE_SIZE_MAX);
	if (max == 0 || get(c, QUEUE_READY))
		fail("card %u: queue %u is not there, or in use", c->index,
		     index);
	memset(&m->ring[index], 0, sizeof(m->ring[index]));
	*r = (struct ring) {
		.num = max < RING_MAX ? max : RING_MAX,
		.desc = m->ring[index].desc,
		.avail = &m->ring[index].avail,
		.used = &m->ring[index].used,
	};
	queue_place(c, index, r->num, (uintptr_t)r->desc, (uintptr_t)r->avail,
		    (uintptr_t)r->used);
	if (!get(c, QUEUE_READY))
		fail("card %u: queue %u does not get ready", c->index, index);
}

/*
 * 2.7.10: the two event indices are behind the entries, and a ring may have
 * fewer of these than our structs.
 */
static volatile uint16_t *used_event(const struct ring *r)
{
	return &r->avail->ring[r->num];
}

static volatile uint16_t *avail_event(const struct ring *r)
{
	return (volatile uint16_t *)&r->used->ring[r->num];
}

static bool event_idx(const struct card *c)
{
	return c->accepted & F_EVENT_IDX;
}

/* The whole way, from whatever state it is in, until packets can flow. */
void card_up(struct card *c, uint64_t mask)
{
	card_reset(c);
	card_hello(c);
	if (!card_negotiate(c, mask))
		fail("card %u: no FEATURES_OK for %lx", c->index, c->accepted);
	for (unsigned int i = 0; i < sizeof(c->mac); i++)
		c->mac[i] = *(volatile uint8_t *)(uintptr_t)
			    (c->base + CONFIG + CONFIG_MAC + i);
	queue_make(c, RX);
	queue_make(c, TX);

	/* Sent frames are looked at when there is need: no interrupt for it. */
	if (event_idx(c))
		*used_event(&c->ring[TX]) = 0x8000;
	else
		c->ring[TX].avail->flags = NO_INTERRUPT;
	c->tx_free = c->ring[TX].num / 2;
	c->tx_next = 0;

	put(c, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	rx_fill(c);
}

/* ---- the driver's half of a ring ---- */

/* 2.7.13: descriptor @head, and what it leads to, is the device's to use. */
void offer(struct ring *r, uint16_t head)
{
	r->avail->ring[r->next_avail % r->num] = head;
	barrier();			/* the entry before the index */
	r->avail->idx = ++r->next_avail;
}

/* 2.7.13.4: tell the device, if it wants to be told. */
void kick(struct card *c, unsigned int index)
{
	struct ring *r = &c->ring[index];
	uint16_t was = r->kicked, now = r->next_avail;
	bool wanted;

	barrier();			/* the index before what we read now */
	if (event_idx(c))		/* 2.7.7.2, the same the other way round */
		wanted = (uint16_t)(now - *avail_event(r) - 1) <
			 (uint16_t)(now - was);
	else
		wanted = !(r->used->flags & NO_NOTIFY);
	r->kicked = now;
	if (wanted)
		put(c, QUEUE_NOTIFY, index);
}

/* 2.7.14: the next buffer that the device is done with. */
bool used_next(struct ring *r, uint32_t *id, uint32_t *len)
{
	if (r->last_used == r->used->idx)
		return false;
	barrier();			/* the index before the entry */
	*id = r->used->ring[r->last_used % r->num].id;
	*len = r->used->ring[r->last_used % r->num].len;
	r->last_used++;
	if (*id >= r->num)
		fail("the device gives back descriptor %u, of %u", *id,
		     (unsigned int)r->num);
	return true;
}

/* ---- receiving ---- */

/*
 * 5.1.6.3.1: with MRG_RXBUF a frame may need several buffers, so small ones
 * do; without, each has to have room for a whole one.
 */
void rx_fill(struct card *c)
{
	struct ring *r = &c->ring[RX];

	c->rx_bytes = c->accepted & F_MRG_RXBUF ? 512 :
		      sizeof(memory[0].rx[0]);
	for (uint16_t i = 0; i < r->num; i++) {
		r->desc[i].addr = (uintptr_t)memory[c->index].rx[i];
		r->desc[i].len = c->rx_bytes;
		r->desc[i].flags = WRITE;
		offer(r, i);
	}
	kick(c, RX);
}

/* 2.7.7.1: the next used buffer is worth an interrupt. */
static void rx_interrupt_on(struct card *c)
{
	if (event_idx(c))
		*used_event(&c->ring[RX]) = c->ring[RX].last_used;
	barrier();
}

/*
 * Buffer @id with @len bytes, from @skip on, to @frame, if it fits into @room:
 * then offered again.  Returns how many that are, copied or not.
 */
static unsigned int rx_copy(struct card *c, uint8_t *frame, unsigned int room,
			    uint32_t id, uint32_t len, uint32_t skip)
{
	if (len > c->rx_bytes || len < skip)
		fail("card %u: %u bytes in a buffer of %u", c->index, len,
		     c->rx_bytes);
	if (len - skip <= room)
		memcpy(frame, memory[c->index].rx[id] + skip, len - skip);
	offer(&c->ring[RX], id);
	return len - skip;
}

/* The frame that begins in buffer @id.  Returns its length, however large. */
static unsigned int rx_frame(struct card *c, uint8_t *frame, uint32_t id,
			     uint32_t len)
{
	unsigned int got, buffers;
	struct net_header h;

	memcpy(&h, memory[c->index].rx[id], sizeof(h));
	got = rx_copy(c, frame, FRAME_MAX, id, len, sizeof(h));

	/* 5.1.6.4: the header says over how many buffers it went. */
	buffers = c->accepted & F_MRG_RXBUF ? h.num_buffers : 1;
	if (buffers == 0)
		fail("card %u: a frame in no buffers", c->index);
	while (--buffers) {
		if (!used_next(&c->ring[RX], &id, &len))
			fail("card %u: a frame lacks a buffer", c->index);
		got += rx_copy(c, frame + got,
			       got < FRAME_MAX ? FRAME_MAX - got : 0, id, len, 0);
	}
	kick(c, RX);
	return got;
}

/*
 * The next frame, without its header, into @frame of FRAME_MAX bytes; one that
 * is larger is dropped, as by any card.  Returns its length, or 0: then there
 * is none, and an interrupt will say so when that changes.
 */
unsigned int card_receive(struct card *c, void *frame)
{
	struct ring *r = &c->ring[RX];
	unsigned int got = FRAME_MAX + 1;
	uint32_t id, len;

	while (got > FRAME_MAX) {
		if (!used_next(r, &id, &len)) {
			rx_interrupt_on(c);
			if (!used_next(r, &id, &len))
				return 0;
		}
		got = rx_frame(c, frame, id, len);
	}
	return got;
}

/* ---- sending ---- */

static void reclaim(struct card *c)
{
	uint32_t id, len;

	while (used_next(&c->ring[TX], &id, &len))
		c->tx_free++;
}

/*
 * 5.1.6.2: a header of zeroes, which asks for nothing, and the frame.  Slot n
 * has descriptors 2n and 2n + 1; or one, which leads to a table of two.
 */
static uint16_t tx_chain(struct card *c, unsigned int slot, unsigned int len)
{
	struct memory *m = &memory[c->index];
	volatile struct desc *chain = &c->ring[TX].desc[2 * slot];
	const bool indirect = c->accepted & F_INDIRECT;

	if (indirect) {			/* 2.7.5.3 */
		chain->addr = (uintptr_t)m->table[slot];
		chain->len = sizeof(m->table[slot]);
		chain->flags = INDIRECT;
		chain = m->table[slot];
	}
	chain[0].addr = (uintptr_t)&m->tx[slot].header;
	chain[0].len = sizeof(struct net_header);
	chain[0].flags = NEXT;
	chain[0].next = indirect ? 1 : 2 * slot + 1;
	chain[1].addr = (uintptr_t)m->tx[slot].frame;
	chain[1].len = len;
	chain[1].flags = 0;
	return 2 * slot;
}

/* Send @len bytes.  False if all slots are under way: try again later. */
bool card_send(struct card *c, const void *frame, unsigned int len)
{
	unsigned int slot = c->tx_next;
	struct memory *m = &memory[c->index];

	reclaim(c);
	if (!c->tx_free)
		return false;
	c->tx_free--;
	c->tx_next = (slot + 1) % (c->ring[TX].num / 2);
	memset(&m->tx[slot].header, 0, sizeof(m->tx[slot].header));
	memcpy(m->tx[slot].frame, frame, len);
	offer(&c->ring[TX], tx_chain(c, slot, len));
	kick(c, TX);
	return true;
}

/* ---- being interrupted ---- */

/* 4.2.3.4: read why, and say that it was read. */
void card_interrupt(unsigned int index)
{
	struct card *c = &card[index];
	uint32_t why = get(c, INTERRUPT_STATUS);

	if (why)
		put(c, INTERRUPT_ACK, why);
	c->interrupts++;
	if (why & INT_CONFIG)
		c->config_changes++;
}
