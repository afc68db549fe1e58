/* SPDX-License-Identifier: MIT */
/*
 * H10 to H13: memory that changes while vhost looks at it, that is two things
 * at once, or that goes away; and the same device over and over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "tests/conformance/clock.h"
#include "tests/conformance/victim.h"
#include "vhost/vhost.h"

static atomic_bool stop;

/* ---- H10, H12: rings that change while they are read ---- */

/* A value that means something somewhere, to get beyond the first check. */
static uint64_t odd_value(unsigned int *state)
{
	unsigned int a = (*state = *state * 1103515245U + 12345U) >> 8;

	switch (a % 8) {
	case 0:	return a >> 3 & 7;			/* flags */
	case 1:	return a >> 3 & (NUM * 2 - 1);		/* a descriptor */
	case 2:	return (a >> 3) % 2048;			/* a length */
	case 3:	return (uint64_t)(a >> 3) * 64 % RIG_MEMORY;
	case 4:	return RIG_MEMORY - (a >> 3 & 4095);
	case 5:	return (uint64_t)(a >> 3) << 41;
	default: return a;
	}
}

/* Change one field of one ring. */
static void mutate(struct ring *ring, unsigned int *state)
{
	unsigned int where = (*state = *state * 1103515245U + 12345U) >> 16;
	volatile struct vring_desc *d = &ring->v.desc[where / 16 % 8];
	uint64_t v = odd_value(state);

	switch (where % 16) {
	case 0: case 1: case 2: d->addr = v; break;
	case 3: case 4: case 5: d->len = (uint32_t)v; break;
	case 6: case 7:		d->flags = (uint16_t)v; break;
	case 8: case 9:		d->next = (uint16_t)v; break;
	case 10:
		*(volatile uint16_t *)&ring->v.avail->ring[where % NUM] =
			(uint16_t)v;
		break;
	case 11: *(volatile uint16_t *)&ring->v.avail->flags = v & 1; break;
	case 12: *(volatile uint16_t *)&ring->v.used->idx = (uint16_t)v; break;
	case 13:
		*(volatile uint16_t *)&ring->v.avail->ring[NUM] = (uint16_t)v;
		break;
	case 14:
		*(volatile uint16_t *)&ring->v.avail->idx = (uint16_t)
			(*(volatile uint16_t *)&ring->v.used->idx + where % 40);
		break;
	default: *(volatile uint16_t *)&ring->v.used->flags = v & 1; break;
	}
}

static void *scribble(void *arg)
{
	struct rig *r = arg;
	unsigned int state = 4711;

	while (!stop)
		for (unsigned int i = 0; i < 64; i++)
			mutate(&r->ring[state >> 20 & 1], &state);
	return NULL;
}

/* A ring of good descriptors, to be spoilt: eight, for frames of LEN bytes. */
static void lay_good(struct victim *p, unsigned int index)
{
	struct ring *ring = &p->bad.ring[index];
	uint32_t len = lay_frame(&p->bad, p->work, LEN, 13);

	for (uint16_t i = 0; i < 8; i++) {
		ring_desc(ring, i, p->work, index == TX ? len : 2048,
			  index == RX ? VRING_DESC_F_WRITE : 0, 0);
		ring_offer(ring, i);
	}
}

/*
 * H10: another CPU of the guest rewrites descriptors, avail and used while
 * vhost works on them: whatever it makes of that, no splat, and a reset cures.
 * Would catch a double fetch: what a check has seen must be what is used.
 */
void rewritten_meanwhile(void)
{
	unsigned int rounds = scaled(2000, 64), kicks = 0, broken = 0;
	unsigned int state = rnd();
	struct victim p;
	pthread_t t;

	victim_make(&p, MERGED | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	stop = false;
	REQUIRE(!pthread_create(&t, NULL, scribble, &p.bad), "no thread");
	for (unsigned int n = 0; n < rounds; n++) {
		for (unsigned int index = RX; index <= TX; index++) {
			lay_good(&p, index);
			/* With one CPU, little happens at the same time. */
			for (unsigned int i = 0; i < 6; i++)
				mutate(&p.bad.ring[index], &state);
			ring_kick(&p.bad.ring[index]);
			kicks++;
		}
		rig_poke(&p.bad, n);
		if (n % 8 == 7) {
			rig_settle(&p.bad);
			broken += !!events(p.bad.ring[RX].err);
			broken += !!events(p.bad.ring[TX].err);
			rig_reset(&p.bad);
		}
	}
	stop = true;
	pthread_join(t, NULL);
	note("%u kicks, a ring was broken %u times", kicks, broken);
	EXPECT(broken, "nothing of it ever broke a ring: no test");
	EXPECT(rig_alive(&p.good), "the neighbour suffers");
	rig_reset_empty(&p.bad);
	EXPECT(rig_alive(&p.bad), "no reset helps");
	victim_free(&p);
}

enum part { DESC, AVAIL, USED, PACKET, NR_PARTS };

/*
 * The guest writes over all of used, which is the device's alone.  The next
 * frame must be at the next place all the same, and idx be the device's own
 * count: vhost does not read what it wrote.
 */
static void used_written_over(struct victim *p, unsigned int index)
{
	struct rig *r = &p->bad;
	struct ring *ring = &r->ring[index];
	struct vring_used *used = ring->v.used;
	unsigned int desc;
	uint32_t id, len;

	for (unsigned int i = 0; i < 3; i++)
		if (index == TX ? !rig_send(r, LEN, i) : !rig_receive(r, LEN, i))
			return;
	memset(used, 0x5a, sizeof(*used) + NUM * sizeof(used->ring[0]));
	desc = index == TX ? rig_offer_tx(r, LEN, 3) : rig_offer_rx(r, 2048);
	ring_kick(ring);
	if (index == RX)
		rig_poke(r, 3);
	for (unsigned int ms = 0; used->idx == 0x5a5a && ms < SOON_MS; ms++)
		sleep_ms(1);
	rig_settle(r);
	id = used->ring[3].id;
	len = used->ring[3].len;
	EXPECT(used->idx == 4 && id == desc &&
	       len == (index == TX ? 0 : r->hdr_len + LEN),
	       "%s: used was written over; its idx is %u and the fourth is "
	       "(%u, %u bytes)", index == TX ? "TX" : "RX", used->idx, id, len);
	rig_reset_empty(r);
}

/*
 * H12: rings that lie on each other, or on a packet: what vhost writes to used
 * changes what it reads as desc or avail.  No splat, and a reset with rings of
 * their own is a cure.  First, a used that only the guest has spoilt: there,
 * what must come is known.
 */
void overlapping_rings(void)
{
	static const struct {
		const char *what;
		enum part part, on;
	} overlap[] = {
		{ "used on desc", USED, DESC },
		{ "used on avail", USED, AVAIL },
		{ "avail on desc", AVAIL, DESC },
		{ "used on a packet", USED, PACKET },
		{ "desc on a packet", DESC, PACKET },
	};
	struct victim p;

	victim_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++)
		used_written_over(&p, index);
	for (unsigned int i = 0; i < 5; i++)
		for (unsigned int index = RX; index <= TX; index++) {
			struct ring *ring = &p.bad.ring[index];
			void *part[] = {
				ring->v.desc, ring->v.avail, ring->v.used,
				rig_ptr(&p.bad, p.work),
			};
			struct vhost_ring set = {
				.num = NUM, .kick_fd = ring->kick,
				.call_fd = ring->call, .err_fd = ring->err,
			};
			int err;

			part[overlap[i].part] = part[overlap[i].on];
			set.desc = part[DESC];
			set.avail = part[AVAIL];
			set.used = part[USED];
			rig_stop(&p.bad);
			rig_rewind(&p.bad, 0);
			rig_set_tables(&p.bad);
			lay_good(&p, index);
			err = vhost_set_ring(p.bad.vhost, index, &set);
			EXPECT(!err, "%s: %s", overlap[i].what, strerror(-err));
			rig_backend(&p.bad, index, p.bad.tap);
			for (unsigned int n = 0; n < 8; n++) {
				lay_good(&p, index);
				ring_kick(ring);
				if (index == RX)
					rig_poke(&p.bad, n);
			}
			rig_settle(&p.bad);
			EXPECT(rig_alive(&p.good), "%s: the neighbour suffers",
			       overlap[i].what);
			rig_reset_empty(&p.bad);
			EXPECT(rig_alive(&p.bad), "%s: no reset helps",
			       overlap[i].what);
		}
	victim_free(&p);
}

/* ---- H11: memory that goes away ---- */

enum way { UNMAPPED, NO_ACCESS, READ_ONLY, TRUNCATED, NR_WAYS };

static const char *const part_name[] = { "desc", "avail", "used", "packet" };

/*
 * The parts of a ring and one packet, a page each, seen twice: ours stays where
 * it is in the rig's memory, so that we can look whatever happens; vhost's may
 * be taken away.
 */
struct twice {
	char *theirs;			/* NR_PARTS pages, in a row */
	int fd;				/* a memfd, which is both */
};

static void twice_make(struct victim *p, struct twice *t, unsigned int index)
{
	struct ring *ring = &p->bad.ring[index];
	char *ours[] = {
		(char *)ring->v.desc, (char *)ring->v.avail,
		(char *)ring->v.used, rig_ptr(&p->bad, p->work),
	};

	t->fd = memfd_create("ring", MFD_CLOEXEC);
	REQUIRE(t->fd >= 0 && !ftruncate(t->fd, NR_PARTS * PAGE), "memfd: %s",
		strerror(errno));
	for (unsigned int i = 0; i < NR_PARTS; i++)
		REQUIRE(mmap(ours[i], PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, t->fd, i * PAGE) ==
			ours[i], "mmap: %s", strerror(errno));
	t->theirs = mmap(NULL, NR_PARTS * PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED, t->fd, 0);
	REQUIRE(t->theirs != MAP_FAILED, "mmap: %s", strerror(errno));
}

/* All of what vhost sees is there (again). */
static void twice_restore(struct twice *t)
{
	REQUIRE(mmap(t->theirs, NR_PARTS * PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, t->fd, 0) == t->theirs,
		"mmap: %s", strerror(errno));
}

/*
 * A reset, and then ring @index of the rig as vhost shall see it.  The packet's
 * page is a region of its own in the table of memory, at an address of its own.
 */
#define PACKET_GPA	(1ULL << 32)

static void twice_start(struct victim *p, struct twice *t, unsigned int index)
{
	struct rig *r = &p->bad;
	struct ring *ring = &r->ring[index];
	const struct vhost_ring set = {
		.desc = t->theirs + DESC * PAGE,
		.avail = t->theirs + AVAIL * PAGE,
		.used = t->theirs + USED * PAGE,
		.num = NUM, .kick_fd = ring->kick, .call_fd = ring->call,
		.err_fd = ring->err,
	};
	const struct vhost_memory_region region[] = {
		{ 0, RIG_MEMORY, (uintptr_t)rig_ptr(r, 0), 0 },
		{ PACKET_GPA, PAGE, (uintptr_t)t->theirs + PACKET * PAGE, 0 },
	};

	twice_restore(t);
	rig_stop(r);
	rig_rewind(r, 0);
	rig_drain(r);
	rig_set_tables(r);
	rig_set_regions(r, region, 2);
	REQUIRE(!vhost_set_ring(r->vhost, index, &set), "the ring");
	REQUIRE(!rig_backend(r, index, r->tap), "no backend");
	/* TX looks at its ring once unasked; it must not see what comes next. */
	rig_settle(r);
}

static void take_away(struct twice *t, enum part part, enum way way)
{
	char *page = t->theirs + part * PAGE;
	bool done = false;
	int fd;

	switch (way) {
	case UNMAPPED:
		done = !munmap(page, PAGE);
		break;
	case NO_ACCESS:
		done = !mprotect(page, PAGE, PROT_NONE);
		break;
	case READ_ONLY:
		done = !mprotect(page, PAGE, PROT_READ);
		break;
	case TRUNCATED:
		fd = memfd_create("short", MFD_CLOEXEC);
		done = !ftruncate(fd, PAGE) &&
		       mmap(page, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, fd, 0) == page;
		*(volatile char *)page = 1;
		done = done && !ftruncate(fd, 0);
		close(fd);
		break;
	default:
		break;
	}
	REQUIRE(done, "page of %s: %s", part_name[part], strerror(errno));
}

/* One frame, or one buffer, in the page of the packet; published, no kick. */
static void twice_offer(struct victim *p, unsigned int index)
{
	struct ring *ring = &p->bad.ring[index];
	uint32_t len = lay_frame(&p->bad, p->work, LEN, 14);

	ring_desc(ring, 0, PACKET_GPA, index == TX ? len : PAGE,
		  index == TX ? 0 : VRING_DESC_F_WRITE, 0);
	ring_offer(ring, 0);
	ring_publish(ring);
}

/*
 * One page has gone; the ring is kicked.  What only has to be read may be
 * read-only, and the frame goes.  Otherwise: ERR, for a page of the ring.  A
 * packet that cannot be received is dropped and its buffer kept; one that
 * cannot be read would best be used and dropped, but see F1 at H6.
 */
static void page_gone(struct victim *p, struct twice *t, unsigned int index,
		      enum part part, enum way way)
{
	static const char *const way_name[] = {
		"unmapped", "without access", "read-only", "truncated",
	};
	struct ring *ring = &p->bad.ring[index];
	bool fine = way == READ_ONLY &&
		    (part < USED || (part == PACKET && index == TX));
	char what[64];

	snprintf(what, sizeof(what), "%s%s %s %s",
		 part == PACKET && index == TX && !fine ? "F1: " : "",
		 index == TX ? "TX" : "RX", part_name[part], way_name[way]);
	twice_start(p, t, index);
	twice_offer(p, index);
	take_away(t, part, way);
	REQUIRE(!eventfd_write(ring->kick, 1), "kick: %s", strerror(errno));
	if (index == RX)
		rig_poke(&p->bad, 14);

	if (fine) {
		EXPECT(ring_wait(ring, 1, SOON_MS), "%s: not used", what);
		EXPECT(!events(ring->err), "%s: ERR", what);
	} else if (part != PACKET) {
		EXPECT(wait_readable(ring->err, SOON_MS), "%s: no ERR", what);
	} else if (index == TX) {
		used_or_spins(&p->bad, 1, what);
	} else {
		sleep_ms(100);
		rig_settle(&p->bad);
		EXPECT(!ring_used(ring), "%s: used", what);
		twice_restore(t);
		rig_poke(&p->bad, 15);
		if (EXPECT(ring_wait(ring, 1, SOON_MS), "%s: no more frames",
			   what))
			frame_check((char *)rig_ptr(&p->bad, p->work) +
				    p->bad.hdr_len, LEN, 15);
	}
	EXPECT(!rig_backend(&p->bad, index, -1), "%s: does not stop", what);
}

/*
 * The page of @part goes, into @content, and userfaultfd holds back another.
 * TX has a frame to send: its worker asks for the page, and waits.  Returns the
 * userfaultfd.
 */
static int stall(struct victim *p, struct twice *t, enum part part,
		 char content[PAGE])
{
	int fd = late_pages();
	char *page = t->theirs + part * PAGE;
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	twice_start(p, t, TX);
	twice_offer(p, TX);
	memcpy(content, page, PAGE);
	REQUIRE(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		     MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page &&
		!ioctl(fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER: %s",
		strerror(errno));
	REQUIRE(!eventfd_write(p->bad.ring[TX].kick, 1), "kick: %s",
		strerror(errno));
	REQUIRE(wait_readable(fd, SOON_MS), "late %s: nobody asks for it",
		part_name[part]);
	return fd;
}

static void let_go(int fd, const char *page, const char *content)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page, .src = (uintptr_t)content, .len = PAGE,
	};

	REQUIRE(!ioctl(fd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s",
		strerror(errno));
}

static void *stop_backend(void *arg)
{
	struct victim *p = arg;

	rig_backend(&p->bad, TX, -1);
	stop = true;
	return NULL;
}

/*
 * A page whose owner takes its time: the worker stalls on it, and so does
 * whoever wants to stop the ring; the neighbour does not.  Once the page is
 * there, all goes on.
 */
static void page_late(struct victim *p, struct twice *t, enum part part)
{
	char content[PAGE];
	int fd = stall(p, t, part, content);
	uint8_t frame[LEN];
	pthread_t thread;

	stop = false;
	REQUIRE(!pthread_create(&thread, NULL, stop_backend, p), "no thread");
	EXPECT(rig_alive(&p->good), "late %s: the neighbour stalls, too",
	       part_name[part]);
	note("late %s: SET_BACKEND(-1) %s", part_name[part],
	     stop ? "does not wait for it" : "waits for it");
	let_go(fd, t->theirs + part * PAGE, content);
	for (unsigned int ms = 0; !stop && ms < SOON_MS; ms += 10)
		sleep_ms(10);
	REQUIRE(stop, "late %s: it has come, but SET_BACKEND(-1) does not "
		"return", part_name[part]);
	pthread_join(thread, NULL);
	if (EXPECT(wire_recv(p->bad.wire, frame, LEN, SOON_MS) == (int)LEN,
		   "late %s: the frame was lost", part_name[part]))
		frame_check(frame, LEN, 14);
	close(fd);
}

/*
 * The owner of such a ring is killed while its worker waits, by somebody who
 * has its userfaultfd, too, so that it does not go with the owner.  It must
 * die.
 *
 * Before 6.4 the worker is a thread of the kernel, to which SIGKILL means
 * nothing (F6): it waits on, and the owner for it, in vhost_net_stop(), where
 * no signal ends that either.  The same befalls an owner that closes its vhost
 * while it holds the only userfaultfd; then for good.
 */
static void killed_while_late(void)
{
	struct { int fd; char *page; } late;
	char content[PAGE] = { 0 };
	int tell[2], pidfd, fd;
	pid_t pid;

	REQUIRE(!pipe2(tell, O_CLOEXEC) && (pid = fork()) >= 0, "fork: %s",
		strerror(errno));
	if (!pid) {
		struct victim p;
		struct twice t;

		victim_make(&p, PLAIN);
		twice_make(&p, &t, TX);
		late.fd = stall(&p, &t, USED, content);
		late.page = t.theirs + USED * PAGE;
		if (write(tell[1], &late, sizeof(late)) == sizeof(late))
			pause();
		_exit(1);
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	REQUIRE(wait_readable(tell[0], 2 * SOON_MS) &&
		read(tell[0], &late, sizeof(late)) == sizeof(late),
		"no stall to be killed in");
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, late.fd, 0);
	REQUIRE(fd >= 0, "pidfd_getfd: %s", strerror(errno));
	kill(pid, SIGKILL);
	if (!EXPECT(wait_readable(pidfd, 3000), "F6: killed while its worker "
		    "waits for a page, the owner does not die")) {
		let_go(fd, late.page, content);
		REQUIRE(wait_readable(pidfd, SOON_MS), "nor once it is there");
	}
	waitpid(pid, NULL, 0);
	close(fd);
	close(pidfd);
}

/*
 * H11: each part of a ring, and a packet, unmapped, protected, on a file that
 * became shorter, or on a page that userfaultfd holds back: ERR, or a stall
 * until it is there; SET_BACKEND(-1) returns, the neighbour does not notice,
 * and a reset with good memory is a cure.  A stall does not keep its owner from
 * being killed.
 */
void memory_goes_away(void)
{
	struct victim p;
	struct twice t;

	victim_make(&p, PLAIN);
	for (unsigned int index = RX; index <= TX; index++) {
		twice_make(&p, &t, index);
		for (unsigned int part = 0; part < NR_PARTS; part++) {
			for (unsigned int way = 0; way < NR_WAYS; way++)
				page_gone(&p, &t, index, part, way);
			EXPECT(rig_alive(&p.good), "the neighbour suffers");
			twice_restore(&t);
			rig_reset_empty(&p.bad);
			EXPECT(rig_alive(&p.bad), "%s: no reset helps",
			       part_name[part]);
		}
	}
	for (unsigned int part = 0; part < NR_PARTS; part++)
		page_late(&p, &t, part);
	twice_restore(&t);
	rig_reset_empty(&p.bad);
	EXPECT(rig_alive(&p.bad), "no reset helps");
	victim_free(&p);
	killed_while_late();
}

/* ---- H13 ---- */

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* What the kernel itself uses, in KiB. */
static unsigned long kernel_kib(void)
{
	unsigned long sum = 0, n;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SUnreclaim: %lu", &n) == 1 ||
		    sscanf(line, "VmallocUsed: %lu", &n) == 1 ||
		    sscanf(line, "KernelStack: %lu", &n) == 1 ||
		    sscanf(line, "Percpu: %lu", &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

/*
 * H13: reset and other features, over and over, with a frame each way: every
 * header length works right after every other, no descriptor leaks, and the
 * kernel's memory does not grow by a KiB for each time (which 10,000 times
 * show), nor does it become slower.
 */
void renegotiated(void)
{
	static const uint64_t features[] = {
		0, FEATURE(VIRTIO_NET_F_MRG_RXBUF),
		FEATURE(VIRTIO_F_VERSION_1), MERGED,
		MERGED | FEATURE(VIRTIO_RING_F_EVENT_IDX),
		FEATURE(VIRTIO_RING_F_EVENT_IDX),
	};
	unsigned int count = scaled(10000, 60), fds;
	uint64_t start = 0, first = 0, last;
	unsigned long kib = 0, grown;
	struct rig r;

	rig_make(&r, PLAIN, NUM);
	rig_start(&r);
	fds = open_fds();
	for (unsigned int n = 0; n < count; n++) {
		if (n == count / 10) {
			first = (clock_ns() - start) / 1000000;
			kib = kernel_kib();
		}
		if (n == 0 || n == count - count / 10)
			start = clock_ns();
		rig_stop(&r);
		r.features = features[rnd() % 6];
		r.hdr_len = r.features & (FEATURE(VIRTIO_F_VERSION_1) |
					  FEATURE(VIRTIO_NET_F_MRG_RXBUF)) ?
			12 : 10;
		for (unsigned int i = RX; i <= TX; i++)
			r.ring[i].event_idx = r.features &
				FEATURE(VIRTIO_RING_F_EVENT_IDX);
		rig_rewind(&r, 0);
		rig_start(&r);
		if (!rig_send(&r, 60 + n % 1400, n) ||
		    !rig_receive(&r, 60 + n % 1400, n)) {
			note("at %u, with features %#llx", n,
			     (unsigned long long)r.features);
			break;
		}
	}
	last = (clock_ns() - start) / 1000000;
	grown = kernel_kib();
	grown = grown > kib ? grown - kib : 0;
	EXPECT(open_fds() == fds, "%u descriptors, not %u", open_fds(), fds);
	EXPECT(grown < 1024 + count / 4, "the kernel uses %lu KiB more", grown);
	EXPECT(last < 4 * first + 5000, "the last tenth took %llu ms, the "
	       "first %llu", (unsigned long long)last,
	       (unsigned long long)first);
	note("%u times; a tenth of it %llu ms; %lu KiB more", count,
	     (unsigned long long)last, grown);
	rig_free(&r);
}
