/* SPDX-License-Identifier: MIT */
/*
 * Lifecycle: what is left when a vhost, its owner or its tap ends, at any point
 * of its life and under load.  L9, a guest that reboots, needs a guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/if_tun.h>

#include "tests/conformance/amounts.h"
#include "tests/conformance/links.h"
#include "tests/conformance/owner.h"
#include "vhost/vhost.h"

#define FEATURES	(FEATURE(VIRTIO_F_VERSION_1) | \
			 FEATURE(VIRTIO_NET_F_MRG_RXBUF))

/*
 * ---- L1: nothing leaks ----
 */

static void set_rx(struct rig *r) { rig_set_ring(r, RX); }
static void set_tx(struct rig *r) { rig_set_ring(r, TX); }

static void attach(struct rig *r, unsigned int index)
{
	int err = rig_backend(r, index, r->tap);

	REQUIRE(!err, "SET_BACKEND of ring %u: %s", index, strerror(-err));
}

static void attach_rx(struct rig *r) { attach(r, RX); }
static void attach_tx(struct rig *r) { attach(r, TX); }

static void frames(struct rig *r)
{
	REQUIRE(rig_send(r, 100, 1) && rig_receive(r, 100, 2), "no frames");
}

/* The log of every page, and what holds it while it is written. */
static void log_writes(struct rig *r)
{
	void *log = calloc(1, RIG_MEMORY / 4096 / 8);
	uint64_t base = (uintptr_t)log;
	int err = vhost_ioctl(r->vhost, VHOST_SET_LOG_BASE, &base);

	err = err ?: vhost_ioctl(r->vhost, VHOST_SET_LOG_FD, &r->ring[RX].err);
	err = err ?: vhost_set_features(r->vhost,
					r->features | FEATURE(VHOST_F_LOG_ALL));
	REQUIRE(!err, "logging: %s", strerror(-err));
	frames(r);
	err = vhost_set_features(r->vhost, r->features);
	REQUIRE(!err, "no more logging: %s", strerror(-err));
	free(log);
}

/* Entries in the IOTLB, and a message that nobody will have read. */
static void translate(struct rig *r)
{
	struct vhost_msg m = { .type = VHOST_IOTLB_MSG };
	int err = vhost_set_features(r->vhost, r->features |
				     FEATURE(VIRTIO_F_ACCESS_PLATFORM));

	REQUIRE(!err, "ACCESS_PLATFORM: %s", strerror(-err));
	for (unsigned int i = 0; i < 8; i++) {
		m.iotlb = (struct vhost_iotlb_msg) {
			.iova = 0x10000 * (i + 1), .size = 0x1000,
			.uaddr = (uintptr_t)r->mem.region[0].hva,
			.perm = VHOST_ACCESS_RW, .type = VHOST_IOTLB_UPDATE,
		};
		REQUIRE(write(r->vhost, &m, sizeof(m)) == sizeof(m),
			"UPDATE: %s", strerror(errno));
	}
	ring_kick(&r->ring[TX]);
}

/* rig_own() would look for the worker, each time. */
static void own(struct rig *r)
{
	int err = vhost_own(r->vhost);

	REQUIRE(!err, "SET_OWNER: %s", strerror(-err));
}

static void (*const step[])(struct rig *) = {
	own, rig_set_tables, set_rx, set_tx, attach_rx, attach_tx, frames,
	log_writes, translate,
};

#define STEPS (sizeof(step) / sizeof(step[0]))

/* A vhost's life, ended after its first @steps steps. */
static void short_life(struct rig *r, unsigned int steps)
{
	rig_rewind(r, 0);
	r->vhost = vhost_open();
	for (unsigned int i = 0; i < steps; i++)
		step[i](r);
	close(r->vhost);
	drain(r);
}

/* @lives of them, all of @steps, or with MIXED: half of them whole. */
#define MIXED	(STEPS + 1)
static void live_and_measure(struct rig *r, unsigned int lives,
			     unsigned int steps)
{
	static struct amounts a[ROUNDS + 1];

	amounts_take(&a[0]);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < lives; i++)
			short_life(r, steps != MIXED ? steps :
				      i % 2 ? STEPS : i / 2 % STEPS);
		amounts_take(&a[round + 1]);
	}
	amounts_check(a, lives);
	note("%u lives: kernel memory %+ld KiB, files %+ld", ROUNDS * lives,
	     a[ROUNDS].kilobytes - a[0].kilobytes,
	     a[ROUNDS].files - a[0].files);
}

/*
 * L1: a vhost is opened, set up as far as one step or another, and closed,
 * 10,000 times; the last steps are traffic, logging and an IOTLB.  There must
 * be no more kernel objects, memory, files or workers than before.  With less
 * than 1,000 lives those of different length are not counted apart, and a leak
 * is seen only if a whole life has it.  Any kernel.  Catches a missing put in
 * vhost_dev_cleanup(), vhost_net_release() or on the error paths of SET_OWNER.
 */
static void open_and_close(void)
{
	unsigned int lives = scaled(10000, 60) / ROUNDS;
	struct rig r;

	rig_prepare(&r, FEATURES, 256);
	close(r.vhost);
	/* The first lives fill caches. */
	for (unsigned int steps = 0; steps <= STEPS; steps++)
		short_life(&r, steps);
	if (lives < 1000 / ROUNDS)
		live_and_measure(&r, lives, MIXED);
	else
		for (unsigned int steps = 0; steps <= STEPS; steps++)
			live_and_measure(&r, lives / (STEPS + 1), steps);
	EXPECT(worker_of(getpid()) < 0, "a worker is left");
	r.vhost = -1;
	rig_free(&r);
}

/*
 * ---- L2, L3: the end of a vhost, and of its owner ----
 */

/* Every byte that a late frame could change. */
#define POISONED 1024U
static void poison_buffers(struct rig *r)
{
	for (unsigned int i = 0; i < r->ring[RX].v.num; i++)
		memset(rig_ptr(r, rig_buffer(r, RX, i)), 0xa5, POISONED);
}

static void check_poison(struct rig *r)
{
	for (unsigned int i = 0; i < r->ring[RX].v.num; i++) {
		const uint8_t *p = rig_ptr(r, rig_buffer(r, RX, i));
		unsigned int at = 0;

		while (at < POISONED && p[at] == 0xa5)
			at++;
		if (!EXPECT(at == POISONED, "buffer %u was written at %u "
			    "after close", i, at))
			return;
	}
}

/*
 * RX takes frames from its tap before it has buffers for them.  Those that it
 * still has at close() are back in the tap, in their order.
 */
static void close_returns_frames(struct rig *r)
{
	enum { SOME = 10, BYTES = 100 };
	uint8_t frame[256];

	for (unsigned int i = 0; i < SOME; i++) {
		frame_fill(frame, BYTES, i);
		wire_send(r->wire, frame, BYTES);
	}
	rig_offer_rx(r, 2048);
	ring_kick(&r->ring[RX]);
	REQUIRE(ring_wait(&r->ring[RX], 1, BOUND_MS), "RX: nothing arrives");
	rig_settle(r);		/* it has looked for a second buffer, too */
	close(r->vhost);
	r->vhost = -1;
	for (unsigned int i = 1; i < SOME; i++) {
		ssize_t n = read(r->tap, frame, sizeof(frame));

		if (!EXPECT(n == r->hdr_len + BYTES, "frame %u of %u is not "
			    "back in the tap: %zd bytes", i, SOME, n) ||
		    !frame_check(frame + r->hdr_len, BYTES, i))
			return;
	}
}

/*
 * L2: close() of a vhost while both its rings are busy.  It must return within
 * seconds, its worker must go soon, and neither used ring nor a buffer may
 * change after close(), although kicks and frames keep coming.  The tap must
 * serve the next vhost at once, and have back what RX had taken ahead.  Any
 * kernel.  Catches a release that does not stop or flush (vhost_net_release()).
 */
static void close_under_load(void)
{
	unsigned int times = scaled(200, 10);
	struct load load;
	struct rig r;

	rig_prepare(&r, FEATURES, 256);
	for (unsigned int i = 0; i < times; i++) {
		uint16_t used[2];
		unsigned int ms;
		uint64_t start;
		pid_t worker;

		if (i)
			r.vhost = vhost_open();
		rig_own(&r);
		rig_start(&r);
		worker = worker_pid(&r);
		load_start(&load, &r);
		usleep(rnd() % 3000);
		start = clock_ns();
		close(r.vhost);
		ms = (unsigned int)((clock_ns() - start) / 1000000);
		EXPECT(ms < BOUND_MS, "close() took %u ms", ms);
		poison_buffers(&r);
		for (unsigned int k = 0; k < 2; k++)
			used[k] = r.ring[k].v.used->idx;
		usleep(20000);
		load_stop(&load);
		for (unsigned int k = 0; k < 2; k++)
			EXPECT(r.ring[k].v.used->idx == used[k], "%s: used idx "
			       "went from %u to %u after close",
			       k ? "TX" : "RX", used[k], r.ring[k].v.used->idx);
		check_poison(&r);
		/* A task may end a little later than it stops working. */
		EXPECT(WITHIN(BOUND_MS, !thread_exists(worker)),
		       "its worker is still there");
		drain(&r);
		rig_rewind(&r, 0);
	}
	r.vhost = vhost_open();
	rig_own(&r);
	rig_start(&r);
	rig_alive(&r);
	close_returns_frames(&r);
	rig_free(&r);
}

/* Is the one queue of tap @name free for us?  Then it is ours, as @fd. */
static bool take_tap(const char *name, int *fd)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	*fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	REQUIRE(*fd >= 0, "/dev/net/tun: %s", strerror(errno));
	if (ioctl(*fd, TUNSETIFF, &ifr) == 0)
		return true;
	REQUIRE(errno == EBUSY, "TUNSETIFF: %s", strerror(errno));
	close(*fd);
	return false;
}

/*
 * L3: the owner of a busy vhost ends, by exit(2) and by SIGKILL.  It must end
 * within seconds, with it the worker, and its tap must be there for somebody
 * else.  Any kernel.  Catches a worker or a queue that outlives its owner:
 * vhost_task and SIGKILL (Linux 6.4 to 6.10).
 */
static void owner_ends_under_load(void)
{
	unsigned int times = scaled(60, 6);
	struct load load;
	int keep, status;
	struct rig r;

	for (unsigned int i = 0; i < times; i++) {
		int how = i % 2 ? SIGKILL : SIGUSR1, tap;
		pid_t pid, worker;

		rig_prepare(&r, FEATURES, 256);
		REQUIRE(ioctl(r.tap, TUNSETPERSIST, 1) == 0, "PERSIST: %s",
			strerror(errno));
		share_memory(&r);
		pid = owner_start(&r, NULL);
		worker = worker_pid(&r);
		/* From now on they are the owner's alone. */
		close(r.vhost);
		close(r.tap);
		load_start(&load, &r);
		usleep(rnd() % 3000);
		kill(pid, how);
		EXPECT(owner_ended(pid, &status), "%s: it does not end",
		       how == SIGKILL ? "SIGKILL" : "exit()");
		EXPECT(WITHIN(BOUND_MS, !thread_exists(worker)),
		       "%s: its worker does not end",
		       how == SIGKILL ? "SIGKILL" : "exit()");
		REQUIRE(WITHIN(BOUND_MS, take_tap(r.name, &tap)),
			"its tap stays busy");
		load_stop(&load);

		r.tap = tap;
		drain(&r);
		r.vhost = vhost_open();
		rig_own(&r);
		rig_rewind(&r, 0);
		rig_start(&r);
		rig_alive(&r);
		keep = ioctl(r.tap, TUNSETPERSIST, 0);
		EXPECT(keep == 0, "PERSIST: %s", strerror(errno));
		rig_free(&r);
	}
}

/*
 * ---- L4 to L6: the tap ----
 */

/*
 * L4: the tap's interface is deleted under load.  Every frame for it is then
 * used or an error, with ERR signalled; nothing may hang.  With the load gone
 * the worker must come to rest; both backends can be taken away, and with a new
 * tap the same vhost works.  Any kernel.  Catches a worker that polls a socket
 * in error for ever, and a reference to the interface that is never dropped
 * ("unregister_netdevice: waiting").
 */
static void delete_tap(void)
{
	struct load load;
	uint64_t before;
	struct rig r;
	int err;

	rig_make(&r, FEATURES, 256);
	rig_start(&r);
	load_start(&load, &r);
	err = link_delete(r.name);
	REQUIRE(!err, "deleting %s: %s", r.name, strerror(-err));
	EXPECT(link_index(r.name) == 0, "%s is still there", r.name);
	EXPECT(wait_readable(r.ring[TX].err, BOUND_MS),
	       "TX: no ERR, though the tap is gone");
	load_stop(&load);

	usleep(500000);
	before = worker_cpu(worker_pid(&r));
	sleep(1);
	before = worker_cpu(worker_pid(&r)) - before;
	note("without a tap the worker had %u ms of one second",
	     (unsigned int)(before / 1000000));
	EXPECT(before < 500000000, "the worker does not come to rest: %u ms "
	       "of a second", (unsigned int)(before / 1000000));

	rig_stop(&r);
	close(r.wire);
	close(r.tap);
	r.tap = tap_open(r.name, 0);
	r.wire = wire_open(r.name);
	rig_rewind(&r, 0);
	rig_start(&r);
	rig_alive(&r);
	rig_free(&r);
}

/* The tap drops frames until its carrier has been noticed. */
static bool frame_passes(struct rig *r)
{
	uint8_t frame[2048];
	uint32_t id, len;

	rig_offer_tx(r, 100, 1);
	ring_kick(&r->ring[TX]);
	REQUIRE(ring_wait(&r->ring[TX], 1, BOUND_MS), "TX: not used");
	ring_pop(&r->ring[TX], &id, &len);
	return wire_recv(r->wire, frame, sizeof(frame), 10) == 100;
}

/*
 * L5: the tap's interface goes down under load, and up again.  While it is down
 * frames from the guest are used and lost, and none comes in; SET_BACKEND(-1)
 * still returns.  Up again, everything that was offered gets used and frames
 * pass, without a new SET_BACKEND.  Any kernel.  Catches a queue that stays
 * asleep because its socket's wakeup came while the interface was down.
 */
static void tap_down_and_up(void)
{
	struct load load;
	struct rig r;

	rig_make(&r, FEATURES, 256);
	rig_start(&r);
	load_start(&load, &r);
	for (unsigned int i = 0; i < 3; i++) {
		if_up(r.name, false);
		usleep(100000);
		if_up(r.name, true);
		EXPECT(load_moves(&load, BOUND_MS), "no frames once it is up");
	}
	if_up(r.name, false);
	load_stop(&load);
	if_up(r.name, true);
	ring_kick(&r.ring[TX]);
	EXPECT(WITHIN(BOUND_MS, r.ring[TX].v.used->idx ==
				r.ring[TX].next_avail),
	       "TX: frames offered while it was down stay unused");

	/* Down and up without a word to vhost between. */
	rig_stop(&r);
	if_up(r.name, false);
	drain(&r);
	rig_rewind(&r, 0);
	rig_start(&r);
	if_up(r.name, true);
	EXPECT(WITHIN(BOUND_MS, frame_passes(&r)), "no frame gets out");
	drain(&r);
	rig_alive(&r);
	if_up(r.name, false);
	rig_stop(&r);
	rig_free(&r);
}

static void queue(int tap, short flag)
{
	struct ifreq ifr = { .ifr_flags = flag };

	REQUIRE(ioctl(tap, TUNSETQUEUE, &ifr) == 0, "TUNSETQUEUE %#x: %s",
		flag, strerror(errno));
}

/* Give @r another tap, multi-queue, of which it has the only queue so far. */
static void replace_tap(struct rig *r, const char *name)
{
	close(r->tap);
	close(r->wire);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->tap = tap_open(name, IFF_MULTI_QUEUE);
	r->wire = wire_open(name);
}

/* Does frame @seq, sent on the wire, not come into a ring that waits? */
static bool nothing_comes(struct rig *r)
{
	uint8_t frame[100];

	frame_fill(frame, sizeof(frame), 0xdead);
	wire_send(r->wire, frame, sizeof(frame));
	return !ring_wait(&r->ring[RX], 1, 200);
}

/*
 * L6: a queue of a multi-queue tap is detached and attached while vhost has it,
 * under load.  Detached, it gets no frame, but may still send; attached again,
 * it has both ways, without a new SET_BACKEND.  Any kernel.  Catches a ptr_ring
 * of the queue that vhost keeps using after it was freed or resized.
 */
static void detach_and_attach(void)
{
	struct load load;
	uint32_t id, len;
	struct rig r;

	rig_make(&r, FEATURES, 256);
	replace_tap(&r, "multi0");
	rig_start(&r);
	load_start(&load, &r);
	for (unsigned int i = 0; i < scaled(300, 10); i++) {
		queue(r.tap, IFF_DETACH_QUEUE);
		usleep(rnd() % 2000);
		queue(r.tap, IFF_ATTACH_QUEUE);
		usleep(rnd() % 2000);
	}
	EXPECT(load_moves(&load, BOUND_MS), "attached again, nothing moves");
	load_stop(&load);
	rig_stop(&r);
	drain(&r);
	rig_rewind(&r, 0);
	rig_start(&r);
	rig_alive(&r);

	rig_offer_rx(&r, 2048);
	ring_kick(&r.ring[RX]);
	queue(r.tap, IFF_DETACH_QUEUE);
	EXPECT(nothing_comes(&r), "a detached queue got a frame");
	EXPECT(ioctl(r.tap, TUNSETQUEUE, &(struct ifreq) {
			.ifr_flags = IFF_DETACH_QUEUE }) < 0 && errno == EINVAL,
	       "detached twice: %s", strerror(errno));
	queue(r.tap, IFF_ATTACH_QUEUE);
	rig_send(&r, 100, 7);
	/* The buffer from before is still the first in the ring. */
	EXPECT(!nothing_comes(&r), "attached again, no frame comes in");
	ring_pop(&r.ring[RX], &id, &len);
	rig_alive(&r);
	rig_free(&r);
}

/*
 * ---- L7: stop and restart ----
 */

#define L7_NUM	1024U
#define BURST	(L7_NUM / 2)

struct stream {
	uint32_t sent, arrived;		/* the next sequence numbers */
};

/* Take what came out of the wire: each frame once, and in order. */
static void check_wire(struct rig *r, struct stream *tx)
{
	uint8_t frame[2048];
	int n;

	while ((n = wire_recv(r->wire, frame, sizeof(frame), 0)) >= 0) {
		REQUIRE(n >= (int)FRAME_MIN, "TX: %d bytes came", n);
		REQUIRE(frame_seq(frame) == tx->arrived,
			"TX: frame %u came, not %u", frame_seq(frame),
			tx->arrived);
		frame_check(frame, n, tx->arrived++);
	}
}

static void check_rings(struct rig *r, struct stream *rx)
{
	uint32_t id, len;

	while (ring_pop(&r->ring[TX], &id, &len))
		;
	while (ring_pop(&r->ring[RX], &id, &len)) {
		const uint8_t *p = rig_ptr(r, rig_buffer(r, RX, id));

		REQUIRE(len >= r->hdr_len + FRAME_MIN, "RX: %u bytes", len);
		REQUIRE(frame_seq(p + r->hdr_len) == rx->arrived,
			"RX: frame %u came, not %u",
			frame_seq(p + r->hdr_len), rx->arrived);
		frame_check(p + r->hdr_len, len - r->hdr_len, rx->arrived++);
	}
}

static void offer_burst(struct rig *r, struct stream *tx, struct stream *rx)
{
	uint8_t frame[512];

	/* What is on its way stays less than ring, wire and tap can hold. */
	for (unsigned int i = rnd() % BURST;
	     i && tx->sent - tx->arrived < L7_NUM - 2; i--)
		rig_offer_tx(r, 60 + rnd() % 200, tx->sent++);
	for (unsigned int i = rnd() % BURST;
	     i && rx->sent - rx->arrived < 400; i--) {
		unsigned int len = 60 + rnd() % 200;

		rig_offer_rx(r, 512);
		frame_fill(frame, len, rx->sent++);
		wire_send(r->wire, frame, len);
	}
	ring_kick(&r->ring[TX]);
	ring_kick(&r->ring[RX]);
}

/*
 * Not to be preempted, where there is one CPU, by the worker that is kicked: it
 * would be through with its burst before anybody could stop it.
 */
static void first_in_line(bool first)
{
	const struct sched_param priority = { .sched_priority = first };

	REQUIRE(sched_setscheduler(0, first ? SCHED_FIFO : SCHED_OTHER,
				   &priority) == 0, "sched_setscheduler: %m");
}

/*
 * L7: both rings are stopped in the middle of bursts, and go on from the bases
 * that GET_VRING_BASE told, a thousand times; some frames come while they are
 * stopped.  Every frame must arrive once, in order and whole, both ways, and a
 * stopped ring must have nothing that was taken but not used.  Any kernel.
 * Catches a lost or repeated frame at SET_BACKEND(-1): a batch not flushed, RX
 * frames that are not given back to the tap (vhost_net_buf_unproduce()), a used
 * index that does not go with the base.
 */
static void stop_and_restart(void)
{
	unsigned int times = scaled(1000, 50), early = 0;
	struct stream tx = { 0 }, rx = { 0 };
	struct rig r;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), L7_NUM);
	rig_start(&r);
	for (unsigned int i = 0; i < times; i++) {
		first_in_line(rnd() % 2);
		offer_burst(&r, &tx, &rx);
		if (rnd() % 2)
			usleep(rnd() % 500);
		/* Either ring first: each stop waits for the other's work. */
		if (rnd() % 2)
			REQUIRE(rig_backend(&r, TX, -1) == 0, "SET_BACKEND");
		rig_stop(&r);
		first_in_line(false);
		for (unsigned int k = 0; k < 2; k++)
			REQUIRE(r.ring[k].base == r.ring[k].v.used->idx,
				"%s: base %u, but used idx %u", k ? "TX" : "RX",
				r.ring[k].base, r.ring[k].v.used->idx);
		early += r.ring[TX].base != r.ring[TX].next_avail;
		if (rnd() % 4 == 0)	/* while they are stopped */
			offer_burst(&r, &tx, &rx);
		check_wire(&r, &tx);
		check_rings(&r, &rx);
		rig_start(&r);
	}
	ring_kick(&r.ring[TX]);
	EXPECT(WITHIN(BOUND_MS, (check_wire(&r, &tx), check_rings(&r, &rx),
				 tx.arrived == tx.sent &&
				 rx.arrived == rx.sent)),
	       "TX: %u of %u arrived; RX: %u of %u", tx.arrived, tx.sent,
	       rx.arrived, rx.sent);
	note("%u frames out, %u in; %u of %u stops came before all was sent",
	     tx.sent, rx.sent, early, times);
	EXPECT(early, "no stop ever came in the middle of a burst");
	rig_free(&r);
}

/*
 * ---- L8: fork and exec ----
 */

/* In a process that has the descriptor, but is not the owner. */
static void check_stranger(struct rig *r)
{
	struct vhost_vring_file none = { TX, -1 };
	struct vhost_vring_state state = { RX, 0 };
	struct vhost_memory table = { 0 };
	const struct { const char *name; unsigned long request; void *arg; }
	calls[] = {
		{ "RESET_OWNER", VHOST_RESET_OWNER, NULL },
		{ "SET_MEM_TABLE", VHOST_SET_MEM_TABLE, &table },
		{ "SET_VRING_KICK", VHOST_SET_VRING_KICK, &none },
		{ "SET_VRING_CALL", VHOST_SET_VRING_CALL, &none },
		{ "GET_VRING_BASE", VHOST_GET_VRING_BASE, &state },
		{ "SET_BACKEND", VHOST_NET_SET_BACKEND, &none },
	};
	uint64_t features;
	int err;

	for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		err = vhost_ioctl(r->vhost, calls[i].request, calls[i].arg);
		EXPECT(err == -EPERM, "%s by a child: %s", calls[i].name,
		       strerror(-err));
	}
	err = vhost_own(r->vhost);
	EXPECT(err == -EBUSY, "SET_OWNER by a child: %s", strerror(-err));
	err = vhost_get_features(r->vhost, &features);
	EXPECT(!err, "GET_FEATURES by a child: %s", strerror(-err));
}

/* The owner becomes another program, whose end says that exec() returned. */
static void exec_list(int sig)
{
	(void)sig;
	if (!freopen("/dev/null", "w", stdout))
		_exit(126);
	execl("/proc/self/exe", "vhost-conformance", "--list", (char *)NULL);
	_exit(127);
}

static void exec_on_signal(void)
{
	signal(SIGUSR2, exec_list);
}

static void keep_over_exec(int fd)
{
	REQUIRE(fcntl(fd, F_SETFD, 0) == 0, "F_SETFD: %s", strerror(errno));
}

/*
 * L8: the descriptor of a busy vhost is inherited.  A forked child gets EPERM
 * for all that is the owner's, can still ask for features, and its closing of
 * the descriptor, or its end, changes nothing.  Then an owner calls exec(2)
 * with the descriptor open: exec must end the old program's threads and so must
 * not hang, and the descriptor can be closed.  Any kernel.  Catches an owner
 * check by process instead of by address space, and a vhost_task that does not
 * let its thread group go (Linux 6.4 and later).
 */
static void fork_and_exec(void)
{
	struct load load;
	int status;
	struct rig r;
	pid_t pid;

	rig_make(&r, FEATURES, 256);
	rig_start(&r);
	load_start(&load, &r);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		check_stranger(&r);
		close(r.vhost);
		_exit(0);
	}
	EXPECT(owner_ended(pid, &status) && status == 0,
	       "the child does not end well: %#x", status);
	EXPECT(load_moves(&load, BOUND_MS), "its end stopped our rings");
	load_stop(&load);
	rig_free(&r);

	rig_prepare(&r, FEATURES, 256);
	keep_over_exec(r.vhost);
	share_memory(&r);
	pid = owner_start(&r, exec_on_signal);
	load_start(&load, &r);
	kill(pid, SIGUSR2);
	EXPECT(owner_ended(pid, &status), "an owner's exec() does not end");
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	       "the program it became: %#x", status);
	load_stop(&load);
	check_stranger(&r);
	rig_free(&r);
}

/*
 * ---- L10: two queues ----
 */

/* A frame from the wire that both hear must come to @r, not to @other. */
static void check_arrival(struct rig *r, struct rig *other)
{
	static uint32_t seq;
	unsigned int theirs = ring_used(&other->ring[RX]);

	REQUIRE(rig_receive(r, 200, seq), "frame %u did not come", seq);
	REQUIRE(ring_used(&other->ring[RX]) == theirs,
		"frame %u came to the other as well", seq);
	seq++;
}

/* The tap sends to the queue that a flow last came from. */
static void check_steering(struct rig *r, struct rig *other)
{
	static uint32_t seq = 0x10000;

	REQUIRE(rig_send(r, 200, seq), "frame %u did not go out", seq);
	seq++;
	check_arrival(r, other);
}

/*
 * L10: two vhosts, each with a queue of one tap.  What the wire sends comes to
 * the queue that sent last, and to it only.  With one queue detached all comes
 * to the other; attached again, frames come to it again; and when one vhost is
 * closed under load the other does not notice.  Any kernel.  Catches state that
 * two devices share by mistake.
 */
static void two_queues(void)
{
	struct rig a, b;
	struct load load;

	rig_make(&a, FEATURES, 256);
	rig_make(&b, FEATURES, 256);
	replace_tap(&a, "multi1");
	close(b.tap);
	close(b.wire);
	b.tap = tap_open("multi1", IFF_MULTI_QUEUE);
	b.wire = dup(a.wire);
	rig_start(&a);
	rig_start(&b);

	for (unsigned int i = 0; i < 10; i++) {
		check_steering(&a, &b);
		check_steering(&b, &a);
	}
	queue(b.tap, IFF_DETACH_QUEUE);
	for (unsigned int i = 0; i < 10; i++)
		check_arrival(&a, &b);
	queue(b.tap, IFF_ATTACH_QUEUE);
	check_steering(&b, &a);
	check_steering(&a, &b);

	load_start(&load, &a);
	close(b.vhost);
	close(b.tap);
	EXPECT(load_moves(&load, BOUND_MS),
	       "the end of one vhost stopped the other");
	load_stop(&load);
	b.vhost = b.tap = -1;
	rig_free(&b);
	rig_free(&a);
}

const struct scenario lifecycle[] = {
	{ "L1", "10,000 times open, set up in part, close: nothing leaks",
	  open_and_close, 1800 },
	{ "L2", "close under load: returns, and nothing is written after it",
	  close_under_load, 600 },
	{ "L3", "the owner exits or is killed under load: worker and tap go",
	  owner_ends_under_load, 600 },
	{ "L4", "the tap is deleted under load: an error, rest, a new tap",
	  delete_tap, 0 },
	{ "L5", "the tap goes down and up under load: frames pass again",
	  tap_down_and_up, 0 },
	{ "L6", "a queue is detached and attached under load",
	  detach_and_attach, 300 },
	{ "L7", "stop and restart in bursts: no frame lost, none twice",
	  stop_and_restart, 300 },
	{ "L8", "fork and exec with the descriptor: EPERM, and no hang",
	  fork_and_exec, 0 },
	{ "L10", "two vhosts on one tap: steering, detaching, closing",
	  two_queues, 0 },
	{ 0 }
};
