/* SPDX-License-Identifier: MIT */
/*
 * Frames with a virtio-net header and a content of one's own choice; see raw.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "tests/conformance/raw.h"

#define PATIENCE	5000	/* ms until something will never come */

void raw_offer(struct rig *r, unsigned int n)
{
	struct ring *rx = &r->ring[RX];

	while ((uint16_t)(rx->next_avail - rx->last_used) < n)
		rig_offer_rx(r, r->slot_bytes);
	ring_kick(rx);
}

int raw_take(struct rig *r, struct virtio_net_hdr_v1 *hdr,
	     const uint8_t **frame, unsigned int ms)
{
	struct ring *rx = &r->ring[RX];
	const uint8_t *p;
	uint32_t id, len;

	if (!ring_wait(rx, 1, ms))
		return -1;
	ring_pop(rx, &id, &len);
	REQUIRE(id < rx->v.num && len >= r->hdr_len && len <= r->slot_bytes,
		"RX: used (%u, %u bytes)", id, len);
	p = rig_ptr(r, rig_buffer(r, RX, id));
	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr, p, r->hdr_len < sizeof(*hdr) ? r->hdr_len : sizeof(*hdr));
	*frame = p + r->hdr_len;
	return len - r->hdr_len;
}

bool raw_quiet(struct rig *r, unsigned int ms)
{
	return EXPECT(!ring_wait(&r->ring[RX], 1, ms),
		      "%s: a frame for the guest where none should be",
		      r->name);
}

bool raw_send(struct rig *r, const struct virtio_net_hdr_v1 *hdr,
	      const void *frame, unsigned int len)
{
	struct ring *tx = &r->ring[TX];
	unsigned int desc = rig_offer_tx(r, len, 0);
	uint8_t *p = rig_ptr(r, rig_buffer(r, TX, desc));
	uint32_t id, used;

	memcpy(p, hdr, r->hdr_len < sizeof(*hdr) ? r->hdr_len : sizeof(*hdr));
	memcpy(p + r->hdr_len, frame, len);
	ring_kick(tx);
	if (!EXPECT(ring_wait(tx, 1, PATIENCE), "TX: nothing used in %u ms",
		    PATIENCE))
		return false;
	ring_pop(tx, &id, &used);
	return EXPECT(id == desc && used == 0,
		      "TX: used (%u, %u bytes), not (%u, 0 bytes)", id, used,
		      desc);
}

int raw_wire(const char *name, bool vnet_hdr)
{
	struct sockaddr_ll on = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	int room = 8 << 20, yes = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0, "AF_PACKET: %s", strerror(errno));
	REQUIRE(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
			   sizeof(room)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
			   sizeof(room)) == 0, "buffers: %s", strerror(errno));
	REQUIRE(!vnet_hdr || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes,
					sizeof(yes)) == 0,
		"PACKET_VNET_HDR: %s", strerror(errno));
	REQUIRE(bind(fd, (struct sockaddr *)&on, sizeof(on)) == 0,
		"bind to %s: %s", name, strerror(errno));
	return fd;
}

void raw_wire_send(int wire, const struct virtio_net_hdr_v1 *hdr,
		   const void *frame, unsigned int len)
{
	struct iovec iov[] = {
		{ (void *)hdr, sizeof(struct virtio_net_hdr) },
		{ (void *)frame, len },
	};
	ssize_t n = writev(wire, iov, 2);

	REQUIRE(n == (ssize_t)(iov[0].iov_len + len), "wire: sent %zd: %s", n,
		n < 0 ? strerror(errno) : "short");
}

int raw_wire_recv(int wire, struct virtio_net_hdr *hdr, void *frame,
		  unsigned int max, unsigned int ms)
{
	struct iovec iov[] = { { hdr, sizeof(*hdr) }, { frame, max } };
	struct sockaddr_ll from;
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = iov, .msg_iovlen = 2,
	};

	/* What goes out is shown to us as well: at most that of the ring. */
	for (unsigned int i = 0; i < 1000 && wait_readable(wire, ms); i++) {
		ssize_t n = recvmsg(wire, &msg, 0);

		REQUIRE(n >= (ssize_t)sizeof(*hdr), "wire: %zd: %s", n,
			n < 0 ? strerror(errno) : "short");
		if (from.sll_pkttype != PACKET_OUTGOING)
			return n - sizeof(*hdr);
		msg.msg_namelen = sizeof(from);
	}
	return -1;
}
