/* SPDX-License-Identifier: MIT */
/*
 * H6 to H9: frames and headers that make no sense, and packets for which RX has
 * no room.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/links.h"
#include "tests/conformance/victim.h"

/* ---- H6, H7: TX ---- */

/*
 * One descriptor, @len bytes of which the header is @hdr; behind it a good
 * frame.  The first may be sent or dropped, but must be used, the second must
 * arrive, and the worker must come to rest.
 */
static void send_odd(struct rig *r, uint64_t work,
		     const struct virtio_net_hdr_v1 *hdr, uint32_t len,
		     uint32_t seq, const char *what)
{
	static uint8_t frame[65536];
	struct ring *tx = &r->ring[TX];
	int got;

	lay_frame(r, work, len > r->hdr_len + FRAME_MIN ?
		  len - r->hdr_len : FRAME_MIN, seq);
	memcpy(rig_ptr(r, work), hdr, r->hdr_len);
	ring_desc(tx, 0, work, len, 0, 0);
	ring_offer(tx, 0);
	ring_desc(tx, 1, work + 32ULL * PAGE,
		  lay_frame(r, work + 32ULL * PAGE, LEN, seq + 1), 0, 0);
	ring_offer(tx, 1);
	ring_kick(tx);

	if (!used_or_spins(r, 2, what)) {
		rig_reset(r);
		return;
	}
	do
		got = wire_recv(r->wire, frame, sizeof(frame), SOON_MS);
	while (got >= (int)FRAME_MIN && frame_seq(frame) != seq + 1);
	if (EXPECT(got == (int)LEN, "%s: the frame behind it is lost", what))
		frame_check(frame, LEN, seq + 1);
	EXPECT(!events(tx->err), "%s: ERR", what);
	rig_reset(r);
}

/*
 * H6: the fields of the header at their extremes, on frames that vhost sends
 * in batches and on large ones which it does not: used, dropped or sent, the
 * next frame arrives.  A chain of no bytes at all is a broken ring: ERR, and it
 * is skipped; the frame behind it goes with the next kick.
 *
 * What vhost's own copy refuses should be no different: chains shorter than a
 * header, and NEEDS_CSUM with a checksum that lies behind the end of the frame.
 * But there (F1) the descriptor is put back and the worker woken again at once,
 * for ever, at the cost of a CPU; nothing behind it is sent until a reset.
 * To see it, with any driver: offer TX one descriptor of 1 byte, and watch top.
 */
void odd_headers(void)
{
	static const struct virtio_net_hdr_v1 zero, far = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 0x4000,
	};
	static const uint16_t edge[] = { 1, 14, 0x7fff, 0xffff };
	static const uint8_t gso[] = { 1, 2, 3, 4, 5, 0x80, 0x81, 0xff };
	static const uint32_t size[] = { 12 + 60, 12 + 9000 };
	struct victim p;
	struct ring *tx;
	uint8_t frame[LEN];
	uint32_t seq = 100;
	char what[80];

	victim_make(&p, PLAIN);
	tx = &p.bad.ring[TX];
	for (unsigned int s = 0; s < 2; s++) {
		for (unsigned int g = 0; g < sizeof(gso); g++)
			for (unsigned int i = 0; i < 4; i++, seq += 2) {
				struct virtio_net_hdr_v1 h = {
					.gso_type = gso[g],
					.gso_size = edge[i],
					.hdr_len = edge[3 - i],
				};

				snprintf(what, sizeof(what),
					 "%u bytes, gso %x size %u hdr_len %u",
					 size[s], h.gso_type, h.gso_size,
					 h.hdr_len);
				send_odd(&p.bad, p.work, &h, size[s], seq,
					 what);
			}
		/* csum_start + csum_offset + 2 wraps to what fits. */
		for (unsigned int i = 0; i < 4; i++, seq += 2) {
			struct virtio_net_hdr_v1 h = {
				.flags = 0xff,
				.csum_start = 0xffff,
				.csum_offset = (uint16_t)(i * 14),
				.hdr_len = edge[i],
			};

			if (!i)
				h.csum_offset = 0xffff;
			snprintf(what, sizeof(what),
				 "%u bytes, csum_start %u + %u", size[s],
				 h.csum_start, h.csum_offset);
			send_odd(&p.bad, p.work, &h, size[s], seq, what);
		}
	}

	ring_desc(tx, 0, p.work, 0, 0, 0);
	ring_offer(tx, 0);
	ring_kick(tx);
	EXPECT(wait_readable(tx->err, SOON_MS), "a chain of 0 bytes: no ERR");
	rig_settle(&p.bad);
	ring_desc(tx, 1, p.work, lay_frame(&p.bad, p.work, LEN, seq), 0, 0);
	ring_offer(tx, 1);
	ring_kick(tx);
	if (EXPECT(wire_recv(p.bad.wire, frame, LEN, SOON_MS) == (int)LEN,
		   "no frame after a chain of 0 bytes"))
		frame_check(frame, LEN, seq);
	rig_reset(&p.bad);

	send_odd(&p.bad, p.work, &far, 12 + 9000, seq, "checksum at 0x4000");
	send_odd(&p.bad, p.work, &far, 12 + 60, seq, "F1: checksum at 0x4000");
	send_odd(&p.bad, p.work, &zero, 1, seq, "F1: a chain of 1 byte");
	send_odd(&p.bad, p.work, &zero, 11, seq, "F1: a chain of 11 bytes");
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	EXPECT(rig_alive(&p.bad), "no reset helps");
	victim_free(&p);
}

/* The next frame at @fd, a wire or a tap; what is before it is @skip bytes. */
static int read_frame(int fd, unsigned int skip, uint8_t *frame,
		      unsigned int max)
{
	uint8_t in[4096];
	ssize_t n;

	if (!wait_readable(fd, SOON_MS))
		return -1;
	n = read(fd, in, sizeof(in));
	if (n < (ssize_t)skip || n - skip > max)
		return -1;
	memcpy(frame, in + skip, (size_t)n - skip);
	return (int)n - (int)skip;
}

/*
 * Frames with 0 to 13 bytes behind the header, and a good one last.  The short
 * ones must be used and go nowhere, the good one must come out at @end, behind
 * @skip bytes.
 */
static void send_stumps(struct victim *p, int end, unsigned int skip,
			const char *what)
{
	struct rig *r = &p->bad;
	struct ring *tx = &r->ring[TX];
	uint8_t frame[2048];
	int got;

	for (unsigned int len = 0; len < FRAME_MIN; len++) {
		uint64_t gpa = p->work + (uint64_t)len * PAGE;

		lay_frame(r, gpa, FRAME_MIN, 0x77770000);
		ring_desc(tx, len, gpa, r->hdr_len + len, 0, 0);
		ring_offer(tx, (uint16_t)len);
	}
	ring_desc(tx, FRAME_MIN, p->work + 32ULL * PAGE,
		  lay_frame(r, p->work + 32ULL * PAGE, LEN, 12), 0, 0);
	ring_offer(tx, FRAME_MIN);
	ring_kick(tx);
	EXPECT(ring_wait(tx, FRAME_MIN + 1, SOON_MS), "%s: %u of %u used", what,
	       ring_used(tx), FRAME_MIN + 1);
	got = read_frame(end, skip, frame, sizeof(frame));
	if (EXPECT(got == (int)LEN, "%s: %d bytes came first, not the frame",
		   what, got))
		frame_check(frame, LEN, 12);
	EXPECT(!events(tx->err), "%s: ERR", what);
}

/* @r with @tap as its backend of TX, which takes @sndbuf bytes at a time. */
static void send_by(struct rig *r, int tap, int sndbuf)
{
	int hdr_len = (int)r->hdr_len;

	rig_stop(r);
	rig_rewind(r, 0);
	REQUIRE(!ioctl(tap, TUNSETSNDBUF, &sndbuf) &&
		!ioctl(tap, TUNSETVNETHDRSZ, &hdr_len),
		"the tap's SNDBUF, VNETHDRSZ: %s", strerror(errno));
	rig_set_tables(r);
	rig_set_ring(r, TX);
	REQUIRE(!rig_backend(r, TX, tap), "no backend");
}

/*
 * H7: TX frames that end within their Ethernet header, or before it: dropped,
 * and the host lives, by all four ways: tap and macvtap, in a batch and, if the
 * socket's send buffer has a limit, alone.  CVE-2024-41090 (macvtap) and
 * CVE-2024-41091 (tap), before 6.11: skbs without a MAC header.
 */
void stumps(void)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x77 };
	const int limit = 1 << 20;
	int low, macvtap, skip = 12;
	struct victim p;

	victim_make(&p, PLAIN);
	send_by(&p.bad, p.bad.tap, INT_MAX);
	send_stumps(&p, p.bad.wire, 0, "tap, batched");
	send_by(&p.bad, p.bad.tap, limit);
	send_stumps(&p, p.bad.wire, 0, "tap, one by one");

	low = tap_open("low", 0);
	REQUIRE(!ioctl(low, TUNSETVNETHDRSZ, &skip), "VNETHDRSZ: %s",
		strerror(errno));
	macvtap = tap_on_link("macvtap", "mv", "low", MACVLAN_MODE_BRIDGE, mac,
			      p.bad.hdr_len);
	send_by(&p.bad, macvtap, INT_MAX);
	send_stumps(&p, low, (unsigned int)skip, "macvtap, batched");
	send_by(&p.bad, macvtap, limit);
	send_stumps(&p, low, (unsigned int)skip, "macvtap, one by one");

	send_by(&p.bad, p.bad.tap, INT_MAX);
	rig_reset(&p.bad);
	EXPECT(rig_alive(&p.bad), "its own tap does not bring it back");
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	victim_free(&p);
}

/* ---- H8, H9: RX without room ---- */

/* @n buffers more for RX; where they are goes to @gpa, by descriptor. */
static void offer_small(struct rig *r, unsigned int n, unsigned int bytes,
			uint64_t *gpa)
{
	while (n--) {
		unsigned int desc = rig_offer_rx(r, bytes);

		gpa[desc] = rig_buffer(r, RX, desc);
	}
}

/*
 * H8: with MRG_RXBUF, a packet that needs more buffers than there are.  vhost
 * must wait at rest for the guest to add some, and have asked for the kick;
 * then the packet must arrive whole.  CVE-2026-74356 (5.18 to 7.1.4): a ring
 * that has entries is taken for one that has new entries, and the worker turns
 * round and round in one call, not to be stopped.
 */
void too_few_buffers(void)
{
	enum { SIZE = 256, WHOLE = 1500, NEEDED = 6 };
	uint8_t out[WHOLE], in[NEEDED * SIZE];
	uint64_t gpa[NUM];

	for (unsigned int round = 0; round < 4; round++) {
		unsigned int few = round & 1 ? NEEDED - 1 : 1, busy, have = 0;
		struct victim p;
		struct ring *rx;
		uint32_t id, len;

		victim_make(&p, round < 2 ? MERGED : MERGED |
			    FEATURE(VIRTIO_RING_F_EVENT_IDX));
		rx = &p.bad.ring[RX];
		offer_small(&p.bad, few, SIZE, gpa);
		ring_kick(rx);
		frame_fill(out, WHOLE, round);
		wire_send(p.bad.wire, out, WHOLE);
		sleep_ms(100);
		busy = worker_busy(&p.bad);
		EXPECT(busy < 20, "%u buffers of %u: the worker is %u %% busy "
		       "with nothing", few, NEEDED, busy);
		EXPECT(!ring_used(rx), "%u of too few buffers used",
		       ring_used(rx));
		offer_small(&p.bad, NEEDED - few + 2, SIZE, gpa);
		EXPECT(ring_kick_if_wanted(rx), "no kick wanted, though the "
		       "worker waits for buffers");
		if (EXPECT(ring_wait(rx, NEEDED, SOON_MS), "%u of %u buffers "
			   "used", ring_used(rx), NEEDED))
			while (have <= (NEEDED - 1) * SIZE &&
			       ring_pop(rx, &id, &len)) {
				REQUIRE(id < NUM && len <= SIZE,
					"used (%u, %u bytes)", id, len);
				memcpy(in + have, rig_ptr(&p.bad, gpa[id]),
				       len);
				have += len;
			}
		if (EXPECT(have == 12 + WHOLE, "%u bytes arrived", have))
			frame_check(in + 12, WHOLE, round);
		EXPECT(rig_alive(&p.good), "the neighbour suffers");
		rig_reset(&p.bad);
		EXPECT(rig_alive(&p.bad), "it is not alive afterwards");
		victim_free(&p);
	}
}

static atomic_bool stop;

/* Send to a rig's RX as fast as it goes. */
static void *flood(void *arg)
{
	struct rig *r = arg;
	uint8_t frame[1500];

	for (uint32_t seq = 0; !stop; seq++) {
		frame_fill(frame, sizeof(frame), seq);
		/* The tap may be full; a lost frame is no matter. */
		if (send(r->wire, frame, sizeof(frame), MSG_DONTWAIT) < 0)
			sched_yield();
	}
	return NULL;
}

/*
 * 900 packets that do not fit wait for RX, then one that does, and a frame for
 * TX; one kick, by an eventfd that both rings have, sets both going, RX first.
 * Returns whether TX is through before the 901st of RX: a turn of the worker is
 * 256 packets, dropped ones too.
 */
static bool drops_in_turns(void)
{
	enum { ALL = 900, FITS = 40 };
	struct vhost_vring_file kick = { .index = RX };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e;
	cpu_set_t before;
	uint8_t frame[1500];
	struct rig r;

	rig_make(&r, PLAIN, NUM);
	rig_start(&r);
	rig_alive(&r);
	/* Who came last to wait for an eventfd is told first. */
	kick.fd = r.ring[TX].kick;
	REQUIRE(!ioctl(r.vhost, VHOST_SET_VRING_KICK, &kick), "VRING_KICK: %s",
		strerror(errno));
	for (unsigned int i = 0; i <= ALL; i++) {
		unsigned int len = i < ALL ? sizeof(frame) : FITS;

		frame_fill(frame, len, i);
		wire_send(r.wire, frame, len);
	}
	rig_settle(&r);
	rig_offer_rx(&r, 64);
	rig_offer_tx(&r, LEN, 0);
	for (unsigned int i = RX; i <= TX; i++) {
		ring_publish(&r.ring[i]);
		events(r.ring[i].call);
		e = (struct epoll_event){ .events = EPOLLIN, .data.u32 = i };
		REQUIRE(!epoll_ctl(ep, EPOLL_CTL_ADD, r.ring[i].call, &e),
			"epoll: %s", strerror(errno));
	}
	before = on_one_cpu(&r);
	REQUIRE(!eventfd_write(kick.fd, 1), "kick: %s", strerror(errno));
	/* What was ready first is told first. */
	REQUIRE(epoll_wait(ep, &e, 1, (int)SOON_MS) == 1, "neither was called");
	for (unsigned int i = RX; i <= TX; i++)
		EXPECT(ring_wait(&r.ring[i], 1, SOON_MS), "%s: not used",
		       i == RX ? "RX" : "TX");
	sched_setaffinity(0, sizeof(before), &before);
	close(ep);
	rig_free(&r);
	return e.data.u32 == TX;
}

/*
 * H9: a flood of packets none of which fits its buffer, so that RX uses up
 * nothing.  The worker must give way all the same: TX, which it serves too,
 * sends, the neighbour lives, and RX can be stopped at once.  CVE-2019-3900
 * (before 5.2): no bound on how many are dropped in one go.  First that by
 * itself.
 */
void flood_without_room(void)
{
	struct victim p;
	unsigned int frames = scaled(100, 10), sent = 0;
	uint64_t start, took;
	pthread_t t;
	uint32_t seq;

	EXPECT(drops_in_turns(), "TX waits until RX has dropped all");
	victim_make(&p, PLAIN);
	for (unsigned int i = 0; i < NUM / 2; i++)
		rig_offer_rx(&p.bad, 64);
	ring_kick(&p.bad.ring[RX]);
	stop = false;
	REQUIRE(!pthread_create(&t, NULL, flood, &p.bad), "no thread");
	for (seq = 0; seq < frames; seq++) {
		uint32_t id, len;

		rig_offer_tx(&p.bad, LEN, 0x80000000 + seq);
		ring_kick(&p.bad.ring[TX]);
		if (!ring_wait(&p.bad.ring[TX], 1, SOON_MS))
			break;
		ring_pop(&p.bad.ring[TX], &id, &len);
		sent++;
	}
	EXPECT(sent == frames, "TX stands still behind the flood: %u of %u",
	       sent, frames);
	EXPECT(!ring_used(&p.bad.ring[RX]), "a buffer too small was used");
	EXPECT(!events(p.bad.ring[RX].err), "ERR");
	start = clock_ns();
	rig_backend(&p.bad, RX, -1);
	took = (clock_ns() - start) / 1000000;
	EXPECT(took < SOON_MS, "RX stopped only after %llu ms",
	       (unsigned long long)took);
	stop = true;
	pthread_join(t, NULL);
	note("stopped in %llu ms", (unsigned long long)took);

	rig_reset_empty(&p.bad);
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	EXPECT(rig_alive(&p.bad), "no reset helps");
	victim_free(&p);
}
