/* SPDX-License-Identifier: MIT */
/*
 * R: what a well-behaved driver may count on of a ring.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "tests/conformance/burst.h"
#include "tests/conformance/notify.h"
#include "vhost/vhost.h"

#define NR(a)		(sizeof(a) / sizeof((a)[0]))

static uint8_t frame[1 << 17];

/*
 * R1: frames of all sizes come through byte for byte, alone and many at once: the
 * shortest; around 256, where zerocopy begins; around 4096 less what an skb needs
 * of a page, where TX no longer batches; the longest, which a tap accepts and the
 * other way no MTU allows.  A used length is the header's and the frame's for RX
 * and 0 for TX, and nothing is written behind.  From 2.6.34, 65 KB from 4.x.
 */
static void sizes(void)
{
	static const unsigned int few[] = { 14, 60, 64, 255, 256, 257, 1500,
					    3650, 9000, 65535 };
	unsigned int len[BURST], n = 0, times = scaled(20, 1);
	uint32_t seq = 1;
	struct rig r;

	for (unsigned int i = 0; i < NR(few); i++)
		len[n++] = few[i];
	for (unsigned int i = 4074; i <= 4100; i++)
		len[n++] = i;
	rig_make(&r, V1, 256);
	rig_start(&r);
	for (unsigned int i = 0; i < n * times; i++, seq++)
		if (!send_burst(&r, 1, &len[i % n], seq, 0) ||
		    !receive_burst(&r, 1, &len[i % n], seq, 0))
			return;
	for (unsigned int i = 0; i < times; i++, seq += n)
		if (!send_burst(&r, n, len, seq, 0) ||
		    !receive_burst(&r, n, len, seq, 0))
			return;
	for (unsigned int i = 0; i < times; i++)
		if (!rig_send(&r, 65549, seq + i))
			return;
}

/*
 * R2: indices are 16 bits and go round: from 65530 on, bursts each way.  From
 * 2.6.34.  Catches an index compared as if it did not wrap, and one that
 * SET_VRING_BASE leaves as it was.
 */
static void wrap(void)
{
	unsigned int n = scaled(100000, 300);
	struct rig r;

	rig_make(&r, V1, 256);
	rig_rewind(&r, 65530);
	rig_start(&r);
	/* TX looks once, unasked, and must see that there is nothing. */
	EXPECT(!wait_readable(r.ring[TX].err, 200) && !ring_used(&r.ring[TX]),
	       "buffers were seen where there are none");
	if (!stream(&r, n, 300))
		return;
	rig_stop(&r);
	EXPECT(r.ring[TX].base == (uint16_t)(65530 + n) &&
	       r.ring[RX].base == (uint16_t)(65530 + n),
	       "after %u frames from 65530 the bases are %u and %u", n,
	       r.ring[RX].base, r.ring[TX].base);
}

/*
 * R3: whatever is negotiated of what shapes a ring, frames come through: all
 * combinations of five features, one after the other on the same descriptor, as
 * when guests reboot.  IN_ORDER from 6.17.
 */
static void matrix(void)
{
	static const struct { uint64_t bit; const char *name; } feature[] = {
		{ EVENT_IDX, " EVENT_IDX" }, { INDIRECT, " INDIRECT" },
		{ MRG, " MRG_RXBUF" }, { V1, " VERSION_1" },
		{ IN_ORDER, " IN_ORDER" },
	};
	static const unsigned int len[] = { 60, 1500, 256, 14, 9000, 4074, 300,
					    64 };
	uint64_t tables;
	struct rig r;

	rig_make(&r, 0, 256);
	tables = rig_alloc(&r, 2 * 256 * 64);
	rig_start(&r);
	for (unsigned int mix = 0; mix < 1 << NR(feature); mix++) {
		uint64_t features = 0;
		char names[80] = "";

		for (unsigned int i = 0; i < NR(feature); i++)
			if (mix & 1 << i) {
				features |= feature[i].bit;
				strcat(names, feature[i].name);
			}
		if (features & ~r.offered)
			continue;
		renegotiate(&r, features, mix * 1000);
		for (unsigned int i = 0; i < 3; i++)
			if (!send_burst(&r, 1, &len[i], i,
					features & INDIRECT ? tables : 0) ||
			    !receive_burst(&r, 1, &len[i], i,
					   features & INDIRECT ? tables : 0))
				note("^ with%s", names);
		if (!send_burst(&r, NR(len), len, 10,
				features & INDIRECT ? tables : 0) ||
		    !receive_burst(&r, NR(len), len, 10,
				   features & INDIRECT ? tables : 0))
			note("^ with%s", names);
	}
	if (!(r.offered & IN_ORDER))
		note("without IN_ORDER, which this kernel does not offer");
}

/*
 * A chain of @total bytes at @gpa in ring @ring, from descriptor 0 on: the first
 * of @first bytes, all others of @each but the last.  Returns its descriptors.
 */
static unsigned int make_chain(struct vring_desc *d, unsigned int max,
			       uint64_t gpa, unsigned int total,
			       unsigned int first, unsigned int each,
			       uint16_t flags)
{
	unsigned int n = 0, at = 0;

	while (at < total) {
		unsigned int len = n ? each : first;

		if (len > total - at)
			len = total - at;
		REQUIRE(n < max, "the chain is too long for the ring");
		d[n] = (struct vring_desc) { gpa + at, len,
					     flags | VRING_DESC_F_NEXT, n + 1 };
		at += len;
		n++;
	}
	d[n - 1].flags = flags;
	return n;
}

/*
 * R4: however a chain is cut, it is one buffer: header apart, in the first bytes
 * of the data, in single bytes, and in 1024 of those, which is what a sendmsg()
 * takes; direct and indirect.  One much longer is an error, told by ERR, and not
 * used.  From 2.6.34, the layouts with a header that shares its descriptor with
 * data from ANY_LAYOUT on, 3.x.
 */
static void layouts(void)
{
	static const struct {
		unsigned int len, first, each;
	} row[] = {
		{ 60, 12, 60 },		{ 1500, 12, 1500 },
		{ 1500, 1512, 1 },	{ 1500, 1000, 512 },
		{ 1500, 12, 100 },	{ 1500, 5, 700 },
		{ 1500, 13, 1487 },	{ 60, 1, 1 },
		{ 5000, 12, 4096 },	{ 9000, 1, 17 },
		{ 1012, 1, 1 },
	};
	const unsigned int num = 2048;
	uint64_t data, table;
	uint32_t used, seq = 1;
	struct rig r;

	rig_make(&r, V1 | INDIRECT, num);
	data = rig_alloc(&r, 1 << 16);
	table = rig_alloc(&r, num * sizeof(struct vring_desc));
	rig_start(&r);
	for (unsigned int i = 0; i < 2 * NR(row); i++, seq++) {
		unsigned int len = row[i / 2].len, all = r.hdr_len + len, n;
		unsigned int index;

		for (index = RX; index <= TX; index++) {
			struct ring *ring = &r.ring[index];
			uint16_t flags = index == RX ? VRING_DESC_F_WRITE : 0;
			struct vring_desc *d = i % 2 ? rig_ptr(&r, table) :
					       ring->v.desc;
			int got;

			memset(rig_ptr(&r, data), 0, all);
			if (index == TX)
				frame_fill(bytes_at(&r, data) + r.hdr_len, len,
					   seq);
			n = make_chain(d, num, data, all, row[i / 2].first,
				       row[i / 2].each, flags);
			if (i % 2)
				ring_desc(ring, 0, table, n * sizeof(*d),
					  VRING_DESC_F_INDIRECT, 0);
			ring_offer(ring, 0);
			ring_kick(ring);
			if (index == RX) {
				frame_fill(frame, len, seq);
				wire_send(r.wire, frame, len);
			} else {
				got = wire_recv(r.wire, frame, sizeof(frame),
						PATIENCE);
				EXPECT(got == (int)len, "frame %u: %d bytes",
				       seq, got);
				if (got == (int)len)
					frame_check(frame, len, seq);
			}
			if (!take(&r, index, 0, 1, &used)) {
				note("^ %u bytes in %u pieces of %u", all, n,
				     row[i / 2].each);
				return;
			}
			EXPECT(used == (index == RX ? all : 0), "ring %u: "
			       "%u bytes in %u pieces: %u used", index, all, n,
			       used);
			if (index == RX)
				frame_check(bytes_at(&r, data) + r.hdr_len, len,
					    seq);
		}
	}

	/* 1100 pieces: direct to TX, and to RX with a frame that waits. */
	for (unsigned int index = RX; index <= TX; index++) {
		struct ring *ring = &r.ring[index];

		make_chain(ring->v.desc, num, data, 1100, 1, 1,
			   index == RX ? VRING_DESC_F_WRITE : 0);
		ring_offer(ring, 0);
		events(ring->err);
		if (index == RX) {
			frame_fill(frame, 60, seq);
			wire_send(r.wire, frame, 60);
		}
		ring_kick(ring);
		EXPECT(wait_readable(ring->err, PATIENCE), "ring %u: 1100 "
		       "pieces are no error", index);
		EXPECT(ring_used(ring) == 0, "ring %u: 1100 pieces were used",
		       index);
	}
	/* And a reset mends it. */
	renegotiate(&r, V1, 0);
	rig_alive(&r);
}

/*
 * R5: num_buffers is the number of buffers with MRG_RXBUF, and 1 with VERSION_1
 * alone, where until 6.14 it was left as it was, whatever that was (fixed by
 * a3b9c053d82a).  A legacy header has no such field, and the frame is there.  To see
 * it: VERSION_1 alone, one buffer full of a5, one frame; bytes 10 and 11 stay a5.
 */
static void num_buffers(void)
{
	static const struct { uint64_t features; unsigned int pieces; } row[] = {
		{ MRG | V1, 1 }, { MRG | V1, 3 }, { MRG, 1 }, { MRG, 2 },
		{ V1, 1 },
	};
	struct virtio_net_hdr_v1 *hdr;
	uint32_t used[4];
	struct rig r;

	rig_make(&r, MRG | V1, 256);
	rig_start(&r);
	for (unsigned int i = 0; i < NR(row); i++) {
		unsigned int n = row[i].pieces, first = 0;

		renegotiate(&r, row[i].features, 0);
		for (unsigned int k = 0; k < n; k++) {
			unsigned int desc = rig_offer_rx(&r, 112 / n + n - 1);

			memset(rig_ptr(&r, rig_buffer(&r, RX, desc)), POISON,
			       200);
			if (k == 0)
				first = desc;
		}
		frame_fill(frame, 100, i);
		ring_kick(&r.ring[RX]);
		wire_send(r.wire, frame, 100);
		if (!take(&r, RX, first, n, used))
			return;
		hdr = rig_ptr(&r, rig_buffer(&r, RX, first));
		if (row[i].features & MRG)
			EXPECT(hdr->num_buffers == n, "features %#llx: %u "
			       "buffers, num_buffers is %u",
			       (unsigned long long)row[i].features, n,
			       hdr->num_buffers);
		else
			EXPECT(hdr->num_buffers == 1, "without MRG_RXBUF "
			       "num_buffers is %#x, not 1", hdr->num_buffers);
	}
	renegotiate(&r, 0, 0);
	rig_alive(&r);
}

/* A wire that takes a header with the frame, and a TCP frame with it. */
static void send_gso(const struct rig *r, unsigned int len,
		     unsigned int gso_size)
{
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6,
					0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 54, .gso_size = gso_size,
		.csum_start = 34, .csum_offset = 16,
	};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex(r->name),
	};
	struct iovec iov[2] = { { &h, sizeof(h) }, { frame, len } };
	struct msghdr msg = { .msg_name = &to, .msg_namelen = sizeof(to),
			      .msg_iov = iov, .msg_iovlen = 2 };
	int one = 1, wire = wire_open(r->name);
	ssize_t n;

	REQUIRE(setsockopt(wire, SOL_PACKET, PACKET_VNET_HDR, &one,
			   sizeof(one)) == 0, "PACKET_VNET_HDR: %s",
		strerror(errno));
	frame_fill(frame, len, 7);
	frame[12] = 0x08;				/* IPv4 */
	frame[13] = 0x00;
	memcpy(frame + 14, ip, sizeof(ip));
	frame[16] = (len - 14) >> 8;
	frame[17] = (len - 14) & 0xff;
	memset(frame + 34, 0, 20);
	frame[46] = 5 << 4;				/* data offset */
	n = sendmsg(wire, &msg, 0);
	REQUIRE(n == (ssize_t)(sizeof(h) + len), "GSO frame: %s",
		n < 0 ? strerror(errno) : "short");
	close(wire);
}

/*
 * R6: with MRG_RXBUF a frame of 64 KiB goes into as many buffers as it needs,
 * used in the order they were offered, each full but the last, and the first says
 * how many; as one frame, and as a TCP segment with its GSO header.  From 2.6.36.
 */
static void merged(void)
{
	static const unsigned int pieces[] = { 1, 2, 3, 5, 16, 17, 63, 64 };
	unsigned long offload = TUN_F_CSUM | TUN_F_TSO4;
	static uint8_t whole[1 << 17];
	struct rig r;

	rig_make(&r, MRG | V1 | EVENT_IDX, 256);
	rig_start(&r);
	REQUIRE(ioctl(r.tap, TUNSETOFFLOAD, offload) == 0, "TUNSETOFFLOAD: %s",
		strerror(errno));
	for (unsigned int i = 0; i < 2 * NR(pieces); i++) {
		bool gso = i % 2;
		unsigned int n = pieces[i / 2], len = gso ? 60000 : 65535;
		unsigned int all = r.hdr_len + len, each = (all + n - 1) / n;
		unsigned int first = 0, at = 0;
		struct virtio_net_hdr_v1 *hdr = (void *)whole;
		uint32_t used[BURST];

		for (unsigned int k = 0; k < n; k++) {
			unsigned int desc = rig_offer_rx(&r, each);

			if (k == 0)
				first = desc;
		}
		ring_kick(&r.ring[RX]);
		if (gso) {
			send_gso(&r, len, 1448);
		} else {
			frame_fill(frame, len, i);
			wire_send(r.wire, frame, len);
		}
		if (!take(&r, RX, first, n, used))
			return;
		for (unsigned int k = 0; k < n; k++) {
			unsigned int want = at + each < all ? each : all - at;
			unsigned int desc = (first + k) & 255;

			if (!EXPECT(used[k] == want, "%u pieces: the %u. has "
				    "%u bytes, not %u", n, k, used[k], want))
				return;
			memcpy(whole + at, rig_ptr(&r, rig_buffer(&r, RX,
								  desc)), want);
			at += want;
		}
		EXPECT(hdr->num_buffers == n, "%u pieces: num_buffers is %u", n,
		       hdr->num_buffers);
		if (!gso) {
			frame_check(whole + r.hdr_len, len, i);
			EXPECT(hdr->gso_type == 0, "gso_type %u",
			       hdr->gso_type);
			continue;
		}
		EXPECT(hdr->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 &&
		       hdr->gso_size == 1448 &&
		       hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM &&
		       hdr->csum_start == 34 && hdr->csum_offset == 16,
		       "GSO: type %u size %u flags %#x checksum %u+%u",
		       hdr->gso_type, hdr->gso_size, hdr->flags,
		       hdr->csum_start, hdr->csum_offset);
		EXPECT(memcmp(whole + r.hdr_len, frame, len) == 0,
		       "the TCP segment is not what was sent");
	}
}

/*
 * R11: with IN_ORDER a batch of TX is one entry of used, with the last buffer's
 * number, and idx goes on by all of it; with polling, too.  RX has an entry for
 * each frame, since each has a length.  From 6.17; 67a873df0c41 mended the count
 * after polling.
 */
static void in_order(void)
{
	static const unsigned int busy_us[] = { 0, 50 };
	unsigned int len[BURST];
	struct rig r;

	rig_make(&r, V1 | IN_ORDER, 256);
	for (unsigned int i = 0; i < BURST; i++)
		len[i] = 60 + i;
	rig_start(&r);
	for (unsigned int b = 0; b < 2; b++) {
		unsigned int of_tx = 0, of_rx = 0;
		uint32_t seq = 0;

		renegotiate(&r, V1 | IN_ORDER | (b ? MRG : 0), 65000);
		for (unsigned int i = 0; i < 2; i++) {
			struct vhost_vring_state s = { i, busy_us[b] };

			vhost_ioctl(r.vhost, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
				    &s);
		}
		for (unsigned int i = 0; i < scaled(2000, 50); i++) {
			unsigned int n = 1 + rnd() % BURST;

			left_out = 0;
			if (!send_burst(&r, n, len, seq, 0))
				return;
			of_tx += left_out;
			left_out = 0;
			if (!receive_burst(&r, n, len, seq, 0))
				return;
			of_rx += left_out;
			seq += n;
		}
		note("of %u buffers %u of TX and %u of RX had no entry", seq,
		     of_tx, of_rx);
		EXPECT(of_tx, "no batch of TX was one entry");
		EXPECT(!of_rx, "a frame's length was lost");
	}
}

/*
 * R12: without MRG_RXBUF a frame longer than the next buffer is dropped, alone:
 * the buffer stays, and the next frame that fits is in it.  From 2.6.34.
 */
static void too_long(void)
{
	uint32_t used;
	struct rig r;

	rig_make(&r, V1, 256);
	rig_start(&r);
	rig_alive(&r);
	for (uint32_t seq = 10; seq < 30; seq += 2) {
		unsigned int head = rig_offer_rx(&r, r.hdr_len + 100);
		uint8_t *p = rig_ptr(&r, rig_buffer(&r, RX, head));

		memset(p, POISON, 4096);
		ring_kick(&r.ring[RX]);
		frame_fill(frame, 101 + 100 * (seq % 20), seq);
		wire_send(r.wire, frame, 101 + 100 * (seq % 20));
		frame_fill(frame, 100, seq + 1);
		wire_send(r.wire, frame, 100);
		if (!take(&r, RX, head, 1, &used))
			return;
		EXPECT(used == r.hdr_len + 100, "used %u bytes", used);
		frame_check(p + r.hdr_len, 100, seq + 1);
		EXPECT(p[r.hdr_len + 100] == POISON, "written past the buffer");
		EXPECT(ring_used(&r.ring[RX]) == 0, "one more was used");
	}
	EXPECT(events(r.ring[RX].err) == 0, "a long frame is no error of the "
	       "driver's, and ERR says it was");
	rig_alive(&r);
}

const struct scenario rings[] = {
	{ "R1", "frames of all sizes come through byte for byte", sizes, 240 },
	{ "R2", "indices wrap", wrap, 600 },
	{ "R3", "all combinations of features of a ring", matrix, 60 },
	{ "R4", "all layouts of a chain, up to 1024 pieces", layouts, 60 },
	{ "R5", "num_buffers is always set", num_buffers, 0 },
	{ "R6", "64 KiB in up to 64 merged buffers", merged, 60 },
	{ "R7", "no kick is lost, and of a burst one is wanted", kicks_wanted, 1800 },
	{ "R8", "calls that are wanted, and no other", calls_wanted, 60 },
	{ "R9", "no late kick is lost", late_kicks, 1200 },
	{ "R10", "no CALL eventfd, and one that changes", call_changes, 120 },
	{ "R11", "IN_ORDER: one entry for a batch", in_order, 120 },
	{ "R12", "a frame too long for the next buffer", too_long, 0 },
	{ 0 }
};
