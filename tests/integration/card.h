/* SPDX-License-Identifier: MIT */
/*
 * A network card without a guest: a backend on one side of it, vhost_net or the
 * one in user space, and on the other a driver that fills rings by hand and
 * listens to the eventfds.  The host's end is here too, a packet socket on the
 * tap's interface.
 */
#ifndef TESTS_INTEGRATION_CARD_H
#define TESTS_INTEGRATION_CARD_H

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_ring.h>

#include "machine/memory.h"
#include "machine/tap.h"
#include "machine/uapi.h"
#include "tests/integration/stage.h"
#include "vhost/net.h"
#include "virtio/net-user.h"

#define PATIENCE	3000	/* ms until something will never come */
#define SILENCE		20	/* ms in which something would have come */

#define RAM		(4ULL << 20)
#define NUM		256	/* entries of a ring */
#define SLOTS		16	/* chains: each has descriptors and a page */
#define PER_SLOT	(NUM / SLOTS)
#define SPARE		(NUM - 1)	/* a descriptor that no chain needs */
#define HDR		((unsigned int)sizeof(struct virtio_net_hdr_v1))
#define POISON		0xa5

#define FRAME_MAX	1514
#define ETHERTYPE	0x88b5	/* IEEE 802: local experiments, so ours alone */

#define MRG		FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define EVENT_IDX	FEATURE(VIRTIO_RING_F_EVENT_IDX)
/* What a driver accepts besides: vhost must not see the card's own bits. */
#define BASIC		(FEATURE(VIRTIO_F_VERSION_1) | \
			 FEATURE(VIRTIO_NET_F_MAC) | \
			 FEATURE(VIRTIO_NET_F_STATUS) | \
			 FEATURE(VIRTIO_NET_F_CSUM))

/* How a chain is cut: header joined with the data, in front, or in crumbs. */
enum shape { JOINED, OWN, CRUMBS, SHAPES };
static const char *const shape_name[] = {
	"joined with the data", "in a descriptor of its own",
	"in descriptors of 1 byte",
};
static const char *const ring_name[] = { "RX", "TX" };

enum kind { VHOST, USER, KINDS };
static const char *const kind_name[] = { "vhost_net", "user space" };

/* What the launcher's main thread is to the backend in user space. */
struct user_side {
	struct loop loop;
	pthread_mutex_t lock;
	pthread_t thread;
	struct net_user net;
};

/* A card: the driver's half of it, the backend's, and the host's end. */
struct card {
	const char *name;
	struct memory mem;
	struct tap tap;
	struct net_backend *backend;	/* one of the next two */
	struct vhost_net vhost;
	struct user_side *user;
	int err_fd[NET_RINGS];
	const char *why;		/* the user side told with err_fd */
	int kick_fd[NET_RINGS], call_fd[NET_RINGS];
	struct net_ring ring[NET_RINGS];
	uint64_t features;
	bool started;
	enum shape shape;
	uint16_t seen[NET_RINGS];	/* used entries taken */
	int host;			/* the packet socket */
};

/* ---- The host's end of the wire ---- */

static inline void frame_make(uint8_t *frame, uint32_t seq, unsigned int len)
{
	static const struct ethhdr eth = {
		.h_dest = { 2, 0, 0, 0, 0, 1 },
		.h_source = { 2, 0, 0, 0, 0, 2 },
		.h_proto = __builtin_bswap16(ETHERTYPE),
	};

	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &seq, sizeof(seq));
	for (unsigned int i = sizeof(eth) + sizeof(seq); i < len; i++)
		frame[i] = seq * 7 + i * 13 + (i >> 8);
}

static inline bool frame_is(const uint8_t *frame, unsigned int got,
			    uint32_t seq, unsigned int len)
{
	uint8_t want[FRAME_MAX];
	uint32_t saw = 0;

	frame_make(want, seq, len);
	if (got == len && memcmp(frame, want, len) == 0)
		return true;
	if (got >= sizeof(struct ethhdr) + sizeof(saw))
		memcpy(&saw, frame + sizeof(struct ethhdr), sizeof(saw));
	return complain("expected frame %u of %u bytes, got %u of %u", seq, len,
			saw, got);
}

static inline int host_open(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = __builtin_bswap16(ETHERTYPE),
		.sll_ifindex = if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		complain("packet socket on %s: %m", name);
	return fd;
}

static inline bool host_send(struct card *c, uint32_t seq, unsigned int len)
{
	uint8_t frame[FRAME_MAX];

	frame_make(frame, seq, len);
	return send(c->host, frame, len, 0) == (ssize_t)len ||
	       complain("%s: sending frame %u: %m", c->name, seq);
}

/* Has @fd something to read within @ms? */
static inline bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0 && p.revents & POLLIN;
}

static inline bool host_got(struct card *c, uint32_t seq, unsigned int len)
{
	uint8_t frame[FRAME_MAX + 1];
	ssize_t got;

	if (!readable(c->host, PATIENCE))
		return complain("%s: frame %u did not reach the host", c->name,
				seq);
	got = recv(c->host, frame, sizeof(frame), 0);
	return got > 0 && frame_is(frame, got, seq, len);
}

/* ---- The driver's half ---- */

static inline bool rang(int eventfd, int ms)
{
	uint64_t n;

	return readable(eventfd, ms) && read(eventfd, &n, sizeof(n)) > 0;
}

static inline void kick(struct card *c, unsigned int q)
{
	uint64_t one = 1;

	if (write(c->kick_fd[q], &one, sizeof(one)) < 0)
		complain("kick: %m");
}

static inline uint16_t used_idx(const struct card *c, unsigned int q)
{
	const struct vring_used *used = c->ring[q].used;

	return __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);
}

static inline uint64_t slot_gpa(unsigned int q, unsigned int slot)
{
	return 0x100000 * (q + 1) + slot * 0x1000;
}

/* Byte @i of what a chain holds, header first. */
static inline uint8_t *byte_at(struct card *c, unsigned int q,
			       unsigned int slot, unsigned int i)
{
	unsigned int at = i;

	if (c->shape != JOINED && i >= HDR)
		at = 0x200 + i - HDR;
	else if (c->shape == CRUMBS)
		at = 3 * i;
	return (uint8_t *)c->mem.region[0].hva + slot_gpa(q, slot) + at;
}

/* Write the descriptors of a chain of @len bytes, and return its head. */
static inline uint16_t chain(struct card *c, unsigned int q, unsigned int slot,
		      unsigned int len)
{
	struct vring_desc *desc = c->ring[q].desc;
	uint16_t flags = q == NET_RX ? VRING_DESC_F_WRITE : 0;
	uint16_t d = slot * PER_SLOT;

	for (unsigned int done = 0, n; done < len; done += n, d++) {
		n = done >= HDR || c->shape == JOINED ? len - done :
		    c->shape == OWN ? HDR : 1;
		desc[d] = (struct vring_desc) {
			.addr = byte_at(c, q, slot, done) -
				(uint8_t *)c->mem.region[0].hva,
			.len = n,
			.flags = flags | VRING_DESC_F_NEXT,
			.next = d + 1,
		};
	}
	desc[d - 1].flags = flags;
	return slot * PER_SLOT;
}

static inline void expose(struct card *c, unsigned int q, uint16_t head)
{
	struct vring_avail *avail = c->ring[q].avail;

	avail->ring[avail->idx % NUM] = head;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_RELEASE);
}

/* With EVENT_IDX: ring when used entry @idx is written. */
static inline void ring_at(struct card *c, unsigned int q, uint16_t idx)
{
	struct vring_avail *avail = c->ring[q].avail;

	avail->ring[NUM] = idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Wait for a used entry as a driver does, by its interrupt alone: one that does
 * not come is a hang, whatever the ring says.
 */
static const struct vring_used_elem *take(struct card *c, unsigned int q)
{
	const struct vring_used *used = c->ring[q].used;

	for (;;) {
		ring_at(c, q, c->seen[q]);
		if (used_idx(c, q) != c->seen[q])
			return &used->ring[c->seen[q]++ % NUM];
		if (rang(c->call_fd[q], PATIENCE))
			continue;
		complain("%s: no interrupt from %s: avail idx %u, used idx %u, "
			 "taken %u", c->name, ring_name[q],
			 ((struct vring_avail *)c->ring[q].avail)->idx,
			 used_idx(c, q), c->seen[q]);
		return NULL;
	}
}

static inline void rx_post(struct card *c, unsigned int slot, unsigned int len)
{
	memset((char *)c->mem.region[0].hva + slot_gpa(NET_RX, slot), POISON,
	       0x1000);
	expose(c, NET_RX, chain(c, NET_RX, slot, len));
}

/* Take a frame from the RX ring.  Its slot is free again; -1 is a failure. */
static inline int rx_take(struct card *c, uint32_t seq, unsigned int len)
{
	const struct vring_used_elem *e = take(c, NET_RX);
	union {
		struct virtio_net_hdr_v1 hdr;
		uint8_t byte[HDR + FRAME_MAX + 1];
	} got;
	unsigned int slot;

	if (!e)
		return -1;
	slot = e->id / PER_SLOT;
	if (e->id % PER_SLOT || slot >= SLOTS || e->len > HDR + FRAME_MAX ||
	    e->len < HDR)
		return complain("used entry: id %u, len %u", e->id, e->len), -1;
	for (unsigned int i = 0; i <= e->len; i++)
		got.byte[i] = *byte_at(c, NET_RX, slot, i);
	if (!frame_is(got.byte + HDR, e->len - HDR, seq, len))
		return -1;
	if (got.byte[e->len] != POISON)
		return complain("a byte too many was written"), -1;
	if (got.hdr.flags || got.hdr.gso_type)
		return complain("header: flags %#x, gso_type %#x",
				got.hdr.flags, got.hdr.gso_type), -1;
	/* Without MRG_RXBUF, Linux before 6.14 leaves this field alone. */
	if ((c->features & MRG || c->user) && got.hdr.num_buffers != 1)
		return complain("header: num_buffers %u",
				got.hdr.num_buffers), -1;
	return slot;
}

static inline void tx_put(struct card *c, unsigned int slot, uint32_t seq,
		   unsigned int len)
{
	uint8_t frame[FRAME_MAX];

	frame_make(frame, seq, len);
	for (unsigned int i = 0; i < HDR + len; i++)
		*byte_at(c, NET_TX, slot, i) = i < HDR ? 0 : frame[i - HDR];
	expose(c, NET_TX, chain(c, NET_TX, slot, HDR + len));
}

/* The slot whose frame is sent, free again; -1 is a failure. */
static inline int tx_take(struct card *c)
{
	const struct vring_used_elem *e = take(c, NET_TX);

	if (!e)
		return -1;
	if (e->id % PER_SLOT || e->len)
		return complain("used entry: id %u, len %u", e->id, e->len), -1;
	return e->id / PER_SLOT;
}

/* One frame in, one frame out, with nothing else under way. */
static inline bool rx(struct card *c, uint32_t seq, unsigned int len)
{
	rx_post(c, 0, 2048);
	kick(c, NET_RX);
	return host_send(c, seq, len) && rx_take(c, seq, len) == 0;
}

static inline bool tx(struct card *c, uint32_t seq, unsigned int len)
{
	tx_put(c, 0, seq, len);
	kick(c, NET_TX);
	return host_got(c, seq, len) && tx_take(c) == 0;
}

static inline bool both(struct card *c, uint32_t seq)
{
	return rx(c, seq, 60) && tx(c, seq, 60);
}

/* Nothing more comes, on either side. */
static inline bool quiet(struct card *c)
{
	return !readable(c->host, SILENCE) &&
	       used_idx(c, NET_RX) == c->seen[NET_RX] &&
	       used_idx(c, NET_TX) == c->seen[NET_TX];
}

/* ---- A card, from the cradle ---- */

static inline int backend_start(struct card *c)
{
	int err;

	if (c->user)
		pthread_mutex_lock(&c->user->lock);
	err = c->backend->ops->start(c->backend, c->ring, c->features);
	if (c->user)
		pthread_mutex_unlock(&c->user->lock);
	return err;
}

static inline bool start(struct card *c)
{
	int err = backend_start(c);

	c->started = err == 0;
	return c->started || complain("start: %s", strerror(-err));
}

static inline bool stop(struct card *c)
{
	int err;

	if (c->user)
		pthread_mutex_lock(&c->user->lock);
	err = c->backend->ops->stop(c->backend, c->ring);
	if (c->user)
		pthread_mutex_unlock(&c->user->lock);
	c->started = false;
	return err == 0 || complain("stop: %s", strerror(-err));
}

/* What a driver does between reset and DRIVER_OK: all rings new, from @at. */
static inline void reset_at(struct card *c, uint16_t at)
{
	if (c->started)
		stop(c);
	for (unsigned int q = 0; q < NET_RINGS; q++) {
		struct vring_avail *avail = c->ring[q].avail;
		struct vring_used *used = c->ring[q].used;

		memset(c->ring[q].desc, 0, 0x10000);
		avail->idx = used->idx = c->ring[q].base = c->seen[q] = at;
		while (rang(c->call_fd[q], 0))
			;
		while (rang(c->err_fd[q], 0))
			;
	}
	c->shape = JOINED;
}

static inline bool restart(struct card *c)
{
	reset_at(c, 0);
	return start(c);
}

/* Close what vhost_net_create() may have opened, also when it refused. */
static inline void vhost_close(struct vhost_net *v)
{
	if (!v->backend.features && v->passed_in)
		v->fd = -1;		/* not its own to close */
	vhost_net_destroy(v);
}

static inline void on_user_failed(void *ctx, unsigned int index,
				  const char *why)
{
	struct card *c = ctx;

	c->why = why;
	eventfd_write(c->err_fd[index], 1);
}

static inline void *user_thread(void *loop)
{
	loop_run(loop);
	return NULL;
}

static inline bool user_open(struct card *c)
{
	struct user_side *u = calloc(1, sizeof(*u));

	c->user = u;
	pthread_mutex_init(&u->lock, NULL);
	if (loop_create(&u->loop, &u->lock) < 0 ||
	    net_user_create(&u->net, &u->loop, &c->tap, &c->mem, c->kick_fd,
			    c->call_fd) < 0)
		return false;
	u->net.failed = on_user_failed;
	u->net.ctx = c;
	c->backend = &u->net.backend;
	for (unsigned int q = 0; q < NET_RINGS; q++)
		c->err_fd[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pthread_create(&u->thread, NULL, user_thread, &u->loop) == 0;
}

static inline void user_close(struct card *c)
{
	struct user_side *u = c->user;

	pthread_mutex_lock(&u->lock);
	loop_stop(&u->loop, 0);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->thread, NULL);
	net_user_destroy(&u->net);
	close(u->loop.epoll_fd);
	close(u->loop.stop_fd);
	for (unsigned int q = 0; q < NET_RINGS; q++)
		close(c->err_fd[q]);
	free(u);
}

static inline bool vhost_open(struct card *c, int fd, char why[static WHY_MAX])
{
	if (!vhost_net_create(&c->vhost, fd, &c->tap, &c->mem, c->kick_fd,
			      c->call_fd, why))
		return false;
	c->backend = &c->vhost.backend;
	for (unsigned int q = 0; q < NET_RINGS; q++)
		c->err_fd[q] = c->vhost.err_fd[q];
	return true;
}

static inline bool card_open(struct card *c, enum kind kind, const char *name,
			     int vhostfd)
{
	int size = 24, fd = tun_make(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	char why[WHY_MAX] = "no RAM";

	/* As another user may have left it. */
	ioctl(fd, TUNSETVNETHDRSZ, &size);
	ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4);
	close(fd);
	if_up(name, true);

	*c = (struct card) { .name = name, .features = BASIC };
	c->host = host_open(name);
	for (unsigned int q = 0; q < NET_RINGS; q++) {
		c->kick_fd[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		c->call_fd[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	if (memory_create(&c->mem, RAM) < 0 ||
	    !tap_open(&c->tap, name, why) ||
	    !(kind == USER ? user_open(c) : vhost_open(c, vhostfd, why)))
		return CHECK(false, "%s: opened: %s", name, why);
	if_ready(name);
	for (unsigned int q = 0; q < NET_RINGS; q++) {
		char *at = (char *)c->mem.region[0].hva + 0x10000 * (q + 1);

		c->ring[q] = (struct net_ring) {
			.desc = at, .avail = at + 0x2000, .used = at + 0x4000,
			.num = NUM,
		};
	}
	return true;
}

static inline void card_close(struct card *c)
{
	if (c->started)
		stop(c);
	if (c->user)
		user_close(c);
	else
		vhost_close(&c->vhost);
	close(c->tap.fd);
	close(c->host);
	for (unsigned int q = 0; q < NET_RINGS; q++) {
		close(c->kick_fd[q]);
		close(c->call_fd[q]);
	}
	memory_destroy(&c->mem);
	if_delete(c->name);
}

#endif
