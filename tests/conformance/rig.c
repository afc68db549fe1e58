/* SPDX-License-Identifier: MIT */
/*
 * The other side of vhost: a driver's half of the rings, and memory for them.
 * What each function is for is in rig.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "machine/uapi.h"
#include "tests/conformance/clock.h"
#include "tests/conformance/rig.h"
#include "vhost/vhost.h"

#define PAGE		4096U
#define SLOT_MAX	0x11000	/* the longest frame that IP has, and more */
#define SLOTS_BYTES	(40U << 20)
#define PATIENCE	5000	/* ms until something will never come */

#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

static struct rig *rigs[8];		/* what dump_state() shows */

/*
 * ---- eventfds and time ----
 */

uint64_t events(int fd)
{
	eventfd_t n;

	return fd >= 0 && eventfd_read(fd, &n) == 0 ? n : 0;
}

bool wait_readable(int fd, unsigned int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0 && p.revents & POLLIN;
}

static int make_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	REQUIRE(fd >= 0, "eventfd: %s", strerror(errno));
	return fd;
}

/*
 * ---- a ring ----
 */

void ring_desc(struct ring *r, unsigned int i, uint64_t gpa, uint32_t len,
	       uint16_t flags, uint16_t next)
{
	r->v.desc[i] = (struct vring_desc) { gpa, len, flags, next };
}

void ring_offer(struct ring *r, uint16_t head)
{
	r->v.avail->ring[r->next_avail++ & (r->v.num - 1)] = head;
}

void ring_publish(struct ring *r)
{
	/* What idx covers must be there before idx is. */
	atomic_thread_fence(memory_order_release);
	WRITE_ONCE(r->v.avail->idx, r->next_avail);
}

static void signal_kick(const struct ring *r)
{
	REQUIRE(eventfd_write(r->kick, 1) == 0, "kick: %s", strerror(errno));
}

void ring_kick(struct ring *r)
{
	ring_publish(r);
	signal_kick(r);
}

/* The index that the device wants to be told of, as it stands now. */
static uint16_t avail_event(const struct ring *r)
{
	const volatile void *event = &r->v.used->ring[r->v.num];

	return *(const volatile uint16_t *)event;
}

bool ring_publish_wanted(struct ring *r)
{
	uint16_t before = r->v.avail->idx;

	ring_publish(r);
	/* idx must be seen before we look whether to tell (2.7.13.4.1). */
	atomic_thread_fence(memory_order_seq_cst);
	if (r->event_idx)
		return vring_need_event(avail_event(r), r->next_avail, before);
	return !(READ_ONCE(r->v.used->flags) & VRING_USED_F_NO_NOTIFY);
}

bool ring_kick_if_wanted(struct ring *r)
{
	bool wanted = ring_publish_wanted(r);

	if (wanted)
		signal_kick(r);
	return wanted;
}

unsigned int ring_used(const struct ring *r)
{
	uint16_t n = READ_ONCE(r->v.used->idx) - r->last_used;

	/* The entries, only after the idx that covers them. */
	atomic_thread_fence(memory_order_acquire);
	return n;
}

bool ring_wait(const struct ring *r, unsigned int n, unsigned int ms)
{
	uint64_t end = clock_ns() + ms * 1000000ULL;

	/* By looking, so that the call eventfd keeps its count. */
	for (unsigned int i = 0; ring_used(r) < n; i++) {
		if (clock_ns() > end)
			return ring_used(r) >= n;
		if (i < 20)
			sched_yield();
		else
			nanosleep(&(struct timespec) { .tv_nsec = 100000 },
				  NULL);
	}
	return true;
}

bool ring_pop(struct ring *r, uint32_t *id, uint32_t *len)
{
	const struct vring_used_elem *e;

	if (!ring_used(r))
		return false;
	e = &r->v.used->ring[r->last_used++ & (r->v.num - 1)];
	*id = e->id;
	*len = e->len;
	return true;
}

static void show_count(const char *name, int fd)
{
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "eventfd-count:", 14) == 0)
			note("    %s %s", name, strtok(line + 14, " \t\n"));
	if (f)
		fclose(f);
}

void ring_dump(const struct ring *r)
{
	unsigned int num = r->v.num, flight;

	if (!num)
		return;
	note("  %s ring of %u: avail idx %u flags %#x, used idx %u flags %#x, "
	     "we: next avail %u, last used %u", r->index ? "TX" : "RX", num,
	     r->v.avail->idx, r->v.avail->flags, r->v.used->idx,
	     r->v.used->flags, r->next_avail, r->last_used);
	note("    used_event %u, avail_event %u%s", vring_used_event(&r->v),
	     vring_avail_event(&r->v), r->event_idx ? "" : " (not in use)");
	show_count("kicks pending", r->kick);
	show_count("calls pending", r->call);
	show_count("errors pending", r->err);
	flight = (uint16_t)(r->next_avail - r->v.used->idx);
	for (unsigned int i = 0; i < flight && i < 4; i++) {
		unsigned int at = (r->v.used->idx + i) & (num - 1);
		unsigned int head = r->v.avail->ring[at];
		const struct vring_desc *d = &r->v.desc[head & (num - 1)];

		note("    avail[%u] = %u: gpa %#llx len %u flags %#x next %u",
		     at, head, (unsigned long long)d->addr, d->len, d->flags,
		     d->next);
	}
}

/*
 * ---- vhost's worker ----
 */

/* "vhost-PID" is whose it works for; of several, the newest. */
static int newest_worker(const char *dir, int owner)
{
	unsigned long long newest = 0, started;
	char path[300], text[512], wanted[32];
	int found = -1;
	struct dirent *e;
	DIR *d = opendir(dir);

	snprintf(wanted, sizeof(wanted), "vhost-%d", owner);
	while (d && (e = readdir(d))) {
		FILE *f;
		char *name, *end;

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/%.20s/stat", dir, e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(text, sizeof(text), f))
			text[0] = '\0';
		fclose(f);
		/* pid (name) state ..., of which the 22nd is its start. */
		name = strchr(text, '(');
		end = strrchr(text, ')');
		if (!name || !end)
			continue;
		*end = '\0';
		if (strcmp(name + 1, wanted) != 0)
			continue;
		if (sscanf(end + 2, "%*c %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			   "%*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			   &started) == 1 &&
		    (started > newest || (started == newest &&
					  atoi(e->d_name) > found))) {
			newest = started;
			found = atoi(e->d_name);
		}
	}
	if (d)
		closedir(d);
	return found;
}

int worker_of(int owner)
{
	char dir[32];
	int pid;

	snprintf(dir, sizeof(dir), "/proc/%d/task", owner);
	pid = newest_worker(dir, owner);
	return pid >= 0 ? pid : newest_worker("/proc", owner);
}

int worker_pid(const struct rig *r)
{
	return r->worker;
}

uint64_t worker_cpu(int pid)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	f = fopen(path, "re");
	REQUIRE(f && fscanf(f, "%llu", &ns) == 1, "%s: %s", path,
		strerror(errno));
	fclose(f);
	return ns;
}

uint64_t worker_switches(int pid)
{
	unsigned long long sum = 0, n;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	REQUIRE(f, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
			sum += n;
	fclose(f);
	return sum;
}

cpu_set_t on_one_cpu(const struct rig *r)
{
	cpu_set_t before, one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	REQUIRE(!sched_getaffinity(0, sizeof(before), &before) &&
		!sched_setaffinity(0, sizeof(one), &one) &&
		!sched_setaffinity(r->worker, sizeof(one), &one),
		"affinity: %s", strerror(errno));
	return before;
}

static void dump_rigs(void)
{
	for (unsigned int i = 0; i < sizeof(rigs) / sizeof(rigs[0]); i++) {
		const struct rig *r = rigs[i];
		char path[64];

		if (!r)
			continue;
		note("  rig on %s: features %#llx, header %u", r->name,
		     (unsigned long long)r->features, r->hdr_len);
		snprintf(path, sizeof(path), "/proc/%d/schedstat", r->worker);
		if (r->worker >= 0 && access(path, R_OK) == 0)
			note("  its worker, %d, had the CPU for %llu us",
			     r->worker, (unsigned long long)
			     worker_cpu(r->worker) / 1000);
		ring_dump(&r->ring[RX]);
		ring_dump(&r->ring[TX]);
	}
}

/*
 * ---- the rig ----
 */

uint64_t rig_alloc(struct rig *r, size_t bytes)
{
	uint64_t gpa = r->buffers;

	r->buffers += (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	REQUIRE(r->buffers <= RIG_MEMORY, "the rig's memory is used up");
	return gpa;
}

void *rig_ptr(struct rig *r, uint64_t gpa)
{
	void *p = guest_ptr(&r->mem, gpa, 1);

	REQUIRE(p, "gpa %#llx is not memory", (unsigned long long)gpa);
	return p;
}

uint64_t rig_buffer(const struct rig *r, unsigned int index, unsigned int desc)
{
	return r->slots + (uint64_t)r->slot_bytes *
	       (index * r->ring[0].v.num + desc);
}

int late_pages(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOSYS)
		skip("this kernel has no userfaultfd");
	REQUIRE(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0, "userfaultfd: %s",
		strerror(errno));
	return fd;
}

int vhost_open(void)
{
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	REQUIRE(fd >= 0, "/dev/vhost-net: %s", strerror(errno));
	return fd;
}

static void make_ring(struct rig *r, unsigned int index, unsigned int num)
{
	struct ring *ring = &r->ring[index];

	ring->index = index;
	ring->mem = &r->mem;
	ring->gpa = rig_alloc(r, vring_size(num, PAGE));
	vring_init(&ring->v, num, rig_ptr(r, ring->gpa), PAGE);
	ring->event_idx = r->features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
	ring->kick = make_eventfd();
	ring->call = make_eventfd();
	ring->err = make_eventfd();
}

static unsigned int header_of(uint64_t features)
{
	return features & (FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
			   FEATURE(VIRTIO_F_VERSION_1)) ?
	       sizeof(struct virtio_net_hdr_v1) : sizeof(struct virtio_net_hdr);
}

void rig_own(struct rig *r)
{
	int err = vhost_own(r->vhost);

	REQUIRE(!err, "SET_OWNER: %s", strerror(-err));
	r->worker = worker_of(getpid());
}

void rig_prepare(struct rig *r, uint64_t features, unsigned int num)
{
	static unsigned int made;
	unsigned int i;
	int err;

	*r = (struct rig) { .features = features,
			    .hdr_len = header_of(features), .worker = -1 };
	r->vhost = vhost_open();
	err = vhost_get_features(r->vhost, &r->offered);
	REQUIRE(!err, "GET_FEATURES: %s", strerror(-err));
	if (features & ~r->offered)
		skip("vhost offers no feature %#llx", (unsigned long long)
		     (features & ~r->offered));
	REQUIRE(memory_create(&r->mem, RIG_MEMORY) == 0, "no memory");
	r->buffers = PAGE;	/* so that gpa 0 is nobody's */
	make_ring(r, RX, num);
	make_ring(r, TX, num);
	r->slot_bytes = SLOTS_BYTES / (2 * num) & ~63U;
	if (r->slot_bytes > SLOT_MAX)
		r->slot_bytes = SLOT_MAX;
	r->slots = rig_alloc(r, (size_t)r->slot_bytes * 2 * num);
	snprintf(r->name, sizeof(r->name), "conf%u", made++);
	r->tap = tap_open(r->name, 0);
	r->wire = wire_open(r->name);

	for (i = 0; i < sizeof(rigs) / sizeof(rigs[0]); i++)
		if (!rigs[i]) {
			rigs[i] = r;
			break;
		}
	dump_state = dump_rigs;
}

void rig_make(struct rig *r, uint64_t features, unsigned int num)
{
	rig_prepare(r, features, num);
	rig_own(r);
}

void rig_set_tables(struct rig *r)
{
	int err = vhost_set_features(r->vhost, r->features), bytes = r->hdr_len;

	REQUIRE(!err, "SET_FEATURES %#llx: %s",
		(unsigned long long)r->features, strerror(-err));
	err = vhost_set_memory(r->vhost, &r->mem);
	REQUIRE(!err, "SET_MEM_TABLE: %s", strerror(-err));
	REQUIRE(ioctl(r->tap, TUNSETVNETHDRSZ, &bytes) == 0,
		"TUNSETVNETHDRSZ %d: %s", bytes, strerror(errno));
}

void rig_set_ring(struct rig *r, unsigned int index)
{
	const struct ring *ring = &r->ring[index];
	const struct vhost_ring set = {
		.desc = ring->v.desc, .avail = ring->v.avail,
		.used = ring->v.used, .num = ring->v.num, .base = ring->base,
		.kick_fd = ring->kick, .call_fd = ring->call,
		.err_fd = ring->err,
	};
	int err = vhost_set_ring(r->vhost, index, &set);

	REQUIRE(!err, "setting ring %u: %s", index, strerror(-err));
}

int rig_backend(struct rig *r, unsigned int index, int fd)
{
	struct vhost_vring_file file = { index, fd };

	return vhost_ioctl(r->vhost, VHOST_NET_SET_BACKEND, &file);
}

/* Every ioctl of a device waits for what its worker has begun. */
void rig_settle(const struct rig *r)
{
	int none = -1;

	REQUIRE(!ioctl(r->vhost, VHOST_SET_LOG_FD, &none), "LOG_FD -1: %s",
		strerror(errno));
}

void rig_start(struct rig *r)
{
	rig_set_tables(r);
	for (unsigned int i = 0; i < 2; i++)
		rig_set_ring(r, i);
	for (unsigned int i = 0; i < 2; i++) {
		int err = rig_backend(r, i, r->tap);

		REQUIRE(!err, "SET_BACKEND of ring %u: %s", i, strerror(-err));
	}
}

void rig_stop(struct rig *r)
{
	for (unsigned int i = 0; i < 2; i++) {
		int err = rig_backend(r, i, -1);

		REQUIRE(!err, "SET_BACKEND(-1) of ring %u: %s", i,
			strerror(-err));
		err = vhost_get_base(r->vhost, i, &r->ring[i].base);
		REQUIRE(!err, "GET_VRING_BASE: %s", strerror(-err));
	}
}

void rig_rewind(struct rig *r, uint16_t base)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct ring *ring = &r->ring[i];

		memset(rig_ptr(r, ring->gpa), 0, vring_size(ring->v.num, PAGE));
		ring->base = ring->next_avail = ring->last_used = base;
		ring->v.avail->idx = ring->v.used->idx = base;
		vring_used_event(&ring->v) = base;
		vring_avail_event(&ring->v) = base;
		events(ring->kick);
		events(ring->call);
		events(ring->err);
	}
}

void rig_free(struct rig *r)
{
	for (unsigned int i = 0; i < sizeof(rigs) / sizeof(rigs[0]); i++)
		if (rigs[i] == r)
			rigs[i] = NULL;
	close(r->vhost);
	if (r->tap >= 0)
		close(r->tap);
	close(r->wire);
	for (unsigned int i = 0; i < 2; i++) {
		close(r->ring[i].kick);
		close(r->ring[i].call);
		close(r->ring[i].err);
	}
	memory_destroy(&r->mem);
}

/*
 * ---- traffic ----
 */

/* vhost takes chains in order, so the oldest descriptor is the next free. */
static unsigned int next_desc(const struct rig *r, unsigned int index)
{
	const struct ring *ring = &r->ring[index];

	REQUIRE((uint16_t)(ring->next_avail - ring->last_used) < ring->v.num,
		"ring %u is full", index);
	return ring->next_avail & (ring->v.num - 1);
}

unsigned int rig_offer_rx(struct rig *r, unsigned int bytes)
{
	unsigned int desc = next_desc(r, RX);

	REQUIRE(bytes <= r->slot_bytes, "a buffer of %u bytes", bytes);
	ring_desc(&r->ring[RX], desc, rig_buffer(r, RX, desc), bytes,
		  VRING_DESC_F_WRITE, 0);
	ring_offer(&r->ring[RX], desc);
	return desc;
}

unsigned int rig_offer_tx(struct rig *r, unsigned int len, uint32_t seq)
{
	unsigned int desc = next_desc(r, TX);
	uint64_t gpa = rig_buffer(r, TX, desc);
	uint8_t *p = rig_ptr(r, gpa);

	REQUIRE(r->hdr_len + len <= r->slot_bytes, "a frame of %u bytes", len);
	memset(p, 0, r->hdr_len);
	frame_fill(p + r->hdr_len, len, seq);
	ring_desc(&r->ring[TX], desc, gpa, r->hdr_len + len, 0, 0);
	ring_offer(&r->ring[TX], desc);
	return desc;
}

/* The next used of ring @index must be @desc, of length @len. */
static bool take_used(struct rig *r, unsigned int index, unsigned int desc,
		      unsigned int len)
{
	static const char *const name[] = { "RX", "TX" };
	uint32_t id, got;

	if (!EXPECT(ring_wait(&r->ring[index], 1, PATIENCE), "%s: nothing "
		    "used in %u ms", name[index], PATIENCE))
		return false;
	REQUIRE(ring_pop(&r->ring[index], &id, &got), "no entry of used");
	return EXPECT(id == desc && got == len, "%s: used (%u, %u bytes), not "
		      "(%u, %u bytes)", name[index], id, got, desc, len);
}

bool rig_send(struct rig *r, unsigned int len, uint32_t seq)
{
	static uint8_t frame[1 << 17];
	unsigned int desc = rig_offer_tx(r, len, seq);
	int n;

	ring_kick(&r->ring[TX]);
	n = wire_recv(r->wire, frame, sizeof(frame), PATIENCE);
	if (!EXPECT(n >= 0, "TX: frame %u of %u bytes did not come", seq, len))
		return false;
	return EXPECT(n == (int)len, "TX: frame %u has %d bytes, not %u", seq,
		      n, len) &
	       frame_check(frame, (unsigned int)n < len ? (unsigned int)n : len,
			   seq) &
	       take_used(r, TX, desc, 0);
}

bool rig_receive(struct rig *r, unsigned int len, uint32_t seq)
{
	static uint8_t frame[1 << 17];
	unsigned int desc = rig_offer_rx(r, r->hdr_len + len);
	uint64_t gpa = rig_buffer(r, RX, desc);

	ring_kick(&r->ring[RX]);
	frame_fill(frame, len, seq);
	wire_send(r->wire, frame, len);
	return take_used(r, RX, desc, r->hdr_len + len) &&
	       frame_check((uint8_t *)rig_ptr(r, gpa) + r->hdr_len, len, seq);
}

bool rig_alive(struct rig *r)
{
	static uint32_t seq = 0xa11f0000;
	bool alive = true;

	for (unsigned int i = 0; i < 4 && alive; i++) {
		alive = rig_send(r, 60 + 100 * i, seq) &&
			rig_receive(r, 60 + 100 * i, seq);
		seq++;
	}
	return alive;
}
