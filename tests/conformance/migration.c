/* SPDX-License-Identifier: MIT */
/*
 * D8: a guest that moves, which is what the log is for.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/iommu.h"
#include "tests/conformance/log.h"

#define MOVE_FRAMES	200U
#define MOVE_BUFFER	2048U

/* What the two hosts say to each other: pages, and then this. */
struct state {
	uint16_t base[2], next_avail[2], last_used[2];
	uint32_t received;		/* the next frame to come in */
	uint32_t popped;		/* the next that the driver looks at */
};

#define NO_MORE_PAGES	(~0ULL)

static void put_all(int fd, const void *p, size_t n)
{
	REQUIRE(send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n, "to the other "
		"host: %s", strerror(errno));
}

static void get_all(int fd, void *p, size_t n)
{
	REQUIRE(recv(fd, p, n, MSG_WAITALL) == (ssize_t)n, "from the other "
		"host: %s", strerror(errno));
}

static void put_page(struct rig *r, int fd, uint64_t page)
{
	uint64_t gpa = page * PAGE;

	put_all(fd, &gpa, sizeof(gpa));
	put_all(fd, rig_ptr(r, gpa), PAGE);
}

static unsigned int move_len(uint32_t seq)
{
	return 60 + seq * 131 % 1400;
}

static void check_next(struct rig *r, uint32_t seq)
{
	uint32_t id, len;

	REQUIRE(ring_pop(&r->ring[RX], &id, &len), "frame %u is not there",
		seq);
	REQUIRE(id < r->ring[RX].v.num, "used descriptor %u", id);
	EXPECT(len == r->hdr_len + move_len(seq), "frame %u: %u bytes used",
	       seq, len);
	frame_check((uint8_t *)rig_ptr(r, rig_buffer(r, RX, id)) + r->hdr_len,
		    move_len(seq), seq);
}

static void send_in(struct rig *r, uint32_t seq)
{
	uint8_t frame[MOVE_BUFFER];

	frame_fill(frame, move_len(seq), seq);
	wire_send(r->wire, frame, move_len(seq));
}

/* What comes out of TX; frames from @next on, and in order. */
static uint32_t take_sent(struct rig *r, uint32_t next, uint32_t end,
			  unsigned int ms)
{
	uint8_t frame[MOVE_BUFFER];
	int n;

	while (next < end &&
	       (n = wire_recv(r->wire, frame, sizeof(frame), ms)) >= 0) {
		REQUIRE(n == (int)move_len(next), "TX: %d bytes, not the %u of "
			"frame %u", n, move_len(next), next);
		REQUIRE(frame_check(frame, n, next), "TX out of order");
		next++;
	}
	return next;
}

/* The host that the guest moves to, in a network namespace of its own. */
__attribute__((noreturn)) static void destination(int fd)
{
	struct state s;
	struct rig r;
	uint64_t gpa;
	uint32_t seq;

	own_network();
	rig_make(&r, MODERN | EVENT_IDX, 256);
	for (;;) {
		get_all(fd, &gpa, sizeof(gpa));
		if (gpa == NO_MORE_PAGES)
			break;
		get_all(fd, rig_ptr(&r, gpa), PAGE);
	}
	get_all(fd, &s, sizeof(s));
	for (unsigned int i = 0; i < 2; i++) {
		r.ring[i].base = s.base[i];
		r.ring[i].next_avail = s.next_avail[i];
		r.ring[i].last_used = s.last_used[i];
	}
	rig_start(&r);
	/* What the old host knew of events is lost: tell it of everything. */
	ring_kick(&r.ring[RX]);
	ring_kick(&r.ring[TX]);

	/* What was received there and only the log knows of. */
	EXPECT(ring_used(&r.ring[RX]) == s.received - s.popped,
	       "%u frames to look at, not %u", ring_used(&r.ring[RX]),
	       s.received - s.popped);
	for (seq = s.popped; seq < s.received; seq++)
		check_next(&r, seq);
	/* What had been offered there and was not sent. */
	seq = take_sent(&r, s.base[TX], MOVE_FRAMES, PATIENCE);
	EXPECT(seq == MOVE_FRAMES, "TX: went on to frame %u of %u", seq,
	       MOVE_FRAMES);
	/* And on, into buffers that were offered there. */
	for (seq = s.received; seq < s.received + 20; seq++) {
		send_in(&r, seq);
		REQUIRE(ring_wait(&r.ring[RX], 1, PATIENCE),
			"RX: frame %u did not come", seq);
		check_next(&r, seq);
	}
	rig_stop(&r);
	_exit(0);
}

/* The host that it moves from. */
struct source {
	struct rig r;
	int to;
	bool stopped;			/* the guest, and vhost with it */
	uint32_t in, out;		/* the next frames each way */
};

/* The next frame in, and the next out, with the guest still on this host. */
static void one_more(struct source *s)
{
	struct ring *tx = &s->r.ring[TX];

	send_in(&s->r, s->in++);
	tx->next_avail++;		/* written long ago */
	ring_kick(tx);
	s->out = take_sent(&s->r, s->out, MOVE_FRAMES, 0);
}

static void send_set(struct source *s, const uint8_t *set)
{
	unsigned int sent = 0;

	for (uint64_t p = 0; p < RIG_MEMORY / PAGE; p++) {
		if (!set[p])
			continue;
		put_page(&s->r, s->to, p);
		if (!s->stopped && sent++ % 16 == 0 && s->in < MOVE_FRAMES / 2)
			one_more(s);
	}
}

static void send_dirty(struct source *s, struct log *log)
{
	static uint8_t dirty[RIG_MEMORY / PAGE];
	struct log now;

	log_make(&now, RIG_MEMORY);
	log_harvest(log, &now);
	for (uint64_t p = 0; p < RIG_MEMORY / PAGE; p++)
		dirty[p] = logged(&now, p);
	log_free(&now);
	send_set(s, dirty);
}

/*
 * D8: a guest moves from one process, vhost and tap to another while frames go
 * both ways: first all pages, then thrice those in the log, then it stops, the
 * rest of the log and the two bases.  On the other side no frame is lost, none
 * comes twice and none has old bytes, neither of those received, which nobody
 * had looked at yet, nor of those to be sent.  Pages that the driver writes are
 * sent as KVM's log would have them sent.  Any kernel.
 */
void migration(void)
{
	static uint8_t all[RIG_MEMORY / PAGE];
	static struct source src;
	struct rig *r = &src.r;
	struct ring *rx = &r->ring[RX], *tx = &r->ring[TX];
	uint64_t no_more = NO_MORE_PAGES;
	struct state s;
	struct log log;
	uint32_t popped;
	int pair[2], status;
	pid_t pid;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0,
		"socketpair: %s", strerror(errno));
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(pair[0]);
		destination(pair[1]);
	}
	close(pair[1]);
	src.to = pair[0];

	rig_make(r, MODERN | EVENT_IDX, 256);
	log_make(&log, RIG_MEMORY);
	mark(all, PAGE, r->slots - PAGE);
	for (unsigned int i = 0; i < MOVE_FRAMES; i++) {
		rig_offer_rx(r, MOVE_BUFFER);
		mark(all, rig_buffer(r, RX, i), MOVE_BUFFER);
		rig_offer_tx(r, move_len(i), i);
		mark(all, rig_buffer(r, TX, i), MOVE_BUFFER);
	}
	tx->next_avail = 0;	/* written, but published one by one */
	ring_publish(rx);
	rig_start(r);
	ring_kick(rx);
	for (unsigned int i = 0; i < 10; i++)
		one_more(&src);
	REQUIRE(ring_wait(rx, src.in, PATIENCE), "RX: nothing came");
	for (popped = 0; popped < 5; popped++)
		check_next(r, popped);

	log_on(r, &log);
	send_set(&src, all);
	for (unsigned int i = 0; i < 3; i++)
		send_dirty(&src, &log);
	/* Many at once, which nobody looks at on this host. */
	for (unsigned int i = 0; i < 40; i++)
		send_in(r, src.in++);
	REQUIRE(ring_wait(rx, src.in - popped, PATIENCE), "RX: %u of %u "
		"came", ring_used(rx), src.in - popped);
	/* The last 50 are there to see, and nobody was told of them. */
	tx->next_avail = MOVE_FRAMES - 50;
	ring_kick(tx);
	REQUIRE(ring_wait(tx, MOVE_FRAMES - 50, PATIENCE),
		"TX: used %u", ring_used(tx));
	tx->next_avail = MOVE_FRAMES;
	ring_publish(tx);
	rig_stop(r);
	src.stopped = true;
	send_dirty(&src, &log);
	/* The driver's own, as KVM's log has them. */
	for (unsigned int i = 0; i < 2; i++)
		put_page(r, src.to, rig_gpa(r, r->ring[i].v.avail) / PAGE);

	src.out = take_sent(r, src.out, tx->base, PATIENCE);
	EXPECT(src.out == tx->base &&
	       take_sent(r, src.out, MOVE_FRAMES, 100) == src.out,
	       "TX: %u frames came out, and the base is %u", src.out, tx->base);
	note("%u frames were received and %u of %u sent before the move",
	     src.in, src.out, MOVE_FRAMES);
	put_all(src.to, &no_more, sizeof(no_more));
	s = (struct state) { .received = src.in, .popped = popped };
	for (unsigned int i = 0; i < 2; i++) {
		s.base[i] = r->ring[i].base;
		s.next_avail[i] = r->ring[i].next_avail;
		s.last_used[i] = r->ring[i].last_used;
	}
	s.last_used[TX] = tx->v.used->idx;
	put_all(src.to, &s, sizeof(s));
	REQUIRE(waitpid(pid, &status, 0) == pid && status == 0,
		"the other host ended with %#x", status);
	rig_free(r);
}
