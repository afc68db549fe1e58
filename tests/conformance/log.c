/* SPDX-License-Identifier: MIT */
/*
 * The bitmap that vhost logs its writes in, and what really was written: see
 * log.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/conformance/iommu.h"
#include "tests/conformance/log.h"
#include "vhost/vhost.h"

/*
 * ---- the bitmap ----
 */

void log_make(struct log *log, uint64_t top)
{
	log->bytes = (top / PAGE + 63) / 64 * sizeof(*log->word);
	log->word = mmap(NULL, log->bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	REQUIRE(log->word != MAP_FAILED, "no memory for a log");
}

void log_free(struct log *log)
{
	munmap((void *)log->word, log->bytes);
}

bool logged(const struct log *log, uint64_t page)
{
	return log->word[page / 64] >> page % 64 & 1;
}

void log_harvest(struct log *log, struct log *into)
{
	for (size_t i = 0; i < log->bytes / 8; i++) {
		uint64_t bits;

		if (!atomic_load_explicit(&log->word[i], memory_order_relaxed))
			continue;
		bits = atomic_exchange(&log->word[i], 0);
		if (into)
			atomic_fetch_or(&into->word[i], bits);
	}
}

int set_log_base(struct rig *r, const void *base)
{
	uint64_t address = (uintptr_t)base;

	return vhost_ioctl(r->vhost, VHOST_SET_LOG_BASE, &address);
}

int log_ring(struct rig *r, unsigned int index, bool on)
{
	const struct vring *v = &r->ring[index].v;
	struct vhost_vring_addr addr = {
		.index		 = index,
		.flags		 = on ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr	 = (uintptr_t)v->desc,
		.avail_user_addr = (uintptr_t)v->avail,
		.used_user_addr	 = (uintptr_t)v->used,
		.log_guest_addr	 = rig_gpa(r, v->used),
	};

	if (r->features & IOTLB) {
		addr.desc_user_addr = rig_gpa(r, v->desc);
		addr.avail_user_addr = rig_gpa(r, v->avail);
		addr.used_user_addr = rig_gpa(r, v->used);
	}
	return vhost_ioctl(r->vhost, VHOST_SET_VRING_ADDR, &addr);
}

/* The order of a migration (QEMU's too): base, features, rings. */
void log_on(struct rig *r, const struct log *log)
{
	int err = set_log_base(r, (const void *)log->word);

	REQUIRE(!err, "SET_LOG_BASE: %s", strerror(-err));
	err = vhost_set_features(r->vhost, r->features | LOG_ALL);
	REQUIRE(!err, "SET_FEATURES with LOG_ALL: %s", strerror(-err));
	for (unsigned int i = 0; i < 2; i++) {
		err = log_ring(r, i, true);
		REQUIRE(!err, "SET_VRING_ADDR with F_LOG: %s", strerror(-err));
	}
}

void attach(struct rig *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		int err = rig_backend(r, i, r->tap);

		REQUIRE(!err, "SET_BACKEND of ring %u: %s", i, strerror(-err));
	}
}

void start_logged(struct rig *r, const struct log *log)
{
	rig_set_tables(r);
	for (unsigned int i = 0; i < 2; i++)
		rig_set_ring(r, i);
	log_on(r, log);
	attach(r);
}

/*
 * ---- memory as it was ----
 */

void shadow_take(struct shadow *s, struct rig *r, uint64_t gpa, uint64_t bytes)
{
	s->gpa = gpa;
	s->bytes = bytes;
	s->copy = malloc(bytes);
	REQUIRE(s->copy, "no memory for a copy");
	memcpy(s->copy, rig_ptr(r, gpa), bytes);
}

static bool shadow_changed(const struct shadow *s, struct rig *r, uint64_t page)
{
	uint64_t at = page * PAGE - s->gpa;

	return memcmp(s->copy + at, rig_ptr(r, page * PAGE), PAGE) != 0;
}

void mark(uint8_t *set, uint64_t gpa, uint64_t bytes)
{
	if (!bytes)
		return;
	for (uint64_t p = gpa / PAGE; p <= (gpa + bytes - 1) / PAGE; p++)
		set[p] = 1;
}

uint64_t used_bytes(const struct ring *ring)
{
	return 4 + 8ULL * ring->v.num + (ring->event_idx ? 2 : 0);
}

/* A page may be named once only: one fault is enough to read. */
void check_changed(const struct shadow *s, struct rig *r,
		   const struct log *log, const char *what)
{
	for (uint64_t p = s->gpa / PAGE; p < (s->gpa + s->bytes) / PAGE; p++)
		if (!EXPECT(logged(log, p) || !shadow_changed(s, r, p),
			    "%s: page %#llx was written and is not in the log",
			    what, (unsigned long long)p))
			return;
}

void check_allowed(const struct log *log, const uint8_t *allowed,
		   uint64_t pages, const char *what)
{
	for (uint64_t p = 0; p < log->bytes * 8; p++)
		if (!EXPECT(!logged(log, p) || (p < pages && allowed[p]),
			    "%s: page %#llx is in the log, and nothing could "
			    "have been written to it", what,
			    (unsigned long long)p))
			return;
}
