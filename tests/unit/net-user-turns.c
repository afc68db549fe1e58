/* SPDX-License-Identifier: MIT */
/*
 * The user-space backend: whose turn it is, when nobody's, and that nothing is
 * lost, doubled or touched when it stops, whether in order or on a broken ring.
 */
#include "tests/unit/net-user.h"

#define ROWS(a)		(sizeof(a) / sizeof((a)[0]))
#define TURN		64		/* frames at most, as net-user.c has */
#define MANY		250		/* frames that a socket holds */

static const uint32_t cut[] = { HEADER, 60 };
#define SIZE		(HEADER + 60)

/*
 * ---- nothing to do ----
 */

/* Full, it is left alone, and what is full is found out once. */
static void test_tap_full(uint64_t accepted)
{
	unsigned int got = 0, sent = 0, writes, rounds = 0;
	bool order = true, slept = true;

	begin(1024, accepted);
	setsockopt(tap.fd, SOL_SOCKET, SO_SNDBUF, &(int) { 8192 }, sizeof(int));
	must(net_start() == 0);
	while (sent < 400)
		driver_sends(cut, 2, sent++);
	kick(NET_TX);
	CHECK(idle() && seen.full == 1 && returned(NET_TX) < 100,
	      "the tap is full: the loop sleeps");
	CHECK(accepted & EVENT_IDX ||
	      side[NET_TX].ring.used->flags == VRING_USED_F_NO_NOTIFY,
	      "and needs no kick");
	writes = seen.writev;
	for (unsigned int i = 0; i < 10; i++) {
		driver_sends(cut, 2, sent++);
		eventfd_write(kick_fd[NET_TX], 1);
		slept &= settle() == 1;
	}
	CHECK(slept && seen.writev == writes, "a kick does not change that");
	while (got < sent && rounds++ < SPINS) {
		while (network_gets(SIZE, got))
			got++;
		slept &= idle();
	}
	CHECK(got == sent && slept, "all %u frames, in order", sent);
	for (unsigned int i = 0; i < sent && returned(NET_TX); i++)
		order &= next_used(NET_TX)->len == 0;
	CHECK(order && returned(NET_TX) == 0 &&
	      side[NET_TX].ring.used->idx == sent, "each given back once");
	CHECK(seen.writev == sent + seen.full && seen.full <= rounds,
	      "one try for each, and one for each time it was full");
	end();
}

static void test_no_buffers(uint64_t accepted)
{
	begin(16, MRG | accepted);
	must(net_start() == 0);
	for (unsigned int i = 0; i < 5; i++)
		must(network_sends(SIZE, i));
	CHECK(idle() && seen.readv == 0, "no buffers: the tap is left alone");
	CHECK(!next_event(), "and the loop sleeps");
	for (unsigned int i = 0; i < 5; i++) {
		post_one(NET_RX, 100);
		kick(NET_RX);
		CHECK(idle() && driver_gets(SIZE, i, 1) &&
		      seen.readv == i + 1, "one buffer, one frame");
	}
	post_one(NET_RX, 100);
	kick(NET_RX);
	CHECK(idle() && seen.readv == 6, "no frame: found out once");
	CHECK(!called(NET_TX), "and TX has heard nothing of it");
	end();
}

/* Interrupts are as the driver wants them, kicks as the device. */
static void test_quiet(void)
{
	begin(16, MRG);
	must(net_start() == 0);
	side[NET_RX].ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	side[NET_TX].ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	post_one(NET_RX, 100);
	kick(NET_RX);
	must(network_sends(SIZE, 1));
	driver_sends(cut, 2, 1);
	kick(NET_TX);
	CHECK(idle() && returned(NET_RX) == 1 && returned(NET_TX) == 1 &&
	      !called(NET_RX) && !called(NET_TX), "NO_INTERRUPT: none");
	CHECK(!(side[NET_TX].ring.used->flags & VRING_USED_F_NO_NOTIFY),
	      "TX is empty: a kick is wanted");
	end();

	begin(64, MRG | EVENT_IDX);
	must(net_start() == 0);
	for (unsigned int i = 0; i < 20; i++)
		driver_sends(cut, 2, i);
	vring_used_event(&side[NET_TX].ring) = 30;
	kick(NET_TX);
	CHECK(idle() && returned(NET_TX) == 20 && called(NET_TX),
	      "EVENT_IDX: the first time, always");
	for (unsigned int i = 20; i < 30; i++)
		driver_sends(cut, 2, i);
	kick(NET_TX);
	CHECK(idle() && returned(NET_TX) == 30 && !called(NET_TX),
	      "then not before the entry that was asked for");
	driver_sends(cut, 2, 30);
	kick(NET_TX);
	CHECK(idle() && called(NET_TX), "and with it");
	end();
}

/*
 * ---- much to do ----
 */

/* @n frames in each direction, and room for those to come. */
static void load(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		post_one(NET_RX, 100);
		driver_sends(cut, 2, i);
		must(network_sends(SIZE, i));
	}
}

static void test_turns(uint64_t accepted)
{
	unsigned int rx = 0, tx = 0, rx_row = 0, tx_row = 0;
	bool bounded = true, fair = true;

	begin(1024, accepted);
	must(net_start() == 0);
	load(MANY);
	while (step()) {
		unsigned int more_rx = returned(NET_RX) - rx;
		unsigned int more_tx = returned(NET_TX) - tx;

		rx += more_rx;
		tx += more_tx;
		bounded &= more_rx <= TURN && more_tx <= TURN;
		rx_row = more_rx ? rx_row + 1 : 0;
		tx_row = more_tx ? tx_row + 1 : 0;
		/* RX has two reasons to run: more to do, and the tap. */
		fair &= tx == MANY || rx_row <= 2;
		fair &= rx == MANY || tx_row <= 1;
	}
	CHECK(rx == MANY && tx == MANY, "%u frames both ways", MANY);
	CHECK(bounded, "at most 64 in a turn");
	CHECK(fair, "and then it is another's");
	end();
}

/* All that was sent is there once and in order, in both directions. */
static bool complete(unsigned int n)
{
	bool right = true;

	for (unsigned int i = 0; i < n; i++)
		right &= network_gets(SIZE, i) && driver_gets(SIZE, i, 1);
	right &= side[NET_TX].ring.used->idx == n && returned(NET_RX) == 0;
	for (unsigned int i = 0; i < n; i++)	/* two descriptors each */
		right &= next_used(NET_TX)->id ==
			 i * (features & INDIRECT ? 1 : 2) %
			 side[NET_TX].ring.num;
	return right && recv(peer, &(char) { 0 }, 1, 0) < 0;
}

/*
 * Stopped after any number of events, and started again where it was: nothing
 * is missing, nothing comes twice.
 */
static void test_stop_anywhere(uint64_t accepted)
{
	bool right = true, bases = true, last = false;
	unsigned int stops;

	for (stops = 0; !last && stops < SPINS; stops++) {
		begin(1024, accepted);
		must(net_start() == 0);
		load(MANY);
		for (unsigned int i = 0; i < stops; i++)
			last |= !step();
		net_stop();
		for (unsigned int i = 0; i < NET_RINGS; i++)
			bases &= place[i].base == side[i].ring.used->idx;
		must(net_start() == 0);
		right &= idle() && complete(MANY);
		end();
	}
	CHECK(right && stops > 2 * MANY / TURN,
	      "stopped after any of %u events, nothing is lost", stops);
	CHECK(bases, "what was taken and not used is there again");
}

/* The tap is full when it stops: what it did not take is next. */
static void test_stop_full(void)
{
	unsigned int got = 0;

	begin(1024, 0);
	setsockopt(tap.fd, SOL_SOCKET, SO_SNDBUF, &(int) { 8192 }, sizeof(int));
	must(net_start() == 0);
	for (unsigned int i = 0; i < 100; i++)
		driver_sends(cut, 2, i);
	must(idle() && seen.full);
	net_stop();
	CHECK(place[NET_TX].base == side[NET_TX].ring.used->idx,
	      "the frame that found no room is not counted");
	while (network_gets(SIZE, got))
		got++;
	CHECK(!next_event(), "the tap has room, and nobody waits for that");
	must(net_start() == 0);
	for (unsigned int i = 0; i < 100 && idle(); i++)
		while (network_gets(SIZE, got))
			got++;
	CHECK(got == 100, "after a start all of them come");
	end();
}

/*
 * An event that the main loop had in hand when a vCPU stopped the card comes
 * when the memory is no longer ours.
 */
static void test_stale(void)
{
	struct watch *stale;

	begin(16, MRG);
	must(net_start() == 0);
	post_one(NET_RX, 100);
	must(idle() && seen.readv == 1);	/* now the tap is watched */
	must(network_sends(SIZE, 1));
	eventfd_write(kick_fd[NET_RX], 1);
	stale = next_event();
	must(stale);
	net_stop();
	must(mprotect(guest_ptr(&mem, 0, RAM), RAM, PROT_NONE) == 0);
	CHECK(!next_event(), "stopped: no event is left");
	stale->ready(stale->ctx);
	card.kick[NET_RX].ready(card.kick[NET_RX].ctx);
	card.kick[NET_TX].ready(card.kick[NET_TX].ctx);
	card.tap_in.ready(card.tap_in.ctx);
	card.tap_out.ready(card.tap_out.ctx);
	CHECK(seen.readv == 1 && seen.writev == 0, "an old one does nothing");
	CHECK(!next_event(), "nor does it start anything");
	must(mprotect(guest_ptr(&mem, 0, RAM), RAM,
		      PROT_READ | PROT_WRITE) == 0);
	must(net_start() == 0);
	CHECK(idle() && driver_gets(SIZE, 1, 1), "the next start has it all");
	end();
}

/*
 * ---- a ring that is broken, a tap that is gone ----
 */

static const struct {
	const char *what;
	unsigned int index;
	uint16_t head;			/* of what comes behind 3 good ones */
	uint16_t flags;			/* of that descriptor */
	uint16_t idx;			/* how far avail idx then goes */
	const char *why;
} broken[] = {
	{ "a buffer to write", NET_TX, 9, VRING_DESC_F_WRITE, 1, "to write" },
	{ "a head outside", NET_TX, 16, 0, 1, "leads out" },
	{ "a loop", NET_TX, 9, VRING_DESC_F_NEXT, 1, "loop" },
	{ "an index too far", NET_TX, 9, 0, 17, "further ahead" },
	{ "a buffer to read", NET_RX, 9, 0, 1, "to read" },
	{ "a head outside", NET_RX, 16, VRING_DESC_F_WRITE, 1, "leads out" },
	{ "a loop", NET_RX, 9, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1,
	  "loop" },
	{ "an index too far", NET_RX, 9, VRING_DESC_F_WRITE, 17,
	  "further ahead" },
};

static void ignore_failure(void *ctx, unsigned int index, const char *why)
{
	(void)ctx;
	(void)index;
	(void)why;
	seen.failed++;
}

/* Break ring @index as row @i says. */
static void break_ring(unsigned int i)
{
	struct vring *r = &side[broken[i].index].ring;

	r->desc[9] = (struct vring_desc) {
		DATA, 16, broken[i].flags, 9,
	};
	r->avail->ring[r->avail->idx % r->num] = broken[i].head;
	r->avail->idx += broken[i].idx;
	eventfd_write(kick_fd[broken[i].index], 1);
}

static void test_broken(void)
{
	for (unsigned int i = 0; i < ROWS(broken); i++) {
		bool tx = broken[i].index == NET_TX;
		unsigned int index = broken[i].index;

		begin(16, MRG);
		must(net_start() == 0);
		must(idle());
		/* TX: all in one turn.  RX: buffers are taken ahead of time. */
		for (unsigned int n = 0; n < 3; n++) {
			if (tx)
				driver_sends(cut, 2, n);
			else
				post_one(NET_RX, 100);
		}
		for (unsigned int n = 0; n < 3 && !tx; n++)
			must(network_sends(SIZE, n));
		if (!tx) {
			kick(NET_RX);
			must(idle() && called(NET_RX));
		}
		if (broken[i].idx > 1)
			must(idle());
		break_ring(i);
		must(idle());
		CHECK(seen.failed == 1 && seen.index == index && seen.why &&
		      strstr(seen.why, broken[i].why),
		      "%s: %s: said once", tx ? "TX" : "RX", broken[i].what);
		if (broken[i].idx == 1)
			CHECK(returned(index) == 3 && called(index) == tx &&
			      place[index].base == 3,
			      "those before it were given back, it was not");
		end();

		begin(16, MRG);
		card.failed = ignore_failure;
		must(net_start() == 0);
		must(idle());
		break_ring(i);
		CHECK(settle() == 1 && seen.failed == 1, "one turn, one call");
		eventfd_write(kick_fd[index], 1);
		CHECK(settle() == 1 && seen.failed == 2, "the next one, again");
		end();
	}
}

static void test_gone(void)
{
	begin(16, MRG);
	must(net_start() == 0);
	must(idle());
	driver_sends(cut, 2, 1);
	io_error = EBADFD;
	kick(NET_TX);
	CHECK(idle() && seen.failed == 1 && seen.index == NET_TX && !seen.why,
	      "the tap is gone when it is written");
	CHECK(place[NET_TX].base == 0 && returned(NET_TX) == 0,
	      "the frame was not sent, and is not given back");
	end();

	begin(16, MRG);
	must(net_start() == 0);
	post_one(NET_RX, 100);
	must(idle());
	io_error = EBADFD;
	must(network_sends(SIZE, 1));
	CHECK(idle() && seen.failed == 1 && seen.index == NET_RX && !seen.why,
	      "the tap is gone when it is read");
	CHECK(place[NET_RX].base == 0 && returned(NET_RX) == 0,
	      "the buffer is not used");
	end();
}

int main(void)
{
	static const uint64_t rings[] = { 0, EVENT_IDX, INDIRECT,
					  MRG | EVENT_IDX | INDIRECT };

	for (unsigned int i = 0; i < ROWS(rings); i++) {
		test_tap_full(rings[i]);
		test_no_buffers(rings[i]);
		test_turns(rings[i]);
		test_stop_anywhere(rings[i]);
	}
	test_quiet();
	test_stop_full();
	test_stale();
	test_broken();
	test_gone();
	return done();
}
