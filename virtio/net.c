/* SPDX-License-Identifier: MIT */
/*
 * What the card offers, what combinations of that it lets a driver have, and
 * when its rings go to the backend and come back.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "machine/trace.h"
#include "machine/uapi.h"
#include "virtio/names.h"
#include "virtio/net.h"

/*
 * Offloads.  A tap always takes what the guest may hand over (HOST_*), and is
 * told what the guest takes (GUEST_*), so all of it can be offered.
 */
#define OFFLOADS (FEATURE(VIRTIO_NET_F_CSUM)	   | \
		  FEATURE(VIRTIO_NET_F_HOST_TSO4)  | \
		  FEATURE(VIRTIO_NET_F_HOST_TSO6)  | \
		  FEATURE(VIRTIO_NET_F_HOST_ECN)   | \
		  FEATURE(VIRTIO_NET_F_GUEST_CSUM) | \
		  FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
		  FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
		  FEATURE(VIRTIO_NET_F_GUEST_ECN))

#define USO	 (FEATURE(VIRTIO_NET_F_HOST_USO)    | \
		  FEATURE(VIRTIO_NET_F_GUEST_USO4)  | \
		  FEATURE(VIRTIO_NET_F_GUEST_USO6))

/*
 * About rings: the backend does these, or not.  Left out on purpose: 24
 * NOTIFY_ON_EMPTY and 27 ANY_LAYOUT are of the time before VERSION_1, 26 means
 * dirty logging to vhost, 33 ACCESS_PLATFORM would need an IOTLB server, 38
 * NOTIFICATION_DATA does not fit ioeventfds that match one value, and 40
 * RING_RESET no virtio-mmio driver can use.
 */
#define RINGS	 (FEATURE(VIRTIO_F_VERSION_1)		| \
		  FEATURE(VIRTIO_NET_F_MRG_RXBUF)	| \
		  FEATURE(VIRTIO_RING_F_INDIRECT_DESC)	| \
		  FEATURE(VIRTIO_RING_F_EVENT_IDX)	| \
		  FEATURE(VIRTIO_F_IN_ORDER))

/* What the card says of itself. */
#define CONFIGURED (FEATURE(VIRTIO_NET_F_MAC)	   | \
		    FEATURE(VIRTIO_NET_F_STATUS)   | \
		    FEATURE(VIRTIO_NET_F_MTU))

/* 5.1.3.1: the first needs one of the second. */
static const struct { uint64_t feature, needs; } dependency[] = {
	{ FEATURE(VIRTIO_NET_F_HOST_TSO4),  FEATURE(VIRTIO_NET_F_CSUM) },
	{ FEATURE(VIRTIO_NET_F_HOST_TSO6),  FEATURE(VIRTIO_NET_F_CSUM) },
	{ FEATURE(VIRTIO_NET_F_HOST_USO),   FEATURE(VIRTIO_NET_F_CSUM) },
	{ FEATURE(VIRTIO_NET_F_HOST_ECN),   FEATURE(VIRTIO_NET_F_HOST_TSO4) |
					    FEATURE(VIRTIO_NET_F_HOST_TSO6) },
	{ FEATURE(VIRTIO_NET_F_GUEST_TSO4), FEATURE(VIRTIO_NET_F_GUEST_CSUM) },
	{ FEATURE(VIRTIO_NET_F_GUEST_TSO6), FEATURE(VIRTIO_NET_F_GUEST_CSUM) },
	{ FEATURE(VIRTIO_NET_F_GUEST_USO4), FEATURE(VIRTIO_NET_F_GUEST_CSUM) },
	{ FEATURE(VIRTIO_NET_F_GUEST_USO6), FEATURE(VIRTIO_NET_F_GUEST_CSUM) },
	{ FEATURE(VIRTIO_NET_F_GUEST_ECN),  FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
					    FEATURE(VIRTIO_NET_F_GUEST_TSO6) },
};

static struct net *net_of(struct mmio *m)
{
	return (struct net *)((char *)m - offsetof(struct net, mmio));
}

/* @features without those that lack what they need. */
static uint64_t consistent(uint64_t features)
{
	for (unsigned int i = 0;
	     i < sizeof(dependency) / sizeof(dependency[0]); i++)
		if (!(features & dependency[i].needs))
			features &= ~dependency[i].feature;
	return features;
}

static bool features_ok(struct mmio *m, uint64_t features)
{
	(void)m;
	return consistent(features) == features;
}

/* Queue @q by our addresses; mmio.c has checked that all of it is in RAM. */
static struct net_ring ring_of(const struct mmio *m, const struct mmio_queue *q)
{
	uint64_t n = q->num;

	return (struct net_ring) {
		.num = n,
		.desc = guest_ptr(m->mem, q->desc,
				  n * sizeof(struct vring_desc)),
		.avail = guest_ptr(m->mem, q->driver, 2 * (3 + n)),
		.used = guest_ptr(m->mem, q->device,
				  2 * 3 + n * sizeof(struct vring_used_elem)),
	};
}

static const char *const ring_name[] = { "RX", "TX" };

/* Where the driver has put a ring: by its addresses, and by ours. */
static void trace_ring(const struct mmio *m, unsigned int index,
		       const struct net_ring *ring)
{
	const struct mmio_queue *q = &m->queue[index];

	trace(TRACE_CARD, "%s: %s ring of %u: desc gpa %#llx hva %p, "
	      "avail gpa %#llx hva %p, used gpa %#llx hva %p", m->name,
	      ring_name[index], ring->num, (unsigned long long)q->desc,
	      ring->desc, (unsigned long long)q->driver, ring->avail,
	      (unsigned long long)q->device, ring->used);
}

static const char *start(struct mmio *m)
{
	struct net *net = net_of(m);
	int err;

	for (unsigned int i = 0; i < NET_RINGS; i++) {
		net->ring[i] = ring_of(m, &m->queue[i]);
		trace_ring(m, i, &net->ring[i]);
	}
	if (net->unplugged)
		return NULL;	/* a card without a cable: link down, no more */

	err = net->backend->ops->start(net->backend, net->ring, m->accepted);
	if (err)
		return strerror(-err);
	net->started = true;
	return NULL;
}

static void stop(struct mmio *m)
{
	struct net *net = net_of(m);

	int err;

	if (!net->started)
		return;
	err = net->backend->ops->stop(net->backend, net->ring);
	net->started = false;
	trace(TRACE_CARD, "%s: rings are back: RX at %u, TX at %u%s%s",
	      m->name, net->ring[NET_RX].base, net->ring[NET_TX].base,
	      err ? ", by force: " : "", err ? strerror(-err) : "");
}

/* A kick that no ioeventfd took: pass it on. */
static void notify(struct mmio *m, unsigned int queue)
{
	eventfd_write(net_of(m)->kick_fd[queue], 1);
}

static const struct mmio_ops net_ops = {
	.features_ok = features_ok,
	.start = start,
	.stop = stop,
	.notify = notify,
};

static void set_link_status(struct net *net)
{
	uint16_t status = net->link_up ? VIRTIO_NET_S_LINK_UP : 0;

	mmio_set_config(&net->mmio, offsetof(struct virtio_net_config, status),
			&status, sizeof(status));
}

/* The cable is in and the other side is up, or not.  Tells the driver. */
void net_set_link(struct net *net, bool up)
{
	if (net->link_up == up)
		return;
	net->link_up = up;
	trace(TRACE_CARD, "%s: link %s", net->mmio.name, up ? "up" : "down");
	set_link_status(net);
}

/* The tap is gone for good: stop the backend, link down.  The card stays. */
void net_unplug(struct net *net)
{
	stop(&net->mmio);
	net->unplugged = true;
	net_set_link(net, false);
}

/* All that a card may offer, with the right tap and backend. */
uint64_t net_features(void)
{
	return OFFLOADS | USO | RINGS | CONFIGURED;
}

/*
 * Set up a card with address @mac, an MTU of @mtu bytes (0: nothing is said of
 * it), UDP segmentation if @uso, and none of the features @without, nor of
 * those that need them.  The caller has filled in net->backend,
 * kick_fd, and of net->mmio: mem, name, irq_fd, page and queue_num_max.
 */
void net_init(struct net *net, const uint8_t mac[6], unsigned int mtu, bool uso,
	      uint64_t without)
{
	struct virtio_net_config config = {
		.status = VIRTIO_NET_S_LINK_UP,
		.mtu = mtu,
	};
	struct mmio *m = &net->mmio;

	memcpy(config.mac, mac, sizeof(config.mac));
	memcpy(m->config, &config,
	       offsetof(struct virtio_net_config, speed));
	net->link_up = true;

	m->ops = &net_ops;
	m->device_id = VIRTIO_ID_NET;
	m->nr_queues = NET_RINGS;
	m->offered = net_features() & ~without;
	if (!uso)
		m->offered &= ~USO;
	if (!mtu)
		m->offered &= ~FEATURE(VIRTIO_NET_F_MTU);
	m->offered &= ~RINGS | net->backend->features;
	m->offered = consistent(m->offered);
	mmio_init(m);
	trace(TRACE_CARD, "%s: the device offers %s", m->name,
	      names_features(&(struct text){ 0 }, m->offered));
}

/*
 * Say what is wrong with @ring, which has been stopped: @why, if the backend
 * knows, or else what its memory tells.  The guest may have changed that since,
 * so it is a hint for people and decides nothing.  vhost reads avail->idx, then
 * ring[base], then the chain; some faults it finds only after it has moved base
 * on, so what to look at is the first entry that was not returned.
 */
void net_blame(const struct net_ring *ring, unsigned int index,
	       const char *why, char said[static WHY_MAX])
{
	const volatile struct vring_avail *avail = ring->avail;
	const volatile struct vring_desc *desc = ring->desc;
	const volatile struct vring_used *used = ring->used;
	uint16_t idx = avail->idx, at = used->idx;
	uint16_t head = avail->ring[at % ring->num];
	const char *name = index == NET_RX ? "RX" : "TX";
	int n = snprintf(said, WHY_MAX, "%s ring broken: ", name);

	if (why)
		snprintf(said + n, WHY_MAX - n, "%s", why);
	else if ((uint16_t)(idx - ring->base) > ring->num)
		snprintf(said + n, WHY_MAX - n, "avail idx %u is %u ahead of "
			 "%u, and the ring has %u entries", idx,
			 (uint16_t)(idx - ring->base), ring->base, ring->num);
	else if (head >= ring->num)
		snprintf(said + n, WHY_MAX - n, "avail entry %u names "
			 "descriptor %u, and the ring has %u", at % ring->num,
			 head, ring->num);
	else
		snprintf(said + n, WHY_MAX - n, "avail idx %u, at %u, head "
			 "descriptor %u: addr %#llx len %u flags %#x next %u",
			 idx, at, head, (unsigned long long)desc[head].addr,
			 desc[head].len, desc[head].flags, desc[head].next);
}
