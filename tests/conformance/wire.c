/* SPDX-License-Identifier: MIT */
/*
 * Taps, the other end of them, and what goes over it.  What each function is for
 * is in rig.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_packet.h>

#include "machine/uapi.h"
#include "tests/conformance/clock.h"
#include "tests/conformance/rig.h"

#define TAP_MTU		65521	/* the largest that a tap takes */
#define PATIENCE	5000	/* ms until something will never come */

static int probe = -1;			/* sends, on any interface */

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

void wire_send(int wire, const void *frame, unsigned int len)
{
	uint64_t end = clock_ns() + PATIENCE * 1000000ULL;
	ssize_t n;

	while ((n = send(wire, frame, len, 0)) < 0 &&
	       (errno == EAGAIN || errno == ENOBUFS) && clock_ns() < end)
		usleep(100);
	REQUIRE(n == (ssize_t)len, "wire: sent %zd of %u: %s", n, len,
		n < 0 ? strerror(errno) : "short");
}

int wire_recv(int wire, void *frame, unsigned int max, unsigned int ms)
{
	uint64_t end = clock_ns() + ms * 1000000ULL;

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
		t = clock_ns();
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
