/* SPDX-License-Identifier: MIT */
/*
 * The user-space backend: where the bytes of a frame end up, however the driver
 * cut its buffers.  Turns, and the end of all things: net-user-turns.c.
 */
#include "tests/unit/net-user.h"

#define ROWS(a)		(sizeof(a) / sizeof((a)[0]))

static uint32_t ones[QUEUE_CHAIN_MAX];

static const char *name_of(uint64_t f)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s%s%s", f & MRG ? "MRG " : "",
		 f & EVENT_IDX ? "EVENT_IDX " : "",
		 f & INDIRECT ? "INDIRECT " : "");
	return name[0] ? name : "nothing ";
}

/* One frame in a chain of @n pieces, to the guest and back. */
static bool there_and_back(const uint32_t *cut, unsigned int n,
			   unsigned int seq)
{
	bool right = true;
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += cut[i];
	post(NET_RX, cut, n);
	kick(NET_RX);
	right &= idle() && network_sends(len, seq) && idle();
	right &= driver_gets(len, seq, 1);
	right &= called(NET_RX);

	driver_sends(cut, n, seq);
	kick(NET_TX);
	right &= idle() && network_gets(len, seq);
	right &= returned(NET_TX) == 1 && next_used(NET_TX)->len == 0;
	right &= called(NET_TX);
	return right;
}

static void test_cuts(uint64_t accepted)
{
	static const uint32_t sizes[] = { 26, 60, 1526, 4096, FRAME_MAX };
	bool right = true, single = true;
	unsigned int seq = 0;

	begin(1024, accepted);
	must(net_start() == 0);
	for (unsigned int s = 0; s < ROWS(sizes); s++)
		for (unsigned int at = 1; at <= 14; at++) {
			uint32_t cut[] = { at, sizes[s] - at };

			right &= there_and_back(cut, 2, seq++);
		}
	for (unsigned int n = HEADER; n <= 100; n++)
		single &= there_and_back(ones, n, seq++);
	CHECK(right, "%s: the header cut at each place", name_of(accepted));
	CHECK(single, "%s: each byte by itself", name_of(accepted));
	CHECK(card.rx_dropped == 0 && card.tx_refused == 0,
	      "%s: nothing was lost", name_of(accepted));
	end();
}

/*
 * ---- frames in several buffers ----
 */

static void test_merge(uint64_t accepted)
{
	bool right = true;
	unsigned int seq = 0;

	begin(2048, MRG | accepted);
	must(net_start() == 0);
	for (unsigned int i = 0; i < 300; i++)
		post_one(NET_RX, 50);
	for (uint32_t len = 26; len <= 126; len++) {
		right &= network_sends(len, seq) && idle();
		right &= driver_gets(len, seq++, (len + 49) / 50);
		right &= returned(NET_RX) == 0;
	}
	CHECK(right, "one buffer, exactly two, two and a byte, ...");
	end();

	begin(2048, MRG | accepted);
	must(net_start() == 0);
	for (unsigned int i = 0; i < 100; i++)
		post_one(NET_RX, 1);
	CHECK(network_sends(40, 1) && idle() && driver_gets(40, 1, 40) &&
	      network_sends(60, 2) && idle() && driver_gets(60, 2, 60),
	      "buffers of 1 byte");
	end();

	begin(2048, MRG | accepted);
	must(net_start() == 0);
	for (unsigned int i = 0; i < 100; i++)
		post_one(NET_RX, 1526);
	CHECK(network_sends(FRAME_MAX, 1) && idle() &&
	      driver_gets(FRAME_MAX, 1, (FRAME_MAX + 1525) / 1526) &&
	      network_sends(60, 2) && idle() && driver_gets(60, 2, 1),
	      "the largest frame, and one behind it");
	end();
}

/* A frame waits for buffers, and the next one for that frame. */
static void test_spill(uint64_t accepted)
{
	begin(256, MRG | accepted);
	must(net_start() == 0);
	post_one(NET_RX, 100);
	post_one(NET_RX, 100);
	must(network_sends(501, 1) && network_sends(60, 2));
	CHECK(idle() && returned(NET_RX) == 0, "two of six buffers: it waits");
	for (unsigned int i = 0; i < 3; i++) {
		post_one(NET_RX, 100);
		kick(NET_RX);
		must(idle());
	}
	CHECK(returned(NET_RX) == 0 && !called(NET_RX), "five: it waits");
	post_one(NET_RX, 100);
	kick(NET_RX);
	CHECK(idle() && driver_gets(501, 1, 6) && called(NET_RX), "six: there");
	CHECK(returned(NET_RX) == 0, "the next one has none yet");
	post_one(NET_RX, 100);
	kick(NET_RX);
	CHECK(idle() && driver_gets(60, 2, 1) && called(NET_RX),
	      "and is next");
	CHECK(card.rx_dropped == 0, "none was dropped");

	/* Byte by byte, header and all. */
	must(network_sends(30, 3));
	for (unsigned int i = 0; i < 30; i++) {
		must(idle() && returned(NET_RX) == 0);
		post_one(NET_RX, 1);
		kick(NET_RX);
	}
	CHECK(idle() && driver_gets(30, 3, 30), "one byte at a time");

	post_one(NET_RX, 100);
	kick(NET_RX);
	must(network_sends(200, 4) && network_sends(100, 5) && idle());
	net_stop();
	must(net_start() == 0);
	CHECK(idle() && driver_gets(100, 5, 1) && returned(NET_RX) == 0,
	      "stopped half way: that frame is lost, its buffer is not");
	end();
}

/*
 * ---- frames that will never fit ----
 */

/* Both are lost, the third is not, and in between the loop sleeps. */
static void drops(const char *what, size_t large, size_t fits,
		  uint16_t buffers)
{
	unsigned int steps;

	must(net_start() == 0);
	must(network_sends(large, 1) && network_sends(large, 2));
	steps = settle();
	CHECK(steps < 20 && card.rx_dropped == 2 && returned(NET_RX) == 0,
	      "%s: dropped, and no more", what);
	if (fits)
		CHECK(network_sends(fits, 3) && idle() &&
		      driver_gets(fits, 3, buffers), "what fits, comes");
	end();
}

static void test_too_large(void)
{
	begin(256, 0);
	post_one(NET_RX, 100);
	post_one(NET_RX, 1000);
	drops("larger than its one buffer", 101, 0, 0);

	begin(256, INDIRECT);
	post(NET_RX, ones, QUEUE_CHAIN_MAX);
	drops("larger than 1,024 buffers", QUEUE_CHAIN_MAX + 1, 0, 0);

	begin(4, MRG);
	for (unsigned int i = 0; i < 4; i++)
		post_one(NET_RX, 10);
	drops("larger than the ring", 41, 40, 4);

	begin(2048, MRG);
	for (unsigned int i = 0; i < 2048; i++)
		post_one(NET_RX, 1);
	drops("in more buffers than readv takes", 1025, 1024, 1024);

	begin(8, MRG | INDIRECT);
	post(NET_RX, ones, 600);
	post(NET_RX, ones, 500);
	drops("more in one chain than readv takes", 601, 600, 1);

	begin(2048, MRG);
	for (unsigned int i = 0; i < 1100; i++)
		post_one(NET_RX, 0);
	drops("in buffers of no bytes", 26, 0, 0);
}

/* A frame without MRG_RXBUF is nothing to the buffers behind its own. */
static void test_neighbour(void)
{
	uint8_t none;

	begin(256, 0);
	must(net_start() == 0);
	post_one(NET_RX, 100);
	post_one(NET_RX, 1000);
	must(network_sends(500, 1) && idle());
	CHECK(card.rx_dropped == 1 && walk(NET_RX, 1, &none, 0, false),
	      "the next buffer is not touched");
	CHECK(network_sends(100, 2) && idle() && driver_gets(100, 2, 1) &&
	      network_sends(1000, 3) && idle() && driver_gets(1000, 3, 1),
	      "what fits, comes");
	end();
}

/* Buffers are held ahead of time, so what is held moves through the window. */
static void test_window_moves(void)
{
	static const uint32_t whole[] = { 100 }, halves[] = { 50, 50 };
	bool right;

	for (unsigned int pieces = 1; pieces <= 2; pieces++) {
		/* More than is left behind where the small ones were. */
		uint32_t large = pieces == 1 ? 60000 : 50000;

		right = true;
		begin(2048, MRG);
		must(net_start() == 0);
		for (unsigned int i = 0; i < 2000 / pieces; i++)
			post(NET_RX, pieces == 1 ? whole : halves, pieces);
		for (unsigned int i = 0; i < 450; i++)
			right &= network_sends(80, i) && idle() &&
				 driver_gets(80, i, 1);
		right &= network_sends(large, 451) && idle() &&
			 driver_gets(large, 451, large / 100);
		CHECK(right && card.rx_dropped == 0,
		      "450 small frames and then a large one, %u each", pieces);
		end();
	}
}

/* As many buffers as readv(2) takes leave no room to see that there is more. */
static void test_just_fits(void)
{
	begin(256, INDIRECT);
	must(net_start() == 0);
	post(NET_RX, ones, QUEUE_CHAIN_MAX);
	kick(NET_RX);
	CHECK(idle() && network_sends(QUEUE_CHAIN_MAX, 1) && idle() &&
	      driver_gets(QUEUE_CHAIN_MAX, 1, 1), "1,024 bytes into 1,024");
	driver_sends(ones, QUEUE_CHAIN_MAX, 2);
	kick(NET_TX);
	CHECK(idle() && network_gets(QUEUE_CHAIN_MAX, 2), "and out of them");
	end();
}

/*
 * ---- the tap ----
 */

static void test_offloads(void)
{
	begin(16, FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
		  FEATURE(VIRTIO_NET_F_GUEST_TSO4));
	must(net_start() == 0);
	CHECK(seen.header == 12, "a header of 12 bytes");
	CHECK(seen.offload == (TUN_F_CSUM | TUN_F_TSO4),
	      "offloads as the driver accepted them");
	net_stop();
	CHECK(seen.offload == 0, "and off when stopped");
	ioctl_error = EIO;
	CHECK(net_start() == -EIO, "a tap that says no");
	must(network_sends(60, 1));
	eventfd_write(kick_fd[NET_RX], 1);
	CHECK(!next_event() && !card.running, "nothing runs after that");
	ioctl_error = 0;
	end();
}

static const struct {
	const char *what;
	int error;
} refusals[] = {
	{ "a header that makes no sense",	EINVAL },
	{ "an interface that is down",		EIO },
	{ "no memory",				ENOMEM },
	{ "a frame too large",			EMSGSIZE },
};

/* What the tap cannot pass on is lost; the frame behind it is not. */
static void test_refusals(void)
{
	const uint32_t cut[] = { HEADER, 60 };

	for (unsigned int i = 0; i < ROWS(refusals); i++) {
		begin(16, EVENT_IDX);
		must(net_start() == 0);
		must(idle());
		io_error = refusals[i].error;
		driver_sends(cut, 2, 1);
		driver_sends(cut, 2, 2);
		kick(NET_TX);
		must(idle());
		recv(peer, &(char) { 0 }, 1, 0);	/* the stage sent it */
		CHECK(network_gets(72, 2) && returned(NET_TX) == 2 &&
		      card.tx_refused == 1 && seen.failed == 0,
		      "from the guest: %s", refusals[i].what);
		post_one(NET_RX, 100);
		kick(NET_RX);
		must(idle());
		io_error = refusals[i].error;
		must(network_sends(60, 3) && network_sends(61, 4) && idle());
		CHECK(driver_gets(61, 4, 1) && card.rx_dropped == 1 &&
		      seen.failed == 0,
		      "to the guest: %s", refusals[i].what);
		end();
	}
}

int main(void)
{
	for (unsigned int i = 0; i < QUEUE_CHAIN_MAX; i++)
		ones[i] = 1;
	for (unsigned int i = 0; i < 8; i++)
		test_cuts((i & 1 ? MRG : 0) | (i & 2 ? EVENT_IDX : 0) |
			  (i & 4 ? INDIRECT : 0));
	for (unsigned int i = 0; i < 2; i++) {
		test_merge(i ? EVENT_IDX | INDIRECT : 0);
		test_spill(i ? EVENT_IDX | INDIRECT : 0);
	}
	test_too_large();
	test_neighbour();
	test_window_moves();
	test_just_fits();
	test_offloads();
	test_refusals();
	return done();
}
