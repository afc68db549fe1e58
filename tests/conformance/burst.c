/* SPDX-License-Identifier: MIT */
/*
 * Frames by the burst, each checked byte for byte.
 */
#include <string.h>
#include <unistd.h>

#include "tests/conformance/burst.h"

static uint8_t frame[1 << 17];
unsigned int left_out;

uint8_t *bytes_at(struct rig *r, uint64_t gpa)
{
	return rig_ptr(r, gpa);
}

/*
 * Wait for @n chains used, and take them: they must be those from @head on, in
 * order.  Their lengths go to @len.  With IN_ORDER the device may write one entry
 * for many; the lengths of those that it leaves out become 0.
 */
bool take(struct rig *r, unsigned int index, unsigned int head,
	  unsigned int n, uint32_t *len)
{
	struct ring *ring = &r->ring[index];
	unsigned int mask = ring->v.num - 1;

	if (!EXPECT(ring_wait(ring, n, PATIENCE), "ring %u: %u of %u used in "
		    "%u ms", index, ring_used(ring), n, PATIENCE))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t id, bytes;

		ring_pop(ring, &id, &bytes);
		while (r->features & IN_ORDER && i + 1 < n &&
		       ((head + i) & mask) != id) {
			len[i++] = 0;
			ring->last_used++;
			left_out++;
		}
		if (!EXPECT(id == ((head + i) & mask), "ring %u: used %u, not "
			    "%u", index, id, (head + i) & mask))
			return false;
		len[i] = bytes;
	}
	return true;
}

/* Put what the last chain offered is into a table of its own. */
static void make_indirect(struct rig *r, unsigned int index, unsigned int desc,
			  uint64_t tables)
{
	struct ring *ring = &r->ring[index];
	uint64_t gpa = tables + (index * ring->v.num + desc) * 64ULL;
	struct vring_desc *t = rig_ptr(r, gpa), all = ring->v.desc[desc];

	t[0] = (struct vring_desc) { all.addr, r->hdr_len,
				     all.flags | VRING_DESC_F_NEXT, 1 };
	t[1] = (struct vring_desc) { all.addr + r->hdr_len,
				     all.len - r->hdr_len, all.flags, 0 };
	ring_desc(ring, desc, gpa, 2 * sizeof(t[0]), VRING_DESC_F_INDIRECT, 0);
}

/*
 * @n frames at once out of the tap; lengths @len, numbers from @seq on.  @tables
 * is room for indirect tables, or 0 for none.
 */
bool send_burst(struct rig *r, unsigned int n, const unsigned int *len,
		uint32_t seq, uint64_t tables)
{
	unsigned int first = 0;
	uint32_t used[BURST];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int desc = rig_offer_tx(r, len[i], seq + i);

		if (tables)
			make_indirect(r, TX, desc, tables);
		if (i == 0)
			first = desc;
	}
	ring_kick_if_wanted(&r->ring[TX]);
	for (unsigned int i = 0; i < n; i++) {
		int got = wire_recv(r->wire, frame, sizeof(frame), PATIENCE);

		if (!EXPECT(got == (int)len[i], "frame %u, the %u. of %u at "
			    "once: %d bytes, not %u", seq + i, i + 1, n, got,
			    len[i]) ||
		    !frame_check(frame, len[i], seq + i))
			return false;
	}
	if (!take(r, TX, first, n, used))
		return false;
	for (unsigned int i = 0; i < n; i++)
		if (!EXPECT(used[i] == 0, "TX used says %u bytes", used[i]))
			return false;
	return true;
}

/* The same into it; after each frame its buffer must be as it was before. */
bool receive_burst(struct rig *r, unsigned int n, const unsigned int *len,
		   uint32_t seq, uint64_t tables)
{
	const unsigned int more = 64;
	unsigned int first = 0;
	uint32_t used[BURST];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int all = r->hdr_len + len[i] + more;
		unsigned int desc = rig_offer_rx(r, all);

		memset(rig_ptr(r, rig_buffer(r, RX, desc)), POISON, all);
		if (tables)
			make_indirect(r, RX, desc, tables);
		if (i == 0)
			first = desc;
	}
	ring_kick_if_wanted(&r->ring[RX]);
	for (unsigned int i = 0; i < n; i++) {
		frame_fill(frame, len[i], seq + i);
		wire_send(r->wire, frame, len[i]);
	}
	if (!take(r, RX, first, n, used))
		return false;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int all = r->hdr_len + len[i];
		unsigned int desc = (first + i) & (r->ring[RX].v.num - 1);
		const uint8_t *p = rig_ptr(r, rig_buffer(r, RX, desc));

		if (!EXPECT(used[i] == all || (r->features & IN_ORDER &&
					       used[i] == 0),
			    "frame %u: %u bytes used, not %u", seq + i,
			    used[i], all) ||
		    !frame_check(p + r->hdr_len, len[i], seq + i))
			return false;
		for (unsigned int k = 0; k < more; k++)
			if (!EXPECT(p[all + k] == POISON, "frame %u of %u bytes"
				    ": byte %u after it was written", seq + i,
				    len[i], k))
				return false;
	}
	return true;
}

/* @n frames each way, of random lengths, in random bursts. */
bool stream(struct rig *r, unsigned int n, unsigned int max)
{
	unsigned int len[BURST];
	uint32_t seq = 0;

	while (n) {
		unsigned int burst = 1 + rnd() % BURST;

		if (burst > n)
			burst = n;
		for (unsigned int i = 0; i < burst; i++)
			len[i] = FRAME_MIN + rnd() % (max - FRAME_MIN + 1);
		if (!send_burst(r, burst, len, seq, 0) ||
		    !receive_burst(r, burst, len, seq, 0))
			return EXPECT(false, "at burst %u..%u", seq,
				      seq + burst - 1);
		n -= burst;
		seq += burst;
	}
	return true;
}

/* Stop @r, and let it start anew with @features, from an empty tap. */
void renegotiate(struct rig *r, uint64_t features, uint16_t base)
{
	rig_stop(r);
	/* Stopped, vhost has put back what it had taken in advance. */
	while (read(r->tap, frame, sizeof(frame)) > 0)
		;
	r->features = features;
	r->hdr_len = features & (V1 | MRG) ? 12 : 10;
	for (unsigned int i = 0; i < 2; i++)
		r->ring[i].event_idx = features & EVENT_IDX;
	rig_rewind(r, base);
	rig_start(r);
}
