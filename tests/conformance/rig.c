/* SPDX-License-Identifier: MIT */
/*
 * The other side of vhost: a driver's half of the rings, a tap, and frames.
 * What each function is for is in rig.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>

#include "machine/uapi.h"
#include "tests/conformance/rig.h"
#include "vhost/vhost.h"

#define PAGE		4096U
#define TAP_MTU		65521	/* the largest that a tap takes */
#define SLOT_MAX	0x11000	/* the longest frame that IP has, and more */
#define SLOTS_BYTES	(40U << 20)
#define PATIENCE	5000	/* ms until something will never come */

#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

static struct rig *rigs[8];		/* what dump_state() shows */
static int probe = -1;			/* sends, on any interface */

/*
 * ---- eventfds and time ----
 */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

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

bool ring_kick_if_wanted(struct ring *r)
{
	uint16_t before = r->v.avail->idx;
	bool wanted;

	ring_publish(r);
	/* idx must be seen before we look whether to tell (2.7.13.4.1). */
	atomic_thread_fence(memory_order_seq_cst);
	if (r->event_idx)
		wanted = vring_need_event(avail_event(r), r->next_avail,
					  before);
	else
		wanted = !(READ_ONCE(r->v.used->flags) &
			   VRING_USED_F_NO_NOTIFY);
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
	uint64_t end = now_ns() + ms * 1000000ULL;

	/* By looking, so that the call eventfd keeps its count. */
	for (unsigned int i = 0; ring_used(r) < n; i++) {
		if (now_ns() > end)
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
 * ---- taps and wires ----
 */

static void if_request(unsigned long request, const char *what,
		       struct ifreq *ifr)
{
	REQUIRE(ioctl(probe, request, ifr) == 0, "%s of %s: %s", what,
		ifr->ifr_name, strerror(errno));
}

static void open_probe(void)
{
	/* Closing one waits for RCU, so it is kept. */
	if (probe < 0)
		probe = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	REQUIRE(probe >= 0, "AF_PACKET: %s", strerror(errno));
}

/* An interface may drop frames for a while after it came up. */
static void wait_for_frames(int tap, const char *name)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	unsigned char frame[64], buf[2048];
	bool seen = false;

	frame_fill(frame, sizeof(frame), 0);
	to.sll_ifindex = if_nametoindex(name);
	for (unsigned int i = 0; i < 200 && !seen; i++) {
		sendto(probe, frame, sizeof(frame), 0, (struct sockaddr *)&to,
		       sizeof(to));
		seen = wait_readable(tap, i ? 10 : 0);
	}
	REQUIRE(seen, "%s: no frame came out in 2 s", name);
	while (read(tap, buf, sizeof(buf)) > 0)
		;
}

void if_up(const char *name, bool up)
{
	struct ifreq ifr = { 0 };

	open_probe();
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if_request(SIOCGIFFLAGS, "flags", &ifr);
	if (up)
		ifr.ifr_flags |= IFF_UP;
	else
		ifr.ifr_flags &= ~IFF_UP;
	if_request(SIOCSIFFLAGS, up ? "up" : "down", &ifr);
}

int tap_open(const char *name, short flags)
{
	struct ifreq ifr = { 0 };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	open_probe();
	REQUIRE(fd >= 0, "/dev/net/tun: %s", strerror(errno));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags;
	REQUIRE(ioctl(fd, TUNSETIFF, &ifr) == 0, "TUNSETIFF %s: %s", name,
		strerror(errno));
	REQUIRE(ioctl(fd, TUNSETOFFLOAD, 0UL) == 0, "TUNSETOFFLOAD: %s",
		strerror(errno));
	if_request(SIOCGIFFLAGS, "flags", &ifr);
	if (ifr.ifr_flags & IFF_UP)	/* one more queue of it */
		return fd;
	ifr.ifr_mtu = TAP_MTU;
	if_request(SIOCSIFMTU, "MTU", &ifr);
	if_up(name, true);
	wait_for_frames(fd, name);
	return fd;
}

int wire_open(const char *name)
{
	struct sockaddr_ll on = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(FRAME_TYPE),
		.sll_ifindex = if_nametoindex(name),
	};
	int room = 8 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0, "AF_PACKET: %s", strerror(errno));
	REQUIRE(bind(fd, (struct sockaddr *)&on, sizeof(on)) == 0,
		"bind to %s: %s", name, strerror(errno));
	/* Long frames, and many: none may be lost for want of room. */
	REQUIRE(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
			   sizeof(room)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
			   sizeof(room)) == 0, "buffers: %s", strerror(errno));
	return fd;
}

void own_sys(void)
{
	REQUIRE(unshare(CLONE_NEWNS) == 0 &&
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("sysfs", "/sys", "sysfs", 0, NULL) == 0,
		"/sys of this network namespace: %s", strerror(errno));
}

void wire_send(int wire, const void *frame, unsigned int len)
{
	uint64_t end = now_ns() + PATIENCE * 1000000ULL;
	ssize_t n;

	while ((n = send(wire, frame, len, 0)) < 0 &&
	       (errno == EAGAIN || errno == ENOBUFS) && now_ns() < end)
		usleep(100);
	REQUIRE(n == (ssize_t)len, "wire: sent %zd of %u: %s", n, len,
		n < 0 ? strerror(errno) : "short");
}

int wire_recv(int wire, void *frame, unsigned int max, unsigned int ms)
{
	uint64_t end = now_ns() + ms * 1000000ULL;

	for (;;) {
		struct sockaddr_ll from;
		socklen_t size = sizeof(from);
		uint64_t t;
		ssize_t n = recvfrom(wire, frame, max, MSG_TRUNC,
				     (struct sockaddr *)&from, &size);

		/* Our own, that wire_send() sent, are shown to us as well. */
		if (n >= 0 && from.sll_pkttype == PACKET_OUTGOING)
			continue;
		if (n >= 0)
			return n;
		REQUIRE(errno == EAGAIN || errno == ENETDOWN, "wire: %s",
			strerror(errno));
		t = now_ns();
		if (t >= end)
			return -1;
		wait_readable(wire, (end - t) / 1000000 + 1);
	}
}

/*
 * ---- frames ----
 */

#define SEQ_AT	8	/* in the source address, which no frame lacks */

/* Neighbours differ by one, and so do 256 bytes apart: any shift shows. */
static uint8_t pattern(unsigned int at, uint32_t seq)
{
	return (uint8_t)(at + (at >> 8)) ^ (uint8_t)(seq * 0x9d);
}

void frame_fill(void *frame, unsigned int len, uint32_t seq)
{
	static const uint8_t head[FRAME_MIN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff,	/* to everybody */
		0x02, 0, 0, 0, 0, 0,			/* from no vendor */
		FRAME_TYPE >> 8, FRAME_TYPE & 0xff,
	};
	uint8_t *p = frame;

	memcpy(p, head, len < FRAME_MIN ? len : FRAME_MIN);
	if (len >= SEQ_AT + sizeof(seq))
		memcpy(p + SEQ_AT, &seq, sizeof(seq));
	for (unsigned int i = FRAME_MIN; i < len; i++)
		p[i] = pattern(i, seq);
}

uint32_t frame_seq(const void *frame)
{
	uint32_t seq;

	memcpy(&seq, (const uint8_t *)frame + SEQ_AT, sizeof(seq));
	return seq;
}

/* By how much @frame is shifted, or 0 if no shift explains it. */
static int find_shift(const uint8_t *p, unsigned int len, uint32_t seq)
{
	for (int by = -32; by <= 32; by++) {
		unsigned int i = FRAME_MIN + 32, same = 0;

		for (; by && i + 32 < len && i < 200; i++)
			same += p[i] == pattern(i + by, seq);
		if (same && same + FRAME_MIN + 32 == i)
			return by;
	}
	return 0;
}

bool frame_check(const void *frame, unsigned int len, uint32_t seq)
{
	static uint8_t want[1 << 17];
	const uint8_t *p = frame;
	unsigned int at = 0;
	int shift;

	REQUIRE(len <= sizeof(want), "a frame of %u bytes", len);
	frame_fill(want, len, seq);
	if (memcmp(p, want, len) == 0)
		return true;
	while (p[at] == want[at])
		at++;
	shift = find_shift(p, len, seq);
	if (shift)
		return EXPECT(false, "frame %u of %u bytes is shifted: byte 0 "
			      "is where %d should be", seq, len, shift);
	return EXPECT(false, "frame %u of %u bytes: byte %u is %#x, not %#x; "
		      "it says it is frame %u", seq, len, at, p[at], want[at],
		      len >= FRAME_MIN ? frame_seq(p) : 0);
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
