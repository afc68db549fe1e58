/* SPDX-License-Identifier: MIT */
/*
 * A rig to be maltreated, and its neighbour; see victim.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/victim.h"

void victim_make(struct victim *p, uint64_t features)
{
	rig_make(&p->good, PLAIN, NUM);
	rig_start(&p->good);
	rig_make(&p->bad, features, NUM);
	rig_start(&p->bad);
	p->work = rig_alloc(&p->bad, (size_t)WORK_PAGES * PAGE);
}

void victim_free(struct victim *p)
{
	rig_free(&p->bad);
	rig_free(&p->good);
}

unsigned int rig_drain(const struct rig *r)
{
	uint8_t frame[2048];
	unsigned int n = 0;

	while (wire_recv(r->wire, frame, sizeof(frame), 0) >= 0)
		n++;
	return n;
}

void rig_reset(struct rig *r)
{
	rig_stop(r);
	rig_rewind(r, 0);
	rig_drain(r);
	rig_start(r);
}

void rig_reset_empty(struct rig *r)
{
	uint8_t frame[4096];

	rig_stop(r);
	while (read(r->tap, frame, sizeof(frame)) > 0)
		;
	rig_rewind(r, 0);
	rig_drain(r);
	rig_start(r);
}

void rig_set_regions(const struct rig *r,
		     const struct vhost_memory_region *region, unsigned int n)
{
	struct vhost_memory *m = calloc(1, sizeof(*m) + n * sizeof(*region));
	int err;

	REQUIRE(m, "no memory");
	m->nregions = n;
	memcpy(m->regions, region, n * sizeof(*region));
	err = ioctl(r->vhost, VHOST_SET_MEM_TABLE, m) < 0 ? errno : 0;
	free(m);
	REQUIRE(!err, "MEM_TABLE: %s", strerror(err));
}

void rig_poke(struct rig *r, uint32_t seq)
{
	uint8_t frame[LEN];

	frame_fill(frame, sizeof(frame), seq);
	wire_send(r->wire, frame, sizeof(frame));
}

void expect_poked(struct rig *r, uint32_t seq, const char *what)
{
	struct ring *rx = &r->ring[RX];
	uint64_t gpa = rig_buffer(r, RX, rig_offer_rx(r, 2048));
	uint32_t id, len;

	ring_kick(rx);
	if (!EXPECT(ring_wait(rx, 1, SOON_MS) && ring_pop(rx, &id, &len),
		    "%s: after a reset the frame of before is lost", what))
		return;
	if (EXPECT(len == r->hdr_len + LEN, "%s: %u bytes arrived", what, len))
		frame_check((char *)rig_ptr(r, gpa) + r->hdr_len, LEN, seq);
}

uint32_t lay_frame(struct rig *r, uint64_t gpa, unsigned int len, uint32_t seq)
{
	memset(rig_ptr(r, gpa), 0, r->hdr_len);
	frame_fill((char *)rig_ptr(r, gpa) + r->hdr_len, len, seq);
	return r->hdr_len + len;
}

void expect_broken(struct victim *p, unsigned int index, const char *what)
{
	static uint32_t seq = 0x10000;
	struct ring *ring = &p->bad.ring[index];

	seq++;
	ring_kick(ring);
	if (index == RX)
		rig_poke(&p->bad, seq);
	if (EXPECT(wait_readable(ring->err, SOON_MS), "%s %s: no ERR",
		   index == RX ? "RX" : "TX", what)) {
		rig_settle(&p->bad);
		EXPECT(!ring_used(ring), "%s: %u used nevertheless", what,
		       ring_used(ring));
		EXPECT(index == RX || !rig_drain(&p->bad),
		       "%s: a frame was sent nevertheless", what);
	}
	EXPECT(rig_alive(&p->good), "%s: the neighbour suffers", what);
	rig_reset(&p->bad);
	if (index == RX)
		expect_poked(&p->bad, seq, what);
	EXPECT(rig_alive(&p->bad), "%s: no reset helps", what);
	/* Whoever comes next lays its descriptors from the start again. */
	rig_reset(&p->bad);
}

void expect_fine(struct victim *p, uint32_t seq, unsigned int len,
		 const char *what)
{
	static uint8_t frame[65536];
	struct ring *tx = &p->bad.ring[TX];
	int got;

	ring_kick(tx);
	if (EXPECT(ring_wait(tx, 1, SOON_MS), "%s: not used", what)) {
		got = wire_recv(p->bad.wire, frame, sizeof(frame), SOON_MS);
		if (EXPECT(got == (int)len, "%s: %d bytes on the wire, not %u",
			   what, got, len))
			frame_check(frame, len, seq);
	}
	EXPECT(!events(tx->err), "%s: ERR", what);
	rig_reset(&p->bad);
}

unsigned int worker_busy(const struct rig *r)
{
	int pid = worker_pid(r);
	uint64_t cpu, start;

	REQUIRE(pid > 0, "the worker is not to be found");
	cpu = worker_cpu(pid);
	start = clock_ns();
	sleep_ms(1000);
	return (unsigned int)((worker_cpu(pid) - cpu) * 100 /
			      (clock_ns() - start));
}

bool used_or_spins(const struct rig *r, unsigned int n, const char *what)
{
	const struct ring *tx = &r->ring[TX];
	unsigned int busy;

	for (unsigned int ms = 0; ms < SOON_MS; ms += 1000) {
		if (ring_wait(tx, n, 100))
			return true;
		busy = worker_busy(r);
		if (!EXPECT(busy < 50 || ring_used(tx) >= n, "%s: not used, "
			    "and the worker is %u %% busy with it", what, busy))
			return false;
	}
	return EXPECT(ring_used(tx) >= n, "%s: %u of %u used", what,
		      ring_used(tx), n);
}
