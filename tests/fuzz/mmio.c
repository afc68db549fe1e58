/* SPDX-License-Identifier: MIT */
/*
 * The card's registers against a plain model of them.
 *
 * The model is written from virtio 1.2 (4.2.2, 2.1, 5.1) and from what the head
 * of virtio/mmio.h promises, not from the code.  After each step every register
 * and every word of the page says what the model says, the backend has exactly
 * the rings that the model gave it, and interrupts and kicks are those due.
 *
 * Input: a byte of choices, then steps of 7 bytes: kind, offset (2), value (4).
 */
#include "tests/fuzz/fuzz.h"
#include "virtio/net.h"

#define RAM		(16ULL << 20)
#define NUM_MAX		256

enum {	/* 2.1 */
	ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8,
	NEEDS_RESET = 64, FAILED = 128,
};

enum { CHOICE_RELAYED = 1, CHOICE_TRAPS = 2, CHOICE_MTU = 4, CHOICE_USO = 8 };

/* Kinds of steps from KIND_EVENT on are not the guest's doing. */
enum {
	KIND_WRITE = 1, KIND_WIDTH = 2, KIND_EVENT = 0xf0,
	EVENT_USED = 0, EVENT_LINK_UP, EVENT_LINK_DOWN, EVENT_UNPLUG,
	EVENT_START_FAILS, EVENT_BROKEN, EVENTS,
};

#define BIT(b)	(1ULL << (b))

/*
 * ---- the model ----
 */

static struct model {
	bool relayed;
	uint64_t offered, written, accepted;
	uint32_t device_sel, driver_sel, queue_sel;
	uint32_t interrupt_status, generation;
	uint8_t status;
	struct { uint32_t num, ready; uint64_t desc, avail, used; } queue[2];
	uint8_t config[0x100];
	bool start_fails, unplugged;

	bool running;			/* the backend has the rings */
	bool interrupted;		/* in this step */
	unsigned int kicked[2];
} model;

/* 5.1.3 and 6: what this card can do, by number. */
static uint64_t model_offers(unsigned int choices)
{
	uint64_t f = BIT(0) | BIT(1) | BIT(5) | BIT(7) | BIT(8) | BIT(9) |
		     BIT(11) | BIT(12) | BIT(13) | BIT(15) | BIT(16) | BIT(28) |
		     BIT(29) | BIT(32) | BIT(35);

	if (choices & CHOICE_MTU)
		f |= BIT(3);
	if (choices & CHOICE_USO)
		f |= BIT(54) | BIT(55) | BIT(56);
	return f;
}

/* 5.1.3.1: "requires". */
static bool model_likes(uint64_t f)
{
	bool csum = f & BIT(0), guest_csum = f & BIT(1);

	return !(f & ~model.offered) && f & BIT(32) &&
	       (csum || !(f & (BIT(11) | BIT(12) | BIT(56)))) &&
	       (guest_csum || !(f & (BIT(7) | BIT(8) | BIT(54) | BIT(55)))) &&
	       (!(f & BIT(13)) || f & (BIT(11) | BIT(12))) &&
	       (!(f & BIT(9)) || f & (BIT(7) | BIT(8)));
}

static uint32_t model_word(uint32_t at)
{
	bool exists = model.queue_sel < 2;
	uint32_t val;

	if (at >= 0x100) {
		memcpy(&val, &model.config[at - 0x100], 4);
		return val;
	}
	switch (at) {
	case 0x00: return 0x74726976;
	case 0x04: return 2;
	case 0x08: return 1;
	case 0x0c: return 0x68636e6c;
	case 0x10: return model.device_sel == 0 ? model.offered :
			  model.device_sel == 1 ? model.offered >> 32 : 0;
	case 0x34: return exists ? NUM_MAX : 0;
	case 0x44: return exists ? model.queue[model.queue_sel].ready : 0;
	case 0x60: return model.interrupt_status;
	case 0x70: return model.status;
	case 0xb0: case 0xb4: case 0xb8: case 0xbc: return ~0U;
	case 0xfc: return model.generation;
	default:   return 0;
	}
}

static void model_interrupt(uint32_t bit)
{
	if (!(model.status & DRIVER_OK))
		return;
	model.interrupt_status |= bit;
	model.interrupted = true;
}

static void model_breaks(void)
{
	model.running = false;
	model.status |= NEEDS_RESET;
	model_interrupt(2);
}

static bool model_in_ram(uint64_t gpa, uint64_t len)
{
	return (unsigned __int128)gpa + len <= RAM;
}

/* 2.7: sizes and alignments of the three parts. */
static bool model_ring_good(unsigned int i)
{
	uint64_t n = model.queue[i].num, desc = model.queue[i].desc,
		 avail = model.queue[i].avail, used = model.queue[i].used;

	return n && n <= NUM_MAX && __builtin_popcountll(n) == 1 &&
	       desc % 16 == 0 && avail % 2 == 0 && used % 4 == 0 &&
	       model_in_ram(desc, 16 * n) && model_in_ram(avail, 6 + 2 * n) &&
	       model_in_ram(used, 6 + 8 * n);
}

static void model_ready(uint32_t val)
{
	unsigned int i = model.queue_sel;

	if (i >= 2 || model.queue[i].ready == val)
		return;
	if (model.status & DRIVER_OK || (val && !model_ring_good(i)))
		model_breaks();
	else
		model.queue[i].ready = val;
}

static void model_resets(void)
{
	model.status = model.interrupt_status = 0;
	model.written = model.accepted = 0;
	model.device_sel = model.driver_sel = model.queue_sel = 0;
	memset(model.queue, 0, sizeof(model.queue));
	model.running = false;
}

static void model_status(uint32_t val)
{
	uint8_t added = val & ~model.status;

	if (!val) {
		model_resets();
		return;
	}
	model.status |= added & (ACKNOWLEDGE | DRIVER | FAILED);
	if (added & FEATURES_OK && model_likes(model.written)) {
		model.status |= FEATURES_OK;
		model.accepted = model.written;
	}
	if (!(added & DRIVER_OK) || model.status & NEEDS_RESET)
		return;
	model.status |= DRIVER_OK;
	if (!model.relayed)
		model.interrupt_status |= 1;
	if (!(model.status & FEATURES_OK) || !model.queue[0].ready ||
	    !model.queue[1].ready || (model.start_fails && !model.unplugged))
		model_breaks();
	else
		model.running = !model.unplugged;
}

static void model_features(uint32_t val)
{
	uint64_t high = model.driver_sel == 1;

	if (model.status & FEATURES_OK || (model.driver_sel > 1 && val))
		model_breaks();
	else if (model.driver_sel <= 1)
		model.written = (model.written & (high ? 0xffffffff :
						  ~0xffffffffULL)) |
				(uint64_t)val << (32 * high);
}

/* Half of an address or the size of a queue that exists and is not ready. */
static void model_place(uint32_t at, uint32_t val)
{
	uint64_t *addr[] = {
		&model.queue[model.queue_sel & 1].desc,
		&model.queue[model.queue_sel & 1].avail,
		&model.queue[model.queue_sel & 1].used,
	};
	uint64_t *half;

	if (model.queue_sel >= 2 || model.queue[model.queue_sel].ready)
		return;
	if (at == 0x38) {
		model.queue[model.queue_sel].num = val;
		return;
	}
	half = addr[(at - 0x80) / 0x10];
	if (at & 4)
		*half = (*half & 0xffffffff) | (uint64_t)val << 32;
	else
		*half = (*half & ~0xffffffffULL) | val;
}

static void model_store(uint32_t at, uint32_t val)
{
	switch (at) {
	case 0x14: model.device_sel = val;	break;
	case 0x20: model_features(val);		break;
	case 0x24: model.driver_sel = val;	break;
	case 0x30: model.queue_sel = val;	break;
	case 0x44: model_ready(val & 1);	break;
	case 0x50:
		if (val < 2 && (model.status & (DRIVER_OK | NEEDS_RESET)) ==
			       DRIVER_OK)
			model.kicked[val]++;
		break;
	case 0x64:
		/* The head of mmio.h: bit 0 stays where nobody can set it. */
		model.interrupt_status &= ~val | (model.relayed ? 0 : 1);
		break;
	case 0x70: model_status(val);		break;
	case 0x38:
	case 0x80: case 0x84: case 0x90: case 0x94: case 0xa0: case 0xa4:
		model_place(at, val);
		break;
	}
}

static void model_link(bool up)
{
	if (model.config[6] == up)
		return;
	model.config[6] = up;
	model.generation += 2;
	model_interrupt(2);
}

static void model_event(unsigned int event)
{
	switch (event) {
	case EVENT_USED:
		model_interrupt(1);
		break;
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
		model_link(event == EVENT_LINK_UP && !model.unplugged);
		break;
	case EVENT_UNPLUG:
		model.unplugged = true;
		model.running = false;
		model_link(false);
		break;
	case EVENT_START_FAILS:
		model.start_fails = !model.start_fails;
		break;
	case EVENT_BROKEN:
		model_breaks();
		break;
	}
}

/*
 * ---- the card, and a backend that takes notes ----
 */

/* Eventfds are counters here: a system call per step would be most of it. */
enum { FD_IRQ = 10, FD_KICK_RX, FD_KICK_TX, FDS };

static unsigned int written[FDS];	/* since the last step */

int eventfd_write(int fd, eventfd_t n)
{
	MUST(fd >= FD_IRQ && fd < FDS && n == 1);
	written[fd]++;
	return 0;
}

static struct net net;
static struct memory mem;
static uint32_t *page;
static bool backend_runs, backend_fails;
static struct net_ring backend_ring[NET_RINGS];
static uint64_t backend_features;

static int start(struct net_backend *b, const struct net_ring *ring,
		 uint64_t features)
{
	(void)b;
	MUST(!backend_runs);
	if (backend_fails)
		return -5;
	backend_runs = true;
	backend_features = features;
	memcpy(backend_ring, ring, sizeof(backend_ring));
	return 0;
}

static int stop(struct net_backend *b, struct net_ring *ring)
{
	(void)b;
	(void)ring;
	MUST(backend_runs);
	backend_runs = false;
	return 0;
}

static void create(unsigned int choices)
{
	static const struct net_backend_ops ops = { start, stop };
	static struct net_backend backend = { &ops, ~0ULL };
	static const uint8_t mac[6] = { 2, 0x11, 0x22, 0x33, 0x44, 0x55 };

	if (!mem.nr)
		MUST(memory_create(&mem, RAM) == 0);
	memset(written, 0, sizeof(written));
	free(page);
	/* A block of just its size: ASan sees a step outside. */
	page = calloc(1, MMIO_WINDOW - MMIO_PAGED);
	backend_runs = backend_fails = false;
	net = (struct net) {
		.backend = &backend,
		.kick_fd = { FD_KICK_RX, FD_KICK_TX },
		.mmio = {
			.mem = &mem, .name = "the card", .irq_fd = FD_IRQ,
			.page = choices & CHOICE_TRAPS ? NULL : page,
			.relayed = choices & CHOICE_RELAYED,
			.queue_num_max = NUM_MAX,
			.broken_before = true,	/* keeps it quiet */
		},
	};
	net_init(&net, mac, choices & CHOICE_MTU ? 1500 : 0,
		 choices & CHOICE_USO, 0);

	model = (struct model) {
		.relayed = choices & CHOICE_RELAYED,
		.offered = model_offers(choices),
	};
	memcpy(model.config, mac, 6);
	model.config[6] = 1;				/* 5.1.4: link up */
	if (choices & CHOICE_MTU) {
		model.config[10] = 1500 & 0xff;
		model.config[11] = 1500 >> 8;
	}
}

static void event(unsigned int event)
{
	switch (event) {
	case EVENT_USED:
		mmio_used(&net.mmio);
		break;
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
		/* As machine/card.c: a tap that is gone has no state. */
		net_set_link(&net, event == EVENT_LINK_UP && !net.unplugged);
		break;
	case EVENT_UNPLUG:
		net_unplug(&net);
		break;
	case EVENT_START_FAILS:
		backend_fails = !backend_fails;
		break;
	case EVENT_BROKEN:
		mmio_broken(&net.mmio, "on request");
		break;
	}
}

/*
 * ---- are they the same? ----
 */

static void check_read(uint32_t at, unsigned int len)
{
	uint8_t data[8], want[8] = { 0 };
	uint32_t word = at >= 0x100 || at % 4 ? 0 : model_word(at);

	if (at >= 0x100 && len <= 4 && at + len <= MMIO_WINDOW)
		memcpy(want, &model.config[at - 0x100], len);
	else if (at < 0x100 && len == 4)
		memcpy(want, &word, 4);
	mmio_io(&net.mmio, at, data, len, false);
	MUST(memcmp(data, want, len) == 0);
}

static void check_backend(void)
{
	MUST(backend_runs == model.running);
	MUST(mmio_running(&net.mmio) ==
	     ((model.status & (DRIVER_OK | NEEDS_RESET)) == DRIVER_OK));
	if (!backend_runs)
		return;
	MUST(backend_features == model.accepted);
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		const struct net_ring *r = &backend_ring[i];
		char *ram = mem.region[0].hva;

		MUST(r->num == model.queue[i].num && r->base == 0);
		MUST(r->desc == ram + model.queue[i].desc);
		MUST(r->avail == ram + model.queue[i].avail);
		MUST(r->used == ram + model.queue[i].used);
	}
}

static void check_all(void)
{
	for (uint32_t at = 0; at < MMIO_WINDOW; at += 4) {
		uint32_t want = model_word(at);

		MUST(mmio_read(&net.mmio, at, 4) == want);
		if (net.mmio.page && at >= MMIO_PAGED)
			MUST(page[(at - MMIO_PAGED) / 4] == want);
	}
	check_backend();
	MUST((written[FD_IRQ] > 0) == model.interrupted);
	for (unsigned int i = 0; i < NET_RINGS; i++)
		MUST(written[net.kick_fd[i]] == model.kicked[i]);
	memset(written, 0, sizeof(written));
	model.interrupted = false;
	model.kicked[0] = model.kicked[1] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const unsigned int width[8] = { 4, 4, 4, 4, 4, 1, 2, 8 };
	struct input in = { bytes, size };

	create(take(&in, 1));
	check_all();
	while (in.left) {
		unsigned int kind = take(&in, 1);
		uint32_t at = take(&in, 2) % MMIO_WINDOW;
		uint64_t val = take(&in, 4);
		unsigned int len = width[kind / KIND_WIDTH % 8];

		if (kind >= KIND_EVENT) {
			model_event(kind % EVENTS);
			event(kind % EVENTS);
		} else if (kind & KIND_WRITE) {
			if (len == 4 && at % 4 == 0)
				model_store(at, val);
			mmio_io(&net.mmio, at, (uint8_t *)&val, len, true);
		} else {
			check_read(at, len);
		}
		check_all();
	}
	return 0;
}
