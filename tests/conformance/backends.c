/* SPDX-License-Identifier: MIT */
/*
 * B: backends.  What a ring is connected to can be anything with frames in it,
 * and can be changed while the ring runs: no frame may be lost that the ring or
 * the old backend still has a place for, and none may come twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/if_tun.h>
#include <linux/userfaultfd.h>

#include "tests/conformance/backends.h"
#include "tests/conformance/bpf.h"
#include "tests/conformance/links.h"
#include "tests/conformance/packet.h"
#include "tests/conformance/raw.h"
#include "tests/conformance/rig.h"
#include "vhost/vhost.h"

#define PATIENCE	5000	/* ms until something will never come */
#define A_WHILE		200	/* ms in which what must not come would have */
#define SOME		10U	/* frames that wait in a tap */

static uint8_t buf[PACKET_MAX];		/* a scenario has a process of its own */

void set_backend(struct rig *r, unsigned int index, int fd)
{
	int err = rig_backend(r, index, fd);

	REQUIRE(!err, "SET_BACKEND of ring %u to fd %d: %s", index, fd,
		strerror(-err));
}

void set_header(int tap, unsigned int bytes)
{
	int size = bytes;

	REQUIRE(ioctl(tap, TUNSETVNETHDRSZ, &size) == 0,
		"TUNSETVNETHDRSZ %d: %s", size, strerror(errno));
}

/* A second tap for @r, which agrees with it on the header. */
static int second_tap(const struct rig *r, const char *name)
{
	int tap = tap_open(name, 0);

	set_header(tap, r->hdr_len);
	return tap;
}

static void send_frame(int wire, unsigned int len, uint32_t seq)
{
	frame_fill(buf, len, seq);
	wire_send(wire, buf, len);
}

/* Frame @seq of @len bytes is the next for the guest. */
static bool next_is(struct rig *r, unsigned int len, uint32_t seq)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame;
	int n = raw_take(r, &h, &frame, PATIENCE);

	return EXPECT(n == (int)len, "frame %u: %d bytes came, not %u", seq, n,
		      len) && frame_check(frame, n, seq);
}

int read_tap(int fd, unsigned int hdr_len, void *frame, unsigned int ms)
{
	uint8_t header[32] = { 0 };
	struct iovec iov[] = { { header, hdr_len }, { frame, PACKET_MAX } };
	ssize_t n;

	if (!wait_readable(fd, ms))
		return -1;
	n = readv(fd, iov, 2);
	REQUIRE(n >= (ssize_t)hdr_len, "tap: %zd: %s", n,
		n < 0 ? strerror(errno) : "short");
	return n - hdr_len;
}

/*
 * SOME frames wait in the tap of @r while it has no backend.  Then it gets one,
 * and a single buffer: vhost takes all out of the tap and keeps what has no
 * buffer yet.  Frame @seq was received, SOME - 1 more are with vhost.
 */
static bool fill_cache(struct rig *r, uint32_t seq)
{
	set_backend(r, RX, -1);
	for (unsigned int i = 0; i < SOME; i++)
		send_frame(r->wire, 100 + i, seq + i);
	raw_offer(r, 1);
	set_backend(r, RX, r->tap);
	return next_is(r, 100, seq) &&
	       EXPECT(read(r->tap, buf, sizeof(buf)) < 0 && errno == EAGAIN,
		      "vhost left frames in the tap: there is nothing to try");
}

/*
 * ---- B1 ----
 */

#define CHANGES		100
#define TX_EACH		5	/* frames of the guest for each change, */
#define RX_EACH		2	/* and for it, from each of the two wires */
#define TX_ALL		(CHANGES * TX_EACH)
#define RX_ALL		(CHANGES * RX_EACH)

static struct {
	int wire[2];
	unsigned int came[TX_ALL];	/* how often, each frame */
	unsigned int next[2];		/* the next for the guest, per wire */
	uint32_t newest[2];		/* the last of the guest's, per wire */
} live;

#define OTHER_WIRE	0x100000U	/* in the number of a frame for RX */

/* All of the guest's that came out so far.  In order on each wire. */
static void look_at_wires(void)
{
	for (unsigned int w = 0; w < 2; w++) {
		int n;

		while ((n = wire_recv(live.wire[w], buf, sizeof(buf), 0)) > 0) {
			uint32_t seq = frame_seq(buf);

			REQUIRE(seq < TX_ALL, "wire %u: frame %u", w, seq);
			frame_check(buf, n, seq);
			live.came[seq]++;
			EXPECT(seq + 1 > live.newest[w], "wire %u: frame %u "
			       "after %u", w, seq, live.newest[w]);
			live.newest[w] = seq + 1;
		}
	}
}

static void look_at_guest(struct rig *r)
{
	struct virtio_net_hdr_v1 h;
	const uint8_t *frame;
	int n;

	while ((n = raw_take(r, &h, &frame, 0)) > 0) {
		uint32_t seq = frame_seq(frame);
		unsigned int w = seq >= OTHER_WIRE;

		frame_check(frame, n, seq);
		seq -= w ? OTHER_WIRE : 0;
		EXPECT(seq == live.next[w], "RX: frame %u of wire %u, not %u",
		       seq, w, live.next[w]);
		live.next[w] = seq + 1;
	}
	while (ring_pop(&r->ring[TX], &(uint32_t){ 0 }, &(uint32_t){ 0 }))
		;
}

/* Both rings go from tap to tap, while frames are on their way everywhere. */
static void change_live(struct rig *r, int second, unsigned int changes)
{
	unsigned int i, w, seq = 0;

	live.wire[0] = r->wire;
	live.wire[1] = wire_open("second");
	for (i = 0; i < changes; i++) {
		int tap = i % 2 ? r->tap : second;

		raw_offer(r, 128);
		for (unsigned int j = 0; j < TX_EACH; j++, seq++)
			rig_offer_tx(r, 60 + seq % 1000, seq);
		ring_kick(&r->ring[TX]);
		for (w = 0; w < 2; w++)
			for (unsigned int j = 0; j < RX_EACH; j++)
				send_frame(live.wire[w], 60 + i,
					   i * RX_EACH + j +
					   (w ? OTHER_WIRE : 0));
		set_backend(r, rnd() % 2, tap);
		set_backend(r, RX, tap);
		set_backend(r, TX, tap);
		look_at_wires();
		look_at_guest(r);
	}
	/* What is left lies in the taps. */
	EXPECT(ring_wait(&r->ring[TX], r->ring[TX].next_avail -
			 r->ring[TX].last_used, PATIENCE), "TX: %u used, %u "
	       "offered", r->ring[TX].v.used->idx, r->ring[TX].next_avail);
	for (i = 0; i < PATIENCE / 10; i++) {
		set_backend(r, RX, i % 2 ? r->tap : second);
		raw_offer(r, 128);
		look_at_guest(r);
		if (live.next[0] == changes * RX_EACH &&
		    live.next[1] == changes * RX_EACH)
			break;
		usleep(10000);
	}
	look_at_wires();
	for (w = 0; w < 2; w++)
		EXPECT(live.next[w] == changes * RX_EACH, "RX: %u of %u frames "
		       "of wire %u came", live.next[w], changes * RX_EACH, w);
	for (i = 0; i < seq; i++)
		EXPECT(live.came[i] == 1, "TX: frame %u came out %u times", i,
		       live.came[i]);
	note("%u changes, %u frames of the guest, %u for it", changes, seq,
	     2 * changes * RX_EACH);
	close(live.wire[1]);
}

/*
 * B1: SET_BACKEND with another tap while the ring runs.  Frames that vhost took
 * from the old one and had no buffer for are back in it, in their order, for
 * whoever reads it next, be it vhost again.  Under traffic each frame arrives
 * once: a ring that is still with the old tap, or frames returned to the wrong
 * one, would show.
 */
static void change_backend(void)
{
	unsigned int changes = scaled(CHANGES, 20);
	struct rig r;
	int second;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	second = second_tap(&r, "second");

	if (!fill_cache(&r, 0))
		return;
	set_backend(&r, RX, second);
	for (unsigned int i = 1; i < SOME; i++) {
		int n = read_tap(r.tap, r.hdr_len, buf, A_WHILE);

		if (!EXPECT(n == 100 + (int)i, "frame %u is not back in its "
			    "tap: %d bytes", i, n))
			return;
		frame_check(buf, n, i);
	}

	set_backend(&r, RX, r.tap);
	if (!fill_cache(&r, 100))
		return;
	set_backend(&r, RX, second);
	set_backend(&r, RX, r.tap);
	raw_offer(&r, SOME);
	for (unsigned int i = 1; i < SOME; i++)
		if (!next_is(&r, 100 + i, 100 + i))
			return;

	change_live(&r, second, changes > CHANGES ? CHANGES : changes);
}

/*
 * ---- B2 ----
 */

#define POISON	0x4000		/* no flag of the used ring */

/*
 * B2: SET_BACKEND with the tap that is there already, by the same descriptor or
 * by a copy, is nothing at all: vhost keeps the frames it has, the place it is
 * at and does not write into the ring, in either direction.
 */
static void same_backend(void)
{
	struct vhost_vring_state before[2] = { { .index = RX }, { .index = TX } };
	struct vhost_vring_state after[2] = { { .index = RX }, { .index = TX } };
	struct rig r;
	int copy;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	copy = dup(r.tap);
	if (!rig_alive(&r) || !fill_cache(&r, 0))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		volatile __virtio16 *flags = &r.ring[i].v.used->flags;
		uint16_t was = *flags;

		ioctl(r.vhost, VHOST_GET_VRING_BASE, &before[i]);
		*flags = POISON;
		set_backend(&r, i, r.tap);
		set_backend(&r, i, copy);
		EXPECT(*flags == POISON, "ring %u: used->flags was written", i);
		*flags = was;
		ioctl(r.vhost, VHOST_GET_VRING_BASE, &after[i]);
		EXPECT(before[i].num == after[i].num,
		       "ring %u: base was %u, is %u", i, before[i].num,
		       after[i].num);
	}
	EXPECT(read(r.tap, buf, sizeof(buf)) < 0 && errno == EAGAIN,
	       "frames were put back into the tap");
	raw_offer(&r, SOME - 1);
	for (unsigned int i = 1; i < SOME; i++)
		if (!next_is(&r, 100 + i, i))
			return;
	rig_alive(&r);
}

/*
 * B3: RX from one tap, TX to another.  Each frame goes its way, and none goes
 * to the tap that its ring is not with.
 */
static void two_taps(void)
{
	struct virtio_net_hdr_v1 none = { 0 };
	int second, out, n;
	struct rig r;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	second = second_tap(&r, "second");
	out = wire_open("second");
	set_backend(&r, TX, second);
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int len = 60 + 50 * i;

		raw_offer(&r, 1);
		send_frame(r.wire, len, i);
		next_is(&r, len, i);
		frame_fill(buf, len, i);
		raw_send(&r, &none, buf, len);
		n = wire_recv(out, buf, sizeof(buf), PATIENCE);
		if (!EXPECT(n == (int)len, "TX: frame %u: %d bytes, not %u", i,
			    n, len))
			return;
		frame_check(buf, n, i);
	}
	send_frame(out, 60, 200);
	raw_offer(&r, 1);
	raw_quiet(&r, A_WHILE);
	EXPECT(wire_recv(r.wire, buf, sizeof(buf), 0) < 0,
	       "a frame went to the wrong tap");
	EXPECT(read_tap(second, r.hdr_len, buf, A_WHILE) == 60,
	       "the second tap lost its frame");
}

/*
 * ---- B6 ----
 */

static struct {
	struct rig *r;
	atomic_bool stop;
	atomic_uint used;
} feed;

/* Keep TX full.  What comes back is in order. */
static void *feed_tx(void *unused)
{
	struct ring *tx = &feed.r->ring[TX];
	uint32_t id, len;

	(void)unused;
	do {
		for (; ring_pop(tx, &id, &len); feed.used++)
			EXPECT(id == feed.used % 256 && len == 0, "TX: used "
			       "(%u, %u) as entry %u", id, len, feed.used);
		while ((uint16_t)(tx->next_avail - tx->last_used) < 256)
			rig_offer_tx(feed.r, 60 + tx->next_avail % 256, 0);
		ring_kick(tx);
		usleep(100);
	} while (!atomic_load(&feed.stop));
	return NULL;
}

/*
 * The tap goes @us microseconds after the first frame was used, or before it,
 * if 0.  Returns how many were used in the end.
 */
static unsigned int lose_tap(unsigned int us)
{
	uint64_t before, spent;
	pthread_t thread;
	struct rig r;
	int err;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	feed.r = &r;
	feed.used = 0;
	atomic_store(&feed.stop, false);
	if (us) {
		REQUIRE(pthread_create(&thread, NULL, feed_tx, NULL) == 0,
			"no thread");
		for (unsigned int i = 0; i < PATIENCE && !feed.used; i++)
			usleep(1000);
		usleep(us);
	}
	err = link_delete(r.name);
	REQUIRE(!err, "deleting the tap: %s", strerror(-err));
	if (!us) {
		atomic_store(&feed.stop, true);
		feed_tx(NULL);
	}
	EXPECT(wait_readable(r.ring[TX].err, PATIENCE),
	       "no word that the ring is broken");
	if (us) {
		atomic_store(&feed.stop, true);
		pthread_join(thread, NULL);
	}

	before = worker_cpu(worker_pid(&r));
	usleep(500000);
	spent = worker_cpu(worker_pid(&r)) - before;
	EXPECT(spent < 100000000, "the worker was busy for %llu ms of 500",
	       (unsigned long long)spent / 1000000);
	rig_stop(&r);
	EXPECT((uint16_t)(r.ring[TX].base - feed.used) <= 256,
	       "TX: base is %u, with %u used", r.ring[TX].base, feed.used);

	/* The card gets another tap, and starts again. */
	close(r.tap);
	close(r.wire);
	snprintf(r.name, sizeof(r.name), "again");
	r.tap = tap_open(r.name, 0);
	r.wire = wire_open(r.name);
	rig_rewind(&r, 0);
	rig_start(&r);
	rig_alive(&r);
	rig_free(&r);
	return feed.used;
}

/*
 * B6: the tap is deleted while the guest's frames are handed to it in batches,
 * and before them.  A batch that is refused is reported by the ring's err
 * eventfd, the worker goes to sleep, and the ring can be started again with
 * another tap.  Catches 3c4cea8fa7f7 (5.15), where a refused batch was filled
 * on past its end: the kernel's log, with KASAN, has that.
 */
static void tap_gone(void)
{
	unsigned int times = scaled(10, 3), used;

	used = lose_tap(0);
	EXPECT(used == 0, "%u frames went to a tap that was gone", used);
	for (unsigned int i = 0; i < times; i++) {
		used = lose_tap(1 + rnd() % 20000);
		EXPECT(used > 0, "no traffic, so nothing was tried");
	}
}

/*
 * ---- B7 ----
 */

static struct {
	int fd, tap, other;
	atomic_bool stop;
} swap;

static void *swap_descriptors(void *unused)
{
	(void)unused;
	while (!atomic_load(&swap.stop)) {
		dup2(swap.tap, swap.fd);
		dup2(swap.other, swap.fd);
	}
	return NULL;
}

/* The descriptor changes all the time, and is given to both rings in turn. */
static void race(struct rig *r)
{
	unsigned int times = scaled(20000, 2000), taken = 0, refused = 0;
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, swap_descriptors, NULL) == 0,
		"no thread");
	for (unsigned int i = 0; i < times || !taken || !refused; i++) {
		int err;

		if (!EXPECT(i < 100 * times, "the race was not met: %u taken, "
			    "%u refused", taken, refused))
			break;
		if (i % 2)
			set_backend(r, i / 2 % 2, -1);
		err = rig_backend(r, i / 2 % 2, swap.fd);
		if (!EXPECT(err == 0 || err == -ENOTSOCK, "SET_BACKEND: %s",
			    strerror(-err)))
			break;
		taken += err == 0;
		refused += err != 0;
	}
	atomic_store(&swap.stop, true);
	pthread_join(thread, NULL);
	note("%u times a tap, %u times a pipe", taken, refused);
}

static void *give_to_rx(void *rig)
{
	struct vhost_vring_file file = { RX, swap.fd };

	return (void *)(intptr_t)vhost_ioctl(((struct rig *)rig)->vhost,
					     VHOST_NET_SET_BACKEND, &file);
}

/*
 * The descriptor changes at a moment of our choice: SET_BACKEND has looked it up
 * and writes into the used ring, whose page is not there yet.
 */
static void change_within(struct rig *r)
{
	int uffd = late_pages();
	void *page = r->ring[RX].v.used, *err;
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_zeropage zero = { .range = reg.range };
	pthread_t thread;

	set_backend(r, RX, -1);
	set_backend(r, TX, -1);
	rig_rewind(r, 0);
	rig_set_ring(r, RX);
	rig_set_ring(r, TX);
	REQUIRE(mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		     MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page &&
		ioctl(uffd, UFFDIO_REGISTER, &reg) == 0, "UFFDIO_REGISTER: %s",
		strerror(errno));

	dup2(swap.tap, swap.fd);
	REQUIRE(pthread_create(&thread, NULL, give_to_rx, r) == 0, "no thread");
	EXPECT(wait_readable(uffd, PATIENCE), "SET_BACKEND does not touch the "
	       "used ring");
	dup2(swap.other, swap.fd);
	REQUIRE(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0, "UFFDIO_ZEROPAGE: %s",
		strerror(errno));
	pthread_join(thread, &err);
	close(uffd);
	EXPECT(!err, "SET_BACKEND: %s", strerror(-(int)(intptr_t)err));
	set_backend(r, TX, swap.tap);
	rig_alive(r);
}

/*
 * B7: another thread makes the descriptor now a tap and now a pipe, while it is
 * given to SET_BACKEND.  It is either, so the answer is 0 or ENOTSOCK; if it was
 * a tap when it was looked up, all of the ring is with the tap; and each
 * reference is given back: the tap is gone when its last descriptor is.  Catches
 * CVE-2023-1838 (5.18), where RX looked the descriptor up a second time, for
 * where its frames are.
 */
static void descriptor_race(void)
{
	int pipes[2];
	struct rig r;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	REQUIRE(pipe2(pipes, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
	swap.tap = r.tap;
	swap.other = pipes[0];
	swap.fd = dup(pipes[0]);
	race(&r);
	change_within(&r);

	set_backend(&r, RX, -1);
	set_backend(&r, TX, -1);
	close(swap.fd);
	close(r.tap);
	for (unsigned int i = 0; i < PATIENCE / 10 && link_index(r.name); i++)
		usleep(10000);
	EXPECT(!link_index(r.name), "the tap is still there: a reference to it "
	       "was lost");
}

/*
 * ---- B10 ----
 */

#define QUEUES	4U
#define STEER	11	/* the byte of a frame that says which queue gets it */

static struct rig queue[QUEUES];

static int set_queue(int tap, short flags)
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_flags = flags;
	return ioctl(tap, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

/*
 * @enabled queues get what the host sends, each its share, and the others get
 * nothing; all can send.
 */
static void use_queues(const bool *enabled)
{
	unsigned int got[QUEUES] = { 0 }, sum = 0, count = 0;

	for (unsigned int i = 0; i < QUEUES; i++) {
		raw_offer(&queue[i], 32);
		count += enabled[i];
	}
	/* As many to each place in the tap's list of queues. */
	for (unsigned int i = 0; i < 8 * count; i++)
		send_frame(queue[0].wire, 60 + i, i % count << 24 | i);
	for (unsigned int q = 0; q < QUEUES; q++) {
		struct virtio_net_hdr_v1 h;
		const uint8_t *frame;
		int n;

		while ((n = raw_take(&queue[q], &h, &frame,
				     enabled[q] && got[q] < 8 ? PATIENCE :
				     A_WHILE)) > 0) {
			uint32_t seq = frame_seq(frame);

			if (frame_check(frame, n, seq))
				EXPECT(n == 60 + (int)(seq & 0xff),
				       "frame %u has %d bytes", seq & 0xff, n);
			got[q]++;
		}
		EXPECT(got[q] == (enabled[q] ? 8 : 0), "queue %u, %s, got %u "
		       "frames, of 8 for each", q, enabled[q] ? "enabled" :
		       "disabled", got[q]);
		sum += got[q];
	}
	EXPECT(sum == 8 * count, "%u of %u frames came", sum, 8 * count);
	for (unsigned int q = 0; q < QUEUES; q++) {
		struct virtio_net_hdr_v1 none = { 0 };
		int n;

		frame_fill(buf, 100, q);
		raw_send(&queue[q], &none, buf, 100);
		n = wire_recv(queue[0].wire, buf, sizeof(buf), PATIENCE);
		if (EXPECT(n == 100, "queue %u, %s: its frame did not come out",
			   q, enabled[q] ? "enabled" : "disabled"))
			frame_check(buf, n, q);
	}
}

static void switch_queue(bool *enabled, unsigned int q, bool on)
{
	int err = set_queue(queue[q].tap,
			    on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);

	REQUIRE(!err, "%s queue %u: %s", on ? "attaching" : "detaching", q,
		strerror(-err));
	enabled[q] = on;
}

/*
 * B10: a tap of four queues, each with a vhost of its own.  A queue that is
 * detached gets none of the frames for the guest, one that is attached again
 * gets its share, and none is lost between; a detached one can still send, and
 * all rings run on.  Detaching twice, and from a tap of one queue, is EINVAL.
 * Which queue is meant a program in the tap says, so shares are exact.
 */
static void queues(void)
{
	bool enabled[QUEUES] = { true, true, true, true };
	int single, program = steering_program(STEER), err;

	for (unsigned int i = 0; i < QUEUES; i++) {
		rig_make(&queue[i], FEATURE(VIRTIO_F_VERSION_1), 64);
		close(queue[i].tap);
		close(queue[i].wire);
		queue[i].tap = tap_open("many", IFF_MULTI_QUEUE);
		queue[i].wire = wire_open("many");
		rig_start(&queue[i]);
	}
	REQUIRE(ioctl(queue[0].tap, TUNSETSTEERINGEBPF, &program) == 0,
		"TUNSETSTEERINGEBPF: %s", strerror(errno));
	use_queues(enabled);
	switch_queue(enabled, 1, false);
	use_queues(enabled);
	err = set_queue(queue[1].tap, IFF_DETACH_QUEUE);
	EXPECT(err == -EINVAL, "detaching twice: %s", strerror(-err));
	switch_queue(enabled, 3, false);
	use_queues(enabled);
	switch_queue(enabled, 0, false);
	use_queues(enabled);
	for (unsigned int i = 0; i < QUEUES; i++)
		if (!enabled[i])
			switch_queue(enabled, i, true);
	use_queues(enabled);

	single = tap_open("single", 0);
	err = set_queue(single, IFF_DETACH_QUEUE);
	EXPECT(err == -EINVAL, "detaching the only queue: %s", strerror(-err));
}

const struct scenario backends[] = {
	{ "B1", "from tap to tap under traffic: nothing lost, nothing twice",
	  change_backend, 60 },
	{ "B2", "SET_BACKEND with what is there already changes nothing",
	  same_backend, 0 },
	{ "B3", "RX from one tap, TX to another",
	  two_taps, 0 },
	{ "B4", "an AF_PACKET socket, whose headers are vhost's own",
	  packet_backend, 60 },
	{ "B5", "macvtap and ipvtap, one by one and in batches",
	  macvtap_backend, 60 },
	{ "B6", "the tap is deleted in the middle of a batch",
	  tap_gone, 120 },
	{ "B7", "the descriptor changes during SET_BACKEND",
	  descriptor_race, 60 },
	{ "B10", "queues of a tap are detached and attached again",
	  queues, 60 },
	{ 0 }
};
