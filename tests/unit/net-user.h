/* SPDX-License-Identifier: MIT */
/*
 * A stage for the user-space backend: a driver that does as the spec says, a
 * tap that is one end of a socket pair (a write is a frame), and a main loop
 * that is taken one event at a time: a test sees after each what it did.
 */
#ifndef TESTS_UNIT_NET_USER_H
#define TESTS_UNIT_NET_USER_H

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "machine/uapi.h"
#include "tests/unit/check.h"
#include "virtio/net-user.h"

#define RAM		(16ULL << 20)
#define RING_STEP	0x20000ULL	/* all of a ring of 2,048 */
#define DATA		(2 * RING_STEP)
#define FRAME_MAX	NET_USER_FRAME_MAX
#define HEADER		12
#define UNTOUCHED	0xee		/* what RX buffers are filled with */
#define SPINS		1000		/* no test needs that many events */

#define MRG		FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define INDIRECT	FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)

static struct memory mem;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop loop;
static struct tap tap;
static int peer;			/* the network behind the tap */
static int kick_fd[NET_RINGS], call_fd[NET_RINGS];
static struct net_user card;
static uint64_t features;

/* The driver's end of each ring. */
static struct side {
	struct vring ring;
	uint16_t kicked;		/* avail idx when that was thought of */
	uint16_t seen;			/* in the used ring */
	unsigned int next_desc;
} side[NET_RINGS];
static struct net_ring place[NET_RINGS];
static uint64_t next_data;

/*
 * ---- what the backend calls ----
 */

/* What became of it all. */
static struct {
	unsigned int readv, writev;	/* calls for the tap */
	unsigned int full;		/* of those: the tap was full */
	unsigned int failed;		/* calls of u->failed() */
	unsigned int index;
	const char *why;
	int header;			/* TUNSETVNETHDRSZ */
	unsigned long offload;		/* TUNSETOFFLOAD */
} seen;

static int io_error;			/* errno for the tap's next transfer */
static int ioctl_error;			/* and for each ioctl */

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;

	(void)fd;
	if (ioctl_error) {
		errno = ioctl_error;
		return -1;
	}
	va_start(ap, request);
	if (request == TUNSETVNETHDRSZ)
		seen.header = *va_arg(ap, int *);
	else if (request == TUNSETOFFLOAD)
		seen.offload = va_arg(ap, unsigned long);
	va_end(ap);
	return 0;
}

typedef ssize_t transfer(int fd, const struct iovec *iov, int n);

/* By way of the sanitizer, which checks that all of @iov may be used. */
static ssize_t transfer_as(const char *name, int fd, const struct iovec *iov,
			   int n)
{
	transfer *real = (transfer *)dlsym(RTLD_NEXT, name);
	ssize_t done;

	if (io_error == EBADFD) {	/* there is no tap to take a frame */
		errno = io_error;
		return -1;
	}
	done = real(fd, iov, n);
	if (io_error) {
		errno = io_error;
		io_error = 0;
		return -1;
	}
	return done;
}

ssize_t readv(int fd, const struct iovec *iov, int n)
{
	seen.readv++;
	return transfer_as("readv", fd, iov, n);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	ssize_t done = transfer_as("writev", fd, iov, n);

	seen.writev++;
	seen.full += done < 0 && errno == EAGAIN;
	return done;
}

static inline int net_start(void)
{
	return card.backend.ops->start(&card.backend, place, features);
}

static inline void net_stop(void)
{
	card.backend.ops->stop(&card.backend, place);
}

/* As the card does: it stops. */
static inline void on_failed(void *ctx, unsigned int index, const char *why)
{
	(void)ctx;
	seen.failed++;
	seen.index = index;
	seen.why = why;
	net_stop();
}

/*
 * ---- building and clearing ----
 */

static inline void must(bool ok)
{
	if (!ok)
		abort();
}

static inline void begin(unsigned int num, uint64_t accepted)
{
	int pair[2];

	memset(&seen, 0, sizeof(seen));
	memset(&loop, 0, sizeof(loop));
	memset(side, 0, sizeof(side));
	io_error = ioctl_error = 0;
	next_data = DATA;
	features = accepted | FEATURE(VIRTIO_F_VERSION_1);
	must(memory_create(&mem, RAM) == 0 && loop_create(&loop, &lock) == 0);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
	tap.fd = pair[0];
	peer = pair[1];
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		char *at = guest_ptr(&mem, i * RING_STEP, RING_STEP);

		vring_init(&side[i].ring, num, at, 16);
		place[i] = (struct net_ring) {
			.desc = side[i].ring.desc, .avail = side[i].ring.avail,
			.used = side[i].ring.used, .num = num,
		};
		kick_fd[i] = eventfd(0, EFD_NONBLOCK);
		call_fd[i] = eventfd(0, EFD_NONBLOCK);
	}
	must(net_user_create(&card, &loop, &tap, &mem, kick_fd, call_fd) == 0);
	card.failed = on_failed;
}

static inline void end(void)
{
	if (card.running)
		net_stop();
	net_user_destroy(&card);
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		close(kick_fd[i]);
		close(call_fd[i]);
	}
	close(tap.fd);
	close(peer);
	close(loop.epoll_fd);
	close(loop.stop_fd);
	memory_destroy(&mem);
}

/* The main loop's next event; NULL if it would sleep now. */
static inline struct watch *next_event(void)
{
	struct epoll_event ev;

	return epoll_wait(loop.epoll_fd, &ev, 1, 0) == 1 ? ev.data.ptr : NULL;
}

static inline bool step(void)
{
	struct watch *w = next_event();

	if (w)
		w->ready(w->ctx);
	return w;
}

/* Until the loop would sleep.  Returns how many events that took. */
static inline unsigned int settle(void)
{
	unsigned int steps = 0;

	while (steps < SPINS && step())
		steps++;
	return steps;
}

static inline bool idle(void)
{
	return settle() < SPINS;
}

/*
 * ---- the driver ----
 */

/*
 * Offer a chain of @n buffers of @len[] bytes.  Each is by itself in memory,
 * with something before and behind it that must not change.
 */
static inline void post(unsigned int index, const uint32_t *len, unsigned int n)
{
	struct side *s = &side[index];
	struct vring *r = &s->ring;
	uint16_t flags = index == NET_RX ? VRING_DESC_F_WRITE : 0;
	struct vring_desc *table = r->desc;
	unsigned int size = r->num, first = s->next_desc;
	uint16_t head = first % r->num;

	if (features & INDIRECT) {
		table = guest_ptr(&mem, next_data, n * sizeof(*table));
		r->desc[head] = (struct vring_desc) {
			next_data, n * sizeof(*table), VRING_DESC_F_INDIRECT, 0,
		};
		next_data += n * sizeof(*table);
		size = n;
		first = 0;
	}
	for (unsigned int i = 0; i < n; i++) {
		table[(first + i) % size] = (struct vring_desc) {
			next_data + 1, len[i],
			flags | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			(first + i + 1) % size,
		};
		memset(guest_ptr(&mem, next_data, len[i] + 2), UNTOUCHED,
		       len[i] + 2);
		next_data = (next_data + len[i] + 2 + 15) & ~15ULL;
	}
	s->next_desc += features & INDIRECT ? 1 : n;
	r->avail->ring[r->avail->idx % r->num] = head;
	r->avail->idx++;
}

static inline void post_one(unsigned int index, uint32_t len)
{
	post(index, &len, 1);
}

/* Kick, if the device has asked for it. */
static inline void kick(unsigned int index)
{
	struct side *s = &side[index];
	uint16_t idx = s->ring.avail->idx;
	bool wanted = features & EVENT_IDX ?
		vring_need_event(vring_avail_event(&s->ring), idx, s->kicked) :
		!(s->ring.used->flags & VRING_USED_F_NO_NOTIFY);

	if (wanted)
		eventfd_write(kick_fd[index], 1);
	s->kicked = idx;
}

/* Has there been an interrupt since this was last asked? */
static inline bool called(unsigned int index)
{
	eventfd_t n;

	return eventfd_read(call_fd[index], &n) == 0;
}

/* How many chains came back that the driver has not looked at? */
static inline unsigned int returned(unsigned int index)
{
	struct side *s = &side[index];

	return (uint16_t)(s->ring.used->idx - s->seen);
}

static inline const struct vring_used_elem *next_used(unsigned int index)
{
	struct side *s = &side[index];

	must(returned(index));
	vring_used_event(&s->ring) = s->seen + 1;
	return &s->ring.used->ring[s->seen++ % s->ring.num];
}

/*
 * Copy @len bytes into or out of chain @head.  True if it is as long as that
 * and no byte around and behind them has changed.
 */
static inline bool walk(unsigned int index, uint16_t head, uint8_t *bytes,
			size_t len, bool fill)
{
	const struct vring_desc *table = side[index].ring.desc;
	unsigned int i = head;
	bool clean = true;

	if (table[i].flags & VRING_DESC_F_INDIRECT) {
		table = guest_ptr(&mem, table[i].addr, table[i].len);
		i = 0;
	}
	for (;; i = table[i].next) {
		uint32_t size = table[i].len;
		uint8_t *at = guest_ptr(&mem, table[i].addr - 1, size + 2);
		size_t n = size < len ? size : len;

		if (fill)
			memcpy(at + 1, bytes, n);
		else
			memcpy(bytes, at + 1, n);
		clean &= at[0] == UNTOUCHED;
		for (uint32_t rest = n; !fill && rest <= size; rest++)
			clean &= at[1 + rest] == UNTOUCHED;
		bytes += n;
		len -= n;
		if (!(table[i].flags & VRING_DESC_F_NEXT))
			return clean && len == 0;
	}
}

/*
 * ---- frames ----
 */

/* Frame @seq: no two are the same, nor any two bytes in a row. */
static inline void make_frame(uint8_t *f, size_t len, unsigned int seq)
{
	for (size_t i = 0; i < len; i++)
		f[i] = i * 7 + seq * 31 + (i >> 8) + (seq >> 8);
	if (len >= HEADER + 4)
		memcpy(f + HEADER, &seq, 4);
}

static inline bool network_sends(size_t len, unsigned int seq)
{
	static uint8_t f[FRAME_MAX];

	make_frame(f, len, seq);
	return send(peer, f, len, 0) == (ssize_t)len;
}

/* The next frame is @seq, and whole. */
static inline bool network_gets(size_t len, unsigned int seq)
{
	static uint8_t want[FRAME_MAX], f[FRAME_MAX + 1];

	make_frame(want, len, seq);
	return recv(peer, f, sizeof(f), 0) == (ssize_t)len &&
	       memcmp(f, want, len) == 0;
}

static inline void driver_sends(const uint32_t *cut, unsigned int n,
				unsigned int seq)
{
	static uint8_t f[FRAME_MAX];
	uint16_t head = side[NET_TX].next_desc % side[NET_TX].ring.num;
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += cut[i];
	make_frame(f, len, seq);
	post(NET_TX, cut, n);
	walk(NET_TX, head, f, len, true);
}

/*
 * The driver's next frame is @seq, in exactly @buffers chains, of which each
 * but the last is full, and nothing else has been written.
 */
static inline bool driver_gets(size_t len, unsigned int seq, uint16_t buffers)
{
	static uint8_t want[FRAME_MAX], f[FRAME_MAX];
	size_t got = 0;

	if (returned(NET_RX) < buffers)
		return false;
	for (unsigned int i = 0; i < buffers; i++) {
		const struct vring_used_elem *e = next_used(NET_RX);

		if (e->len > len - got || (e->len == 0 && len > 0) ||
		    !walk(NET_RX, e->id, f + got, e->len, false))
			return false;
		got += e->len;
	}
	make_frame(want, len, seq);
	memcpy(want + 10, &buffers, sizeof(buffers));	/* 5.1.6.4.1 */
	return got == len && memcmp(f, want, len) == 0;
}

#endif
