/* SPDX-License-Identifier: MIT */
/*
 * The registers and the card behind them, driven as a guest would, with a
 * backend that only writes down what it is told.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "tests/unit/check.h"
#include "virtio/net.h"

#define M	(1ULL << 20)
#define G	(1ULL << 30)
#define RAM	(16 * M)

/*
 * Bits by number, from the spec and not from the headers the card is built
 * with: virtio 1.2, 5.1.3 and 6.
 */
enum {
	CSUM = 0, GUEST_CSUM = 1, MTU = 3, MAC = 5, GUEST_TSO4 = 7,
	GUEST_TSO6 = 8, GUEST_ECN = 9, HOST_TSO4 = 11, HOST_TSO6 = 12,
	HOST_ECN = 13, MRG_RXBUF = 15, STATUS = 16, INDIRECT = 28,
	EVENT_IDX = 29, VERSION_1 = 32, IN_ORDER = 35, GUEST_USO4 = 54,
	GUEST_USO6 = 55, HOST_USO = 56,
};

enum {	/* status bits: 2.1 */
	ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8,
	NEEDS_RESET = 64, FAILED = 128,
};

#define BIT(b)	(1ULL << (b))

/*
 * ---- a backend that takes notes ----
 */

static struct {
	struct net_backend backend;
	unsigned int starts, stops;
	bool running;
	int result;			/* of the next start() */
	struct net_ring ring[NET_RINGS];
	uint64_t features;
} fake;

static struct net net;
static struct memory mem;
static uint32_t *page;
static const uint8_t mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

/* Does [@p, @p + @len) lie in the guest's RAM? */
static bool in_ram(const void *p, size_t len)
{
	const struct memory_region *r = &mem.region[0];
	uintptr_t at = (uintptr_t)p - (uintptr_t)r->hva;

	return (uintptr_t)p >= (uintptr_t)r->hva && at + len <= r->size;
}

static int fake_start(struct net_backend *b, const struct net_ring *ring,
		      uint64_t features)
{
	if (b != &fake.backend || fake.running)
		abort();
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		uint64_t n = ring[i].num;

		if (!in_ram(ring[i].desc, 16 * n) ||
		    !in_ram(ring[i].avail, 6 + 2 * n) ||
		    !in_ram(ring[i].used, 6 + 8 * n) || ring[i].base != 0)
			abort();
	}
	fake.starts++;
	memcpy(fake.ring, ring, sizeof(fake.ring));
	fake.features = features;
	fake.running = fake.result == 0;
	return fake.result;
}

static int fake_stop(struct net_backend *b, struct net_ring *ring)
{
	if (b != &fake.backend || !fake.running)
		abort();
	fake.stops++;
	fake.running = false;
	ring[NET_RX].base = 77;		/* as if it had got that far */
	ring[NET_TX].base = 78;
	return 0;
}

static const struct net_backend_ops fake_ops = { fake_start, fake_stop };

static unsigned int signals(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Interrupts since the last call. */
static unsigned int interrupts(void)
{
	return signals(net.mmio.irq_fd);
}

/* Has the backend been started and stopped so many times since the last? */
static bool saw(unsigned int starts, unsigned int stops)
{
	bool ok = fake.starts == starts && fake.stops == stops;

	fake.starts = fake.stops = 0;
	return ok;
}

static uint64_t held_back;	/* features= on the command line */

/* A new card. */
static void create(uint64_t backend_features, unsigned int mtu, bool uso)
{
	static int irq = -1, kick[NET_RINGS];

	if (irq < 0) {
		irq = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		kick[NET_RX] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		kick[NET_TX] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	/* A block of just its size: ASan sees a step outside. */
	free(page);
	page = calloc(1, MMIO_WINDOW - MMIO_PAGED);
	if (!page || irq < 0)
		exit(1);
	memset(&fake, 0, sizeof(fake));
	fake.backend.ops = &fake_ops;
	fake.backend.features = backend_features;
	memset(&net, 0, sizeof(net));
	net.backend = &fake.backend;
	net.kick_fd[NET_RX] = kick[NET_RX];
	net.kick_fd[NET_TX] = kick[NET_TX];
	net.mmio.mem = &mem;
	net.mmio.name = "the card";
	net.mmio.irq_fd = irq;
	net.mmio.page = page;
	net.mmio.queue_num_max = 256;
	net.mmio.broken_before = true;	/* keeps mmio_broken() quiet */
	net_init(&net, mac, mtu, uso, held_back);
	interrupts();
	signals(kick[NET_RX]);
	signals(kick[NET_TX]);
}

static void create_usual(void)
{
	create(~0ULL, 1500, true);
}

/*
 * ---- what a driver does ----
 */

static void wr(uint32_t offset, uint32_t val)
{
	uint8_t data[8];

	memcpy(data, &val, 4);
	mmio_io(&net.mmio, offset, data, 4, true);
}

static uint32_t rd(uint32_t offset)
{
	uint8_t data[8];
	uint32_t val;

	memset(data, 0x5a, sizeof(data));
	mmio_io(&net.mmio, offset, data, 4, false);
	memcpy(&val, data, 4);
	return val;
}

static uint32_t status(void)
{
	return rd(VIRTIO_MMIO_STATUS);
}

static void write_features(uint64_t features)
{
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, features);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
}

/* Does FEATURES_OK stick? */
static bool negotiate(uint64_t features)
{
	wr(VIRTIO_MMIO_STATUS, 0);
	wr(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	wr(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	write_features(features);
	wr(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	return status() & FEATURES_OK;
}

struct placed {
	uint32_t num;
	uint64_t desc, driver, device;
};

/* Place queue @index as @q says.  Is it ready then? */
static bool place(unsigned int index, const struct placed *q)
{
	wr(VIRTIO_MMIO_QUEUE_SEL, index);
	wr(VIRTIO_MMIO_QUEUE_NUM, q->num);
	wr(VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	wr(VIRTIO_MMIO_QUEUE_DESC_HIGH, q->desc >> 32);
	wr(VIRTIO_MMIO_QUEUE_AVAIL_LOW, q->driver);
	wr(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, q->driver >> 32);
	wr(VIRTIO_MMIO_QUEUE_USED_LOW, q->device);
	wr(VIRTIO_MMIO_QUEUE_USED_HIGH, q->device >> 32);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
	return rd(VIRTIO_MMIO_QUEUE_READY) == 1;
}

static const struct placed usual[NET_RINGS] = {
	{ 256, 0x100000, 0x102002, 0x103004 },
	{ 128, 0x200000, 0x202002, 0x203004 },
};

static void go(void)
{
	wr(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static bool bring_up(uint64_t features)
{
	if (!negotiate(features) || !place(0, &usual[0]) ||
	    !place(1, &usual[1]))
		return false;
	go();
	return status() == (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/*
 * ---- registers ----
 */

/* After a reset.  Those that are not here read 0. */
static const struct { uint32_t offset, val; } after_reset[] = {
	{ 0x00, 0x74726976 },		/* "virt" */
	{ 0x04, 2 },
	{ 0x08, 1 },			/* a network card */
	{ 0x0c, 0x68636e6c },		/* "lnch" */
	{ 0x10, 0x3001bbab },		/* the lower half of its features */
	{ 0x34, 256 },
	{ 0xb0, ~0u }, { 0xb4, ~0u }, { 0xb8, ~0u }, { 0xbc, ~0u },
};

/* Config space, virtio 1.2, 5.1.4: MAC, status, max_virtqueue_pairs, MTU. */
static const uint8_t config[0x100] = {
	0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 1, 0, 0, 0, 1500 & 0xff, 1500 >> 8,
};

static uint64_t expected(uint32_t offset, unsigned int len)
{
	uint64_t val = 0;

	if (offset >= 0x100) {
		if (len <= 4 && offset + len <= 0x200)
			memcpy(&val, config + (offset - 0x100), len);
		return val;
	}
	if (len != 4)
		return 0;
	for (unsigned int i = 0;
	     i < sizeof(after_reset) / sizeof(after_reset[0]); i++)
		if (after_reset[i].offset == offset)
			return after_reset[i].val;
	return 0;
}

/* Every offset in every width; only the first that is wrong is named. */
static bool all_as_expected(void)
{
	for (uint32_t offset = 0; offset < 0x200; offset++)
		for (unsigned int len = 1; len <= 8; len *= 2) {
			uint8_t data[16];
			uint64_t val = 0;

			memset(data, 0x5a, sizeof(data));
			mmio_io(&net.mmio, offset, data, len, false);
			memcpy(&val, data, len);
			if (val != expected(offset, len) || data[len] != 0x5a) {
				printf("# %u at %#x: %#llx\n", len, offset,
				       (unsigned long long)val);
				return false;
			}
		}
	return true;
}

/* Does the page say what the registers say?  From InterruptStatus on. */
static bool page_is_true(void)
{
	for (uint32_t at = MMIO_PAGED; at < MMIO_WINDOW; at += 4)
		if (page[(at - MMIO_PAGED) / 4] !=
		    mmio_read(&net.mmio, at, 4)) {
			printf("# the page at %#x says %#x\n", at,
			       page[(at - MMIO_PAGED) / 4]);
			return false;
		}
	return true;
}

static void test_reset_values(void)
{
	create_usual();
	CHECK(all_as_expected(), "a new card: 1, 2, 4 and 8 bytes everywhere");
	CHECK(page_is_true(), "the page as well");
	bring_up(BIT(VERSION_1));
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 7);
	wr(VIRTIO_MMIO_QUEUE_SEL, ~0u);
	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(all_as_expected(), "a card that was used and reset: the same");
	CHECK(page_is_true(), "and its page");
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	CHECK(status() == 0 && net.mmio.driver_features == 1,
	      "and all selectors are 0 again");
	CHECK(rd(0x200 - 4) == 0 && rd(0x1fe) == 0,
	      "a read that leaves the window is 0");

	net.mmio.page = NULL;
	CHECK(bring_up(BIT(VERSION_1)) && saw(2, 1),
	      "without a page it works all the same");
}

/* Only 32-bit aligned stores reach a register. */
static void test_widths(void)
{
	uint8_t data[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	bool same;

	create_usual();
	for (uint32_t offset = 0; offset < 0x200; offset++)
		for (unsigned int len = 1; len <= 8; len *= 2)
			if (len != 4 || offset % 4)
				mmio_io(&net.mmio, offset, data, len, true);
	same = all_as_expected();
	CHECK(same && page_is_true(), "no other store changes anything");

	for (uint32_t offset = 0x100; offset < 0x200; offset += 4)
		wr(offset, ~0u);
	CHECK(all_as_expected(), "config space cannot be written");
	for (uint32_t offset = 0; offset < 0x100; offset += 4)
		if (offset != VIRTIO_MMIO_STATUS &&
		    offset != VIRTIO_MMIO_DRIVER_FEATURES)
			wr(offset, 0);
	CHECK(all_as_expected(), "zeros change nothing");
	CHECK(interrupts() == 0 && saw(0, 0), "and nothing happens");
}

static void test_names(void)
{
	CHECK(strcmp(mmio_register_name(0x50 / 4), "QueueNotify") == 0 &&
	      strcmp(mmio_register_name(0x70 / 4), "Status") == 0 &&
	      strcmp(mmio_register_name(MMIO_REGISTERS - 1), "Config") == 0,
	      "registers have names");
	CHECK(!mmio_register_name(0x54 / 4) &&
	      !mmio_register_name(MMIO_REGISTERS), "others have not");
}

static void test_counts(void)
{
	const struct mmio_counts *c = net.mmio.counts;

	create_usual();
	rd(VIRTIO_MMIO_MAGIC_VALUE);
	rd(0x104);
	rd(0x1ff);
	wr(0x100, 1);
	wr(VIRTIO_MMIO_QUEUE_SEL, 1);
	CHECK(c[0].read[0] == 1 && c[0].read[MMIO_REGISTERS - 1] == 2 &&
	      c[0].write[MMIO_REGISTERS - 1] == 1 &&
	      c[0].write[VIRTIO_MMIO_QUEUE_SEL / 4] == 1,
	      "accesses are counted by register");
	bring_up(BIT(VERSION_1));
	rd(VIRTIO_MMIO_INTERRUPT_STATUS);
	CHECK(c[1].read[VIRTIO_MMIO_INTERRUPT_STATUS / 4] == 1 &&
	      c[0].read[VIRTIO_MMIO_INTERRUPT_STATUS / 4] == 0,
	      "and by whether a driver runs the card");
}

/*
 * ---- features ----
 */

#define OFFLOADS (BIT(CSUM) | BIT(GUEST_CSUM) | BIT(GUEST_TSO4) |	    \
		  BIT(GUEST_TSO6) | BIT(GUEST_ECN) | BIT(HOST_TSO4) |	    \
		  BIT(HOST_TSO6) | BIT(HOST_ECN))
#define USO	 (BIT(GUEST_USO4) | BIT(GUEST_USO6) | BIT(HOST_USO))
#define RINGS	 (BIT(MRG_RXBUF) | BIT(INDIRECT) | BIT(EVENT_IDX) |	    \
		  BIT(VERSION_1) | BIT(IN_ORDER))
#define ALWAYS	 (OFFLOADS | BIT(MAC) | BIT(STATUS))

static const struct {
	const char *what;
	uint64_t backend;
	unsigned int mtu;
	bool uso;
	uint64_t want;
} offers[] = {
	{ "all there is", ~0ULL, 1500, true, ALWAYS | RINGS | USO | BIT(MTU) },
	{ "no MTU", ~0ULL, 0, true, ALWAYS | RINGS | USO },
	{ "no USO", ~0ULL, 1500, false, ALWAYS | RINGS | BIT(MTU) },
	{ "a backend that can do nothing", 0, 0, false, ALWAYS },
	{ "one that can do VERSION_1", BIT(VERSION_1), 0, false,
	  ALWAYS | BIT(VERSION_1) },
	{ "one that can do offloads", OFFLOADS | USO | BIT(INDIRECT), 0, false,
	  ALWAYS | BIT(INDIRECT) },
	{ "one with all that must not be offered",
	  BIT(24) | BIT(26) | BIT(27) | BIT(33) | BIT(38) | BIT(40), 0, false,
	  ALWAYS },
};

static uint64_t offered(void)
{
	uint64_t features;

	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	features = rd(VIRTIO_MMIO_DEVICE_FEATURES);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	return features | (uint64_t)rd(VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

static void test_offers(void)
{
	bool none = true;

	for (unsigned int i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		create(offers[i].backend, offers[i].mtu, offers[i].uso);
		if (!CHECK(offered() == offers[i].want, "offered: %s",
			   offers[i].what))
			printf("# %#llx\n", (unsigned long long)offered());
	}
	for (uint64_t sel = 2; sel <= 0xffffffff; sel = sel * 2 + 1) {
		wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, sel);
		none &= rd(VIRTIO_MMIO_DEVICE_FEATURES) == 0;
	}
	CHECK(none, "no features above 64");

	create(~0ULL, 9000, false);
	CHECK(rd(0x108) == (9000u << 16) && rd(0x100) == 0x33221102 &&
	      rd(0x104) == 0x00015544, "MAC, link up and MTU are in config");
	create(~0ULL, 0, false);
	CHECK(rd(0x108) == 0, "no MTU is 0");
}

static void test_held_back(void)
{
	uint64_t all, csum = BIT(CSUM) | BIT(HOST_TSO4) | BIT(HOST_TSO6) |
			     BIT(HOST_ECN) | BIT(HOST_USO);

	create_usual();
	all = offered();
	held_back = BIT(MRG_RXBUF) | BIT(GUEST_TSO4);
	create_usual();
	CHECK(offered() == (all & ~held_back), "what is held back is not "
	      "offered");
	held_back = BIT(CSUM);
	create_usual();
	CHECK(offered() == (all & ~csum), "nor what would need it");
	CHECK(negotiate(offered()), "and a driver may have all the rest");
	held_back = 0;
}

/* @feature is not to be had without one of @needs: 5.1.3.1. */
static const struct { const char *what; uint64_t feature, needs; } needs[] = {
	{ "HOST_TSO4", BIT(HOST_TSO4), BIT(CSUM) },
	{ "HOST_TSO6", BIT(HOST_TSO6), BIT(CSUM) },
	{ "HOST_USO", BIT(HOST_USO), BIT(CSUM) },
	{ "HOST_ECN and CSUM", BIT(HOST_ECN) | BIT(CSUM), BIT(HOST_TSO4) },
	{ "HOST_ECN and CSUM", BIT(HOST_ECN) | BIT(CSUM), BIT(HOST_TSO6) },
	{ "HOST_ECN and TSO4", BIT(HOST_ECN) | BIT(HOST_TSO4), BIT(CSUM) },
	{ "GUEST_TSO4", BIT(GUEST_TSO4), BIT(GUEST_CSUM) },
	{ "GUEST_TSO6", BIT(GUEST_TSO6), BIT(GUEST_CSUM) },
	{ "GUEST_USO4", BIT(GUEST_USO4), BIT(GUEST_CSUM) },
	{ "GUEST_USO6", BIT(GUEST_USO6), BIT(GUEST_CSUM) },
	{ "GUEST_ECN and GUEST_CSUM", BIT(GUEST_ECN) | BIT(GUEST_CSUM),
	  BIT(GUEST_TSO4) },
	{ "GUEST_ECN and GUEST_CSUM", BIT(GUEST_ECN) | BIT(GUEST_CSUM),
	  BIT(GUEST_TSO6) },
};

static void test_negotiation(void)
{
	bool each = true, unknown = true, without = true;

	create_usual();
	CHECK(negotiate(BIT(VERSION_1)) &&
	      net.mmio.accepted == BIT(VERSION_1), "VERSION_1 alone will do");
	CHECK(negotiate(offered()) && net.mmio.accepted == offered(),
	      "so will everything");
	CHECK(!negotiate(0) && net.mmio.accepted == 0, "nothing will not");
	CHECK(!negotiate(offered() & ~BIT(VERSION_1)),
	      "nor all without VERSION_1");

	for (unsigned int b = 0; b < 64; b++) {
		uint64_t f = BIT(VERSION_1) | BIT(b);
		bool dependent = false;

		for (unsigned int i = 0; i < sizeof(needs) / sizeof(needs[0]);
		     i++)
			dependent |= needs[i].feature & BIT(b) &&
				     b != CSUM && b != GUEST_CSUM;
		if (!(offered() & BIT(b)))
			unknown &= !negotiate(f);
		else if (!dependent)
			each &= negotiate(f) && net.mmio.accepted == f;
		else
			without &= !negotiate(f);
	}
	CHECK(unknown, "FEATURES_OK does not stick with a bit not offered");
	CHECK(each, "each other bit can be had alone");
	CHECK(without, "but for those that need another");

	for (unsigned int i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		uint64_t f = BIT(VERSION_1) | needs[i].feature;
		uint64_t all = f | needs[i].needs | BIT(CSUM) | BIT(GUEST_CSUM);

		CHECK(!negotiate(f) && negotiate(all),
		      "%s: not without what it needs", needs[i].what);
	}

	CHECK(!negotiate(0) && (wr(VIRTIO_MMIO_STATUS, 3),
				write_features(BIT(VERSION_1)),
				wr(VIRTIO_MMIO_STATUS, 11), status() == 11),
	      "after a no, the driver may ask for less");
}

static void test_selectors(void)
{
	create_usual();
	wr(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	write_features(~0ULL);
	write_features(BIT(VERSION_1) | BIT(CSUM));
	CHECK(net.mmio.driver_features == (BIT(VERSION_1) | BIT(CSUM)),
	      "each half replaces what was written before");
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 0);
	CHECK(net.mmio.driver_features == BIT(VERSION_1),
	      "the lower one leaves the upper one alone");
	write_features(BIT(VERSION_1) | BIT(CSUM));
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 0);
	CHECK(!(status() & NEEDS_RESET) &&
	      net.mmio.driver_features == (BIT(VERSION_1) | BIT(CSUM)),
	      "zeros above 64 are nothing");
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	CHECK(status() & NEEDS_RESET, "but bits there were never offered");
	CHECK(interrupts() == 0, "no interrupt before DRIVER_OK");
}

static void test_frozen_features(void)
{
	create_usual();
	CHECK(negotiate(BIT(VERSION_1)), "FEATURES_OK");
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	CHECK(status() & NEEDS_RESET && net.mmio.accepted == BIT(VERSION_1) &&
	      net.mmio.broken_count == 1,
	      "features after that break the card and do not count");
	place(0, &usual[0]);
	place(1, &usual[1]);
	go();
	CHECK(!(status() & DRIVER_OK) && saw(0, 0),
	      "which then does not start");
	CHECK(bring_up(BIT(VERSION_1)) && saw(1, 0),
	      "before it has been reset");
}

/*
 * ---- rings ----
 */

#define END	RAM
#define GOOD	0x100000, 0x102000, 0x103000

static const struct {
	const char *what;
	struct placed q;
	const char *wrong;		/* NULL: this one is fine */
} rings[] = {
	{ "the usual one", { 256, GOOD }, NULL },
	{ "one entry", { 1, GOOD }, NULL },
	{ "two", { 2, GOOD }, NULL },
	{ "no entry", { 0, GOOD }, "size" },
	{ "three entries", { 3, GOOD }, "size" },
	{ "255", { 255, GOOD }, "size" },
	{ "twice QueueSizeMax", { 512, GOOD }, "size" },
	{ "2048", { 2048, GOOD }, "size" },
	{ "32768", { 32768, GOOD }, "size" },
	{ "65536", { 65536, GOOD }, "size" },
	{ "2^31", { 1u << 31, GOOD }, "size" },
	{ "2^32 - 1", { ~0u, GOOD }, "size" },
	{ "65536 + 256", { 65536 + 256, GOOD }, "size" },

	{ "desc at 8", { 256, 0x100008, 0x102000, 0x103000 }, "align" },
	{ "desc at 1", { 256, 0x100001, 0x102000, 0x103000 }, "align" },
	{ "driver at 1", { 256, 0x100000, 0x102001, 0x103000 }, "align" },
	{ "driver at 2", { 256, 0x100000, 0x102002, 0x103000 }, NULL },
	{ "device at 1", { 256, 0x100000, 0x102000, 0x103001 }, "align" },
	{ "device at 2", { 256, 0x100000, 0x102000, 0x103002 }, "align" },
	{ "device at 4", { 256, 0x100000, 0x102000, 0x103004 }, NULL },

	{ "all at 0", { 256, 0, 0, 0 }, NULL },
	{ "desc at the end of RAM", { 256, END - 4096, 0, 0 }, NULL },
	{ "desc over it", { 256, END - 4096 + 16, 0, 0 }, "RAM" },
	{ "desc behind it", { 256, END, 0, 0 }, "RAM" },
	{ "driver at the end of RAM", { 256, 0, END - 518, 0 }, NULL },
	{ "driver over it", { 256, 0, END - 516, 0 }, "RAM" },
	{ "driver behind it", { 256, 0, END, 0 }, "RAM" },
	{ "device at the end of RAM", { 256, 0, 0, END - 2056 }, NULL },
	{ "device over it", { 256, 0, 0, END - 2052 }, "RAM" },
	{ "device behind it", { 256, 0, 0, END }, "RAM" },
	{ "desc in a window", { 2, 0xd0000fa0, 0, 0 }, "RAM" },
	{ "driver in a window", { 2, 0, 0xd0001000, 0 }, "RAM" },
	{ "device in a window", { 2, 0, 0, 0xd0001000 }, "RAM" },
	{ "desc in the local APIC", { 2, 0xfee00000, 0, 0 }, "RAM" },
	{ "desc that wraps", { 256, -16ULL, 0, 0 }, "RAM" },
	{ "desc that wraps to 0", { 256, -4096ULL, 0, 0 }, "RAM" },
	{ "driver that wraps", { 256, 0, -2ULL, 0 }, "RAM" },
	{ "device that wraps", { 256, 0, 0, -4ULL }, "RAM" },
	{ "desc 4 GiB too high", { 256, 0x100000000, 0, 0 }, "RAM" },
	{ "driver 4 GiB too high", { 256, 0, 0x100000000, 0 }, "RAM" },
	{ "device 4 GiB too high", { 256, 0, 0, 0x100000000 }, "RAM" },
};

static void test_rings(void)
{
	for (unsigned int i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
		const struct placed *q = &rings[i].q;
		bool ready;

		create_usual();
		negotiate(BIT(VERSION_1));
		place(0, &usual[0]);
		ready = place(1, q);
		go();
		if (rings[i].wrong)
			CHECK(!ready && status() & NEEDS_RESET && saw(0, 0) &&
			      interrupts() == 0 && page_is_true(),
			      "%s: refused", rings[i].what);
		else
			CHECK(ready && saw(1, 0) &&
			      fake.ring[1].num == q->num &&
			      fake.ring[1].desc == guest_ptr(&mem, q->desc, 1),
			      "%s: taken", rings[i].what);
	}
}

/* Around the hole, with RAM on both sides. */
static void test_hole(void)
{
	static const struct placed q[] = {
		{ 2, 0xd0000000 - 16, 0, 0 },
		{ 2, 0, 0x100000000 - 2, 0 },
		{ 2, 0, 0, 0xd0000000 - 4 },
		{ 2, 0xd0000000, 0, 0 },
	};
	static const struct placed good = { 2, 0x100000000, 0xd0000000 - 10,
					    0x100000010 };
	struct memory small = mem;

	if (memory_create(&mem, 5 * G) < 0) {
		SKIP("no address space for 5 GiB");
	} else {
		bool none = true;

		for (unsigned int i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
			create_usual();
			negotiate(BIT(VERSION_1));
			none &= !place(0, &q[i]) && status() & NEEDS_RESET;
		}
		CHECK(none, "no ring reaches into the hole");
		create_usual();
		negotiate(BIT(VERSION_1));
		CHECK(place(0, &good), "but on both sides there is room");
		memory_destroy(&mem);
	}
	mem = small;
}

static void test_queue_select(void)
{
	bool nothing = true;

	create_usual();
	negotiate(BIT(VERSION_1));
	for (uint64_t sel = 2; sel <= 0xffffffff; sel = sel * 2 + 1) {
		nothing &= !place(sel, &usual[0]) &&
			   rd(VIRTIO_MMIO_QUEUE_NUM_MAX) == 0;
	}
	CHECK(nothing, "queues that are not there: QueueSizeMax 0, not ready");
	CHECK(status() == 11 && net.mmio.broken_count == 0,
	      "writing to them is no harm");
	wr(VIRTIO_MMIO_QUEUE_SEL, 1);
	CHECK(rd(VIRTIO_MMIO_QUEUE_NUM_MAX) == 256, "the last one is there");
}

static void test_ready_queue(void)
{
	const struct mmio_queue *q = &net.mmio.queue[0];
	struct mmio_queue was;

	create_usual();
	negotiate(BIT(VERSION_1));
	place(0, &usual[0]);
	was = *q;
	wr(VIRTIO_MMIO_QUEUE_NUM, 8);
	for (uint32_t at = VIRTIO_MMIO_QUEUE_DESC_LOW;
	     at <= VIRTIO_MMIO_QUEUE_USED_HIGH; at += 4)
		wr(at, 0xfffffff0);
	CHECK(q->num == was.num && q->desc == was.desc &&
	      q->driver == was.driver && q->device == was.device &&
	      rd(VIRTIO_MMIO_QUEUE_READY) == 1,
	      "a ready queue stays as it is");

	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	CHECK(rd(VIRTIO_MMIO_QUEUE_READY) == 0 && !(status() & NEEDS_RESET),
	      "before DRIVER_OK it may be taken back");
	wr(VIRTIO_MMIO_QUEUE_NUM, 8);
	CHECK(q->num == 8, "and changed");
	for (uint32_t at = VIRTIO_MMIO_QUEUE_USED_HIGH;
	     at >= VIRTIO_MMIO_QUEUE_DESC_LOW; at -= 4)
		wr(at, at);
	CHECK(q->desc == 0x8400000080 && q->driver == 0x9400000090 &&
	      q->device == 0xa4000000a0, "in halves, the upper one first");

	CHECK(bring_up(BIT(VERSION_1)) && saw(1, 0), "while it runs:");
	wr(VIRTIO_MMIO_QUEUE_SEL, 0);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
	CHECK(!(status() & NEEDS_RESET) && saw(0, 0), "ready again is nothing");
	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	CHECK(status() & NEEDS_RESET && saw(0, 1),
	      "not ready any more breaks the card");
}

/*
 * ---- starting and stopping ----
 */

static bool ring_is(const struct net_ring *r, const struct placed *q)
{
	char *ram = mem.region[0].hva;

	return r->num == q->num && r->base == 0 && r->desc == ram + q->desc &&
	       r->avail == ram + q->driver && r->used == ram + q->device;
}

static void test_start_stop(void)
{
	uint64_t f = BIT(VERSION_1) | BIT(CSUM) | BIT(MRG_RXBUF);
	bool again = true;

	create_usual();
	CHECK(bring_up(f) && saw(1, 0), "DRIVER_OK starts the backend once");
	CHECK(ring_is(&fake.ring[0], &usual[0]) &&
	      ring_is(&fake.ring[1], &usual[1]), "both rings by our addresses");
	CHECK(fake.features == f, "and the accepted features");
	CHECK(mmio_running(&net.mmio) && page_is_true(), "it runs");
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 1 && interrupts() == 0,
	      "the used-buffer bit is set, without an interrupt");
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, ~0u);
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 1, "no ACK clears it");
	go();
	wr(VIRTIO_MMIO_STATUS, DRIVER_OK);
	CHECK(status() == 15 && saw(0, 0), "DRIVER_OK again is nothing");
	wr(VIRTIO_MMIO_STATUS, 0x100);
	wr(VIRTIO_MMIO_STATUS, 0x30);
	wr(VIRTIO_MMIO_STATUS, NEEDS_RESET);
	CHECK(status() == 15 && saw(0, 0),
	      "bits that are not the driver's are not stored");

	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(saw(0, 1) && status() == 0 && !mmio_running(&net.mmio),
	      "reset stops it once");
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0, "and clears the bit");
	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(saw(0, 0), "a second reset is nothing");

	for (unsigned int i = 0; i < 100; i++) {
		again &= bring_up(f);
		wr(VIRTIO_MMIO_STATUS, 0);
		again &= saw(1, 1);
	}
	CHECK(again, "a hundred times more, each from base 0");

	bring_up(f);
	wr(VIRTIO_MMIO_STATUS, FAILED);
	CHECK(status() == (15 | FAILED), "a driver may say that it failed");
}

static void test_notify(void)
{
	create_usual();
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	bring_up(BIT(VERSION_1));
	CHECK(signals(net.kick_fd[0]) == 0, "a kick before DRIVER_OK is lost");
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	CHECK(signals(net.kick_fd[0]) == 1 && signals(net.kick_fd[1]) == 0,
	      "a kick of RX");
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	CHECK(signals(net.kick_fd[0]) == 0 && signals(net.kick_fd[1]) == 1,
	      "a kick of TX");
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 2);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0x10000);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, ~0u);
	CHECK(signals(net.kick_fd[0]) == 0 && signals(net.kick_fd[1]) == 0,
	      "kicks of other queues go nowhere");
	mmio_broken(&net.mmio, "a test");
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	CHECK(signals(net.kick_fd[0]) == 0, "nor those of a broken card");
}

/* DRIVER_OK too early, each in its own way. */
static void test_too_early(void)
{
	create_usual();
	wr(VIRTIO_MMIO_STATUS, DRIVER_OK);
	CHECK(status() & NEEDS_RESET && saw(0, 0) && interrupts() == 1,
	      "at once");

	create_usual();
	negotiate(0);
	place(0, &usual[0]);
	place(1, &usual[1]);
	wr(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
	CHECK(status() & NEEDS_RESET && saw(0, 0), "without FEATURES_OK");

	for (unsigned int only = 0; only < 2; only++) {
		create_usual();
		negotiate(BIT(VERSION_1));
		place(only, &usual[only]);
		go();
		CHECK(status() & NEEDS_RESET && saw(0, 0) && page_is_true(),
		      "with queue %u alone", only);
		CHECK(bring_up(BIT(VERSION_1)) && saw(1, 0),
		      "a reset makes it good");
	}

	create_usual();
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	place(0, &usual[0]);
	place(1, &usual[1]);
	go();
	CHECK(status() == 15 && saw(1, 0), "all bits in one store will do");
}

/*
 * ---- when it goes wrong ----
 */

static void test_broken(void)
{
	create_usual();
	bring_up(BIT(VERSION_1));
	interrupts();
	saw(1, 0);
	mmio_broken(&net.mmio, "a test");
	CHECK(saw(0, 1), "a broken card stops its backend");
	CHECK(status() == (15 | NEEDS_RESET) && !mmio_running(&net.mmio),
	      "asks for a reset");
	CHECK(interrupts() == 1 && rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 3,
	      "by a configuration interrupt");
	CHECK(page_is_true(), "which the page shows, too");

	mmio_broken(&net.mmio, "a test");
	CHECK(saw(0, 0) && net.mmio.broken_count == 2,
	      "a second time there is nothing to stop");
	go();
	CHECK(saw(0, 0) && status() & NEEDS_RESET, "DRIVER_OK is no way out");
	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(status() == 0 && saw(0, 0) &&
	      rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0, "reset is");
	CHECK(bring_up(BIT(VERSION_1)) && saw(1, 0) && page_is_true(),
	      "and the card is good again");
}

/* How many lines does a card that breaks three times write? */
static void test_said_once(void)
{
	char line[256], rest[256];
	FILE *f = tmpfile();
	int err = dup(STDERR_FILENO);

	if (!f || err < 0)
		exit(1);
	create_usual();
	net.mmio.broken_before = false;
	dup2(fileno(f), STDERR_FILENO);
	for (unsigned int i = 0; i < 3; i++)
		mmio_broken(&net.mmio, "something the guest did");
	dup2(err, STDERR_FILENO);
	close(err);
	rewind(f);
	CHECK(fgets(line, sizeof(line), f) && !fgets(rest, sizeof(rest), f),
	      "three times broken, said once");
	CHECK(strstr(line, "the card: something the guest did"),
	      "whose fault it is, and what");
	fclose(f);
}

static void test_start_fails(void)
{
	create_usual();
	fake.result = -EINVAL;
	CHECK(!bring_up(BIT(VERSION_1)) && saw(1, 0) && interrupts() == 1 &&
	      status() == (15 | NEEDS_RESET),
	      "a backend that does not start: the card is broken");
	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(saw(0, 0), "what never ran is not stopped");
	fake.result = 0;
	CHECK(bring_up(BIT(VERSION_1)) && saw(1, 0),
	      "and it can be tried again");
}

/*
 * ---- link ----
 */

static bool link_is(bool up)
{
	return rd(0x104) == (0x5544u | (uint32_t)up << 16);
}

static void test_link(void)
{
	uint32_t generation;

	create_usual();
	generation = rd(VIRTIO_MMIO_CONFIG_GENERATION);
	net_set_link(&net, true);
	CHECK(rd(VIRTIO_MMIO_CONFIG_GENERATION) == generation && link_is(true),
	      "up, as before: nothing happens");
	net_set_link(&net, false);
	CHECK(link_is(false) && page_is_true(), "down");
	CHECK(rd(VIRTIO_MMIO_CONFIG_GENERATION) == generation + 2,
	      "ConfigGeneration moves before and after");
	CHECK(interrupts() == 0 && rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0,
	      "nobody is told when nobody is there");

	bring_up(BIT(VERSION_1) | BIT(STATUS));
	generation = rd(VIRTIO_MMIO_CONFIG_GENERATION);
	net_set_link(&net, true);
	CHECK(link_is(true) && interrupts() == 1 && page_is_true() &&
	      rd(VIRTIO_MMIO_CONFIG_GENERATION) == generation + 2,
	      "a driver that runs is told");
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 3, "by bit 1");
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 3, "ACK of bit 0 leaves it");
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 3);
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 1 && page_is_true(),
	      "its own ACK clears it, and nothing else");
	CHECK(saw(1, 0), "the backend hears nothing of it");

	net.mmio.config_generation = ~0u;
	net_set_link(&net, false);
	CHECK(rd(VIRTIO_MMIO_CONFIG_GENERATION) == 1, "the generation wraps");
	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(link_is(false) && rd(VIRTIO_MMIO_CONFIG_GENERATION) == 1 &&
	      rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0,
	      "a reset keeps the link and the generation, not the bit");
}

#define FLAPS	100000

static void *flap(void *over)
{
	for (unsigned int i = 0; i < FLAPS; i++)
		net_set_link(&net, i % 2);
	__atomic_store_n((bool *)over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* By the book: the bit for used buffers is there when there are some. */
static void test_relayed(void)
{
	create_usual();
	net.mmio.relayed = true;
	mmio_used(&net.mmio);
	CHECK(interrupts() == 0 && rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0,
	      "relayed: a call before DRIVER_OK is no interrupt");
	bring_up(BIT(VERSION_1) | BIT(STATUS));
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0 && page_is_true(),
	      "relayed: no bit is set at DRIVER_OK");
	mmio_used(&net.mmio);
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 1 && interrupts() == 1 &&
	      page_is_true(), "relayed: a call sets bit 0 and interrupts");
	net_set_link(&net, false);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 2 && page_is_true(),
	      "relayed: its ACK clears it and leaves bit 1");
	mmio_used(&net.mmio);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, 2);
	CHECK(rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 1, "relayed: and the reverse");
	interrupts();
	wr(VIRTIO_MMIO_STATUS, 0);
	mmio_used(&net.mmio);
	CHECK(interrupts() == 0 && rd(VIRTIO_MMIO_INTERRUPT_STATUS) == 0,
	      "relayed: a late call after a reset is nothing");
	net.mmio.relayed = false;
}

/*
 * The page is read while it changes.  A driver that sees the same even
 * generation before and after has seen the status that belongs to it.
 */
static void test_flaps(void)
{
	const volatile uint32_t *generation, *status_word;
	unsigned int seen = 0, wrong = 0;
	bool over = false;
	pthread_t thread;

	create_usual();
	generation = &page[(VIRTIO_MMIO_CONFIG_GENERATION - MMIO_PAGED) / 4];
	status_word = &page[(0x104 - MMIO_PAGED) / 4];
	if (pthread_create(&thread, NULL, flap, &over))
		exit(1);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		uint32_t before = *generation;
		bool up = *status_word >> 16;
		uint32_t after = *generation;

		if (before != after || before % 2)
			continue;
		seen++;
		wrong += up != (before % 4 == 0);
	}
	pthread_join(thread, NULL);
	CHECK(wrong == 0, "while the link flaps, %u of %u reads are wrong",
	      wrong, seen);
}

static void test_unplug(void)
{
	create_usual();
	bring_up(BIT(VERSION_1));
	saw(1, 0);
	net_unplug(&net);
	CHECK(saw(0, 1) && link_is(false) && status() == 15 &&
	      interrupts() == 1, "unplugged: stopped, link down, not broken");
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	wr(VIRTIO_MMIO_STATUS, 0);
	CHECK(saw(0, 0), "reset has nothing more to stop");
	CHECK(bring_up(BIT(VERSION_1)) && saw(0, 0) && link_is(false),
	      "a driver may come back, and finds the link down");
	net_unplug(&net);
	CHECK(saw(0, 0) && page_is_true(), "unplugged twice is once");

	create_usual();
	net_unplug(&net);
	CHECK(saw(0, 0) && bring_up(BIT(VERSION_1)) && saw(0, 0),
	      "unplugged before it was started");
}

/*
 * ---- a hostile guest ----
 */

static uint32_t noise(void)
{
	static const uint32_t liked[] = {
		0, 1, 2, 3, 8, 11, 15, 128, 256, 0x100000, 0xfffff0, RAM - 4096,
		0xd0001000, ~0u,
	};

	switch (rand() % 4) {
	case 0:
		return (uint32_t)rand() << rand() % 32;
	case 1:
		return 1u << rand() % 32;
	default:
		return liked[rand() % (sizeof(liked) / sizeof(liked[0]))];
	}
}

static void random_store(void)
{
	static const unsigned int widths[] = { 4, 4, 4, 4, 4, 4, 1, 2, 8 };
	unsigned int len = widths[rand() % 9];
	uint32_t offset = rand() % MMIO_WINDOW;
	uint8_t data[8];

	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = rand();
	if (len == 4 && rand() % 16) {
		uint32_t val = noise();

		offset = rand() % 0x104 & ~3u;
		memcpy(data, &val, 4);
	}
	mmio_io(&net.mmio, offset, data, len, true);
}

/* fake_start() and fake_stop() abort on what must never be asked of them. */
static void test_hostile(void)
{
	bool equal = true, consistent = true;
	unsigned int ups = 0, breaks;

	create_usual();
	srand(2);
	for (unsigned int n = 0; n < 100000 && equal && consistent; n++) {
		if (rand() % 100 == 0)
			ups += bring_up(BIT(VERSION_1) |
					(offered() & BIT(rand() % 6)));
		else if (rand() % 200 == 0)
			net_set_link(&net, rand() % 2);
		else
			random_store();
		equal = page_is_true();
		consistent = fake.running == mmio_running(&net.mmio) &&
			     fake.starts == fake.stops + fake.running &&
			     (rd(VIRTIO_MMIO_INTERRUPT_STATUS) & ~3u) == 0 &&
			     !(net.mmio.accepted & ~net.mmio.offered);
	}
	breaks = net.mmio.broken_count;
	CHECK(equal, "random stores: the page and the registers agree");
	CHECK(consistent, "the backend runs when the card says so, only then");
	CHECK(ups > 100 && breaks > 100, "%u times up, %u times broken", ups,
	      breaks);
	CHECK(bring_up(BIT(VERSION_1)), "after all that, a reset helps");
}

int main(void)
{
	if (memory_create(&mem, RAM) < 0)
		return 1;

	test_reset_values();
	test_widths();
	test_names();
	test_counts();
	test_offers();
	test_held_back();
	test_negotiation();
	test_selectors();
	test_frozen_features();
	test_rings();
	test_hole();
	test_queue_select();
	test_ready_queue();
	test_start_stop();
	test_notify();
	test_too_early();
	test_broken();
	test_said_once();
	test_start_fails();
	test_link();
	test_relayed();
	test_flaps();
	test_unplug();
	test_hostile();

	free(page);
	memory_destroy(&mem);
	return done();
}
