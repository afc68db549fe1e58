/* SPDX-License-Identifier: MIT */
/*
 * Frames between a tap and a pair of rings, in turns: at most TURN frames of
 * one direction, then whoever else waits in the main loop has his.
 *
 * The tap speaks virtio-net headers itself, so a frame goes from the tap into
 * the guest's buffers, or the other way, in one system call, header and all.
 * Where the driver cut the header does not matter to either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "machine/uapi.h"
#include "virtio/net-user.h"

#define TURN	64		/* frames; drivers/vhost/net.c has 256 */

/*
 * What vhost_net offers as well, so that a guest sees no difference.  Chains go
 * back in the order in which they came, one by one.
 */
#define FEATURES (FEATURE(VIRTIO_F_VERSION_1)	      | \
		  FEATURE(VIRTIO_NET_F_MRG_RXBUF)     | \
		  FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
		  FEATURE(VIRTIO_RING_F_EVENT_IDX)    | \
		  FEATURE(VIRTIO_F_IN_ORDER))

static void watch_tap(struct net_user *u, struct watch *w, bool *waits,
		      bool want, uint32_t events)
{
	if (want && !*waits)
		loop_watch(u->loop, w, events);
	else if (!want && *waits)
		loop_unwatch(u->loop, w);
	*waits = want;
}

static void wait_for_frames(struct net_user *u, bool want)
{
	watch_tap(u, &u->tap_in, &u->waits_in, want, EPOLLIN);
}

static void wait_for_room(struct net_user *u, bool want)
{
	watch_tap(u, &u->tap_out, &u->waits_out, want, EPOLLOUT);
}

/* The ring is empty: ask for a kick.  True if it is not empty any more. */
static bool look_again(struct queue *q)
{
	bool more = queue_kicks_on(q);

	if (more)
		queue_kicks_off(q);
	return more;
}

/*
 * The end of a turn: show the driver what was given back, interrupt it if it
 * wants that, and ask for another turn if there may be @more to do.  Last comes
 * what may stop us: a broken ring (-EPROTO), a tap that is gone (-EBADFD).
 */
static void finish(struct net_user *u, struct queue *q, unsigned int index,
		   bool more, int err)
{
	if (queue_publish(q))
		eventfd_write(u->call_fd[index], 1);
	if (more)
		eventfd_write(u->kick[index].fd, 1);
	if (err == -EPROTO || err == -EBADFD)
		u->failed(u->ctx, index, err == -EPROTO ? q->why : NULL);
}

/*
 * ---- from the guest ----
 */

/*
 * One chain, one frame.  What the tap refuses is lost, as on a real wire: a
 * header that makes no sense, a frame too short, an interface that is down.
 * Returns 1, or 0 if there is none; -EAGAIN if the tap is full, -EPROTO if the
 * ring is broken, -EBADFD if the tap is gone.
 */
static int send_frame(struct net_user *u)
{
	struct queue *q = &u->tx;
	struct chain c;
	int took = queue_take(q, &c, u->tx_iov, QUEUE_CHAIN_MAX);

	if (took <= 0)
		return took;
	if (c.in) {
		queue_untake(q, 1);
		q->why = "a buffer to write in the TX ring";
		return -EPROTO;
	}
	if (writev(u->tap->fd, u->tx_iov, c.out) < 0) {
		if (errno == EAGAIN || errno == EBADFD) {
			queue_untake(q, 1);
			return -errno;
		}
		u->tx_refused++;
	}
	queue_give(q, c.head, 0);
	return 1;
}

/* The driver put frames into the TX ring, or the tap has room again. */
static void tx_turn(struct net_user *u)
{
	bool more = true;
	int err = 0;

	queue_kicks_off(&u->tx);
	for (unsigned int n = 0; n < TURN && more; n++) {
		err = send_frame(u);
		more = err > 0 || (err == 0 && look_again(&u->tx));
	}
	wait_for_room(u, err == -EAGAIN);
	finish(u, &u->tx, NET_TX, more, err);
}

/*
 * ---- to the guest ----
 */

static unsigned int held(const struct rx_window *w)
{
	return w->end - w->first;
}

/* Move what the window holds to the front of its arrays. */
static void compact(struct rx_window *w)
{
	unsigned int iovs = w->end_iov - w->first_iov;

	memmove(w->chain, w->chain + w->first, held(w) * sizeof(w->chain[0]));
	memmove(w->iov, w->iov + w->first_iov, iovs * sizeof(w->iov[0]));
	w->end -= w->first;
	w->end_iov = iovs;
	w->first = w->first_iov = 0;
}

/* One more chain into the window.  As queue_take(). */
static int window_grow(struct net_user *u)
{
	struct rx_window *w = &u->window;
	struct chain c;
	int took;

	if (w->end == QUEUE_CHAIN_MAX)
		compact(w);
	if (w->end == QUEUE_CHAIN_MAX)
		return -ENOBUFS;
	took = queue_take(&u->rx, &c, w->iov + w->end_iov,
			  QUEUE_CHAIN_MAX - w->end_iov);
	if (took == -ENOBUFS && w->first_iov) {
		compact(w);
		return window_grow(u);
	}
	if (took <= 0)
		return took;
	if (c.out) {
		queue_untake(&u->rx, 1);
		u->rx.why = "a buffer to read in the RX ring";
		return -EPROTO;
	}
	w->chain[w->end++] = (struct rx_buffer) { c.head, c.in, c.in_bytes };
	w->end_iov += c.in;
	w->bytes += c.in_bytes;
	return 1;
}

static void window_drop_first(struct rx_window *w)
{
	struct rx_buffer *b = &w->chain[w->first++];

	w->first_iov += b->iovs;
	w->bytes -= b->bytes;
	if (!held(w))
		compact(w);
}

/*
 * Hold buffers for the largest frame there can be, or as many as there are: the
 * tap does not say how large the next one is.  Returns 0, -ENOBUFS if there are
 * more, which the window has no room for, or -EPROTO.
 */
static int window_fill(struct net_user *u)
{
	int took = 1;

	while (took > 0 && u->window.bytes < NET_USER_FRAME_MAX)
		took = window_grow(u);
	return took < 0 ? took : 0;
}

/* What one frame may be spread over: the first chain, or all with MRG_RXBUF. */
static uint64_t room(const struct net_user *u)
{
	const struct rx_window *w = &u->window;

	return u->merges ? w->bytes : w->chain[w->first].bytes;
}

/* Copy to byte @at of the window, across buffers. */
static void window_write(struct rx_window *w, size_t at, const void *from,
			 size_t len)
{
	const struct iovec *v = &w->iov[w->first_iov];

	for (; len; v++) {
		size_t n;

		if (at >= v->iov_len) {
			at -= v->iov_len;
			continue;
		}
		n = v->iov_len - at < len ? v->iov_len - at : len;
		memcpy((char *)v->iov_base + at, from, n);
		from = (const char *)from + n;
		len -= n;
		at = 0;
	}
}

/*
 * Read a frame into the window, and what does not fit into the spill behind it.
 * Returns 1, with u->frame 0 if the tap could not hand it over and has thrown
 * it away; 0 if there is none, or -EBADFD if the tap is gone.
 */
static int read_frame(struct net_user *u)
{
	struct rx_window *w = &u->window;
	struct iovec *v = &w->iov[w->first_iov], after;
	unsigned int n = u->merges ? w->end_iov - w->first_iov :
				     w->chain[w->first].iovs;
	uint64_t direct = room(u);
	ssize_t len;

	/* readv(2) takes no more: what is for the last one is spilled too. */
	if (n == QUEUE_CHAIN_MAX)
		direct -= v[--n].iov_len;
	/* Where the spill goes there may be the next chain's first buffer. */
	after = v[n];
	v[n] = (struct iovec) { u->spill, sizeof(u->spill) };
	len = readv(u->tap->fd, v, n + 1);
	v[n] = after;
	if (len == 0 || (len < 0 && errno == EAGAIN))
		return 0;
	if (len < 0 && errno == EBADFD)
		return -EBADFD;
	if (len < 0) {
		u->rx_dropped++;
		return 1;
	}
	u->frame = len;
	u->placed = u->spilled_at = u->frame < direct ? u->frame : direct;
	return 1;
}

/* Move on what was spilled.  Returns whether all of the frame is in buffers. */
static bool place_frame(struct net_user *u)
{
	size_t n = u->frame - u->placed;

	if (n > room(u) - u->placed)
		n = room(u) - u->placed;
	window_write(&u->window, u->placed,
		     u->spill + (u->placed - u->spilled_at), n);
	u->placed += n;
	return u->placed == u->frame;
}

/*
 * Will there never be room for this frame, since the driver can give no more
 * buffers, or the window is @full?  Then it is lost.
 */
static bool too_large(const struct net_user *u, bool full)
{
	return !u->merges || held(&u->window) == u->rx.num || full;
}

/* The frame is in the first so many chains of the window: give those back. */
static void deliver(struct net_user *u)
{
	struct rx_window *w = &u->window;
	uint16_t buffers = 0;
	size_t left = u->frame;

	for (uint64_t covered = 0; covered < left; buffers++)
		covered += w->chain[w->first + buffers].bytes;
	/* The tap leaves this field to us (5.1.6.4.1). */
	window_write(w, offsetof(struct virtio_net_hdr_v1, num_buffers),
		     &buffers, sizeof(buffers));

	for (unsigned int i = 0; i < buffers; i++) {
		struct rx_buffer *b = &w->chain[w->first];
		uint32_t len = b->bytes < left ? b->bytes : left;

		queue_give(&u->rx, b->head, len);
		left -= len;
		window_drop_first(w);
	}
	u->frame = 0;
}

/*
 * Go on with the frame that waits, or get the next one.  Returns 1 if it went
 * to the guest or was lost; 0 if the tap has none, -ENOBUFS if the driver has
 * given too few buffers; -EPROTO or -EBADFD as above.
 */
static int receive_frame(struct net_user *u)
{
	int err = window_fill(u);
	bool full = err == -ENOBUFS;

	if (err == -EPROTO)
		return err;
	if (!held(&u->window))
		return -ENOBUFS;
	if (!u->frame) {
		err = read_frame(u);
		if (err <= 0 || !u->frame)
			return err;
	}
	if (place_frame(u)) {
		deliver(u);
	} else if (too_large(u, full)) {
		u->frame = 0;
		u->rx_dropped++;
	} else {
		return -ENOBUFS;
	}
	return 1;
}

/*
 * The tap has a frame, or the driver has put buffers into the RX ring.  Without
 * buffers the tap is left alone: what waits in there is not lost, yet.
 */
static void rx_turn(struct net_user *u)
{
	bool more = true;
	int err = 0;

	queue_kicks_off(&u->rx);
	for (unsigned int n = 0; n < TURN && more; n++) {
		err = receive_frame(u);
		more = err > 0 || (err == -ENOBUFS && look_again(&u->rx));
	}
	wait_for_frames(u, more || err == 0);
	finish(u, &u->rx, NET_RX, more, err);
}

/*
 * ---- the loop's side, and the card's ----
 */

/*
 * The main loop may have had an event in hand when a vCPU stopped us, and comes
 * with it now.
 */
static void rx_event(struct net_user *u)
{
	if (u->running)
		rx_turn(u);
}

static void tx_event(struct net_user *u)
{
	if (u->running)
		tx_turn(u);
}

static void on_rx_kick(void *ctx)
{
	struct net_user *u = ctx;
	eventfd_t n;

	eventfd_read(u->kick[NET_RX].fd, &n);
	rx_event(u);
}

static void on_tx_kick(void *ctx)
{
	struct net_user *u = ctx;
	eventfd_t n;

	eventfd_read(u->kick[NET_TX].fd, &n);
	if (!u->waits_out)
		tx_event(u);
}

static void on_tap_in(void *ctx)
{
	rx_event(ctx);
}

static void on_tap_out(void *ctx)
{
	tx_event(ctx);
}

static void unwatch_all(struct net_user *u)
{
	for (unsigned int i = 0; i < NET_RINGS; i++)
		loop_unwatch(u->loop, &u->kick[i]);
	wait_for_frames(u, false);
	wait_for_room(u, false);
}

static void run(struct net_user *u, struct queue *q,
		const struct net_ring *ring, uint64_t features)
{
	struct vring vring = {
		.num = ring->num, .desc = ring->desc, .avail = ring->avail,
		.used = ring->used,
	};

	queue_start(q, u->mem, &vring, ring->base, features);
}

/* DRIVER_OK.  The first turn of each ring is the main loop's. */
static int start(struct net_backend *b, const struct net_ring *ring,
		 uint64_t features)
{
	struct net_user *u = (struct net_user *)b;
	int err = tap_set_header(u->tap, sizeof(struct virtio_net_hdr_v1));

	if (!err)
		err = tap_set_offload(u->tap, features);
	if (err)
		return err;

	run(u, &u->rx, &ring[NET_RX], features);
	run(u, &u->tx, &ring[NET_TX], features);
	u->merges = features & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	u->window.first = u->window.end = 0;
	u->window.first_iov = u->window.end_iov = 0;
	u->window.bytes = 0;
	u->frame = 0;

	for (unsigned int i = 0; i < NET_RINGS && !err; i++) {
		eventfd_write(u->kick[i].fd, 1);
		err = loop_watch(u->loop, &u->kick[i], EPOLLIN);
	}
	u->running = err == 0;
	if (err)
		unwatch_all(u);
	return err;
}

/*
 * Reset.  Turns run under the same lock as we do, so none is under way.  What
 * the window holds was never used; only a frame that spilled is lost.
 */
static int stop(struct net_backend *b, struct net_ring *ring)
{
	struct net_user *u = (struct net_user *)b;

	u->running = false;
	unwatch_all(u);
	queue_untake(&u->rx, held(&u->window));
	ring[NET_RX].base = u->rx.last_avail;
	ring[NET_TX].base = u->tx.last_avail;
	tap_set_offload(u->tap, 0);	/* fails if the tap is gone: no matter */
	return 0;
}

static const struct net_backend_ops net_user_ops = { start, stop };

/*
 * Make @u a backend that runs between @tap and rings in @mem, in @loop and
 * under its lock.  The caller sets u->failed and u->ctx.  Returns 0 or -errno.
 */
int net_user_create(struct net_user *u, struct loop *loop,
		    const struct tap *tap, const struct memory *mem,
		    const int kick_fd[NET_RINGS], const int call_fd[NET_RINGS])
{
	/* epoll knows a descriptor once, and there are two things to wait for. */
	int out_fd = fcntl(tap->fd, F_DUPFD_CLOEXEC, 0);

	if (out_fd < 0)
		return -errno;
	memset(u, 0, offsetof(struct net_user, window));
	u->backend.ops = &net_user_ops;
	u->backend.features = FEATURES;
	u->loop = loop;
	u->tap = tap;
	u->mem = mem;
	for (unsigned int i = 0; i < NET_RINGS; i++)
		u->call_fd[i] = call_fd[i];
	u->kick[NET_RX] = (struct watch) { kick_fd[NET_RX], on_rx_kick, u };
	u->kick[NET_TX] = (struct watch) { kick_fd[NET_TX], on_tx_kick, u };
	u->tap_in  = (struct watch) { tap->fd, on_tap_in, u };
	u->tap_out = (struct watch) { out_fd, on_tap_out, u };
	return 0;
}

/* Close what net_user_create() opened; rings stop first. */
void net_user_destroy(struct net_user *u)
{
	close(u->tap_out.fd);
}
