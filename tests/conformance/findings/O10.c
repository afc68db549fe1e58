/* SPDX-License-Identifier: MIT */
/*
 * O10: tun warns in the kernel log of a segment in a UDP tunnel that it may no
 * longer pass on.
 *
 * One waits in a tap that accepts such segments; TUNSETOFFLOAD takes that back,
 * as the reset of a card does; then the tap is read.  WARN_ON_ONCE(), so once
 * for each boot: any later run sees nothing.  No vhost is needed.
 *
 * Seen on 7.2 (6.1 and 6.12 refuse TUN_F_UDP_TUNNEL_GSO):
 *
 *	TUNSETOFFLOAD 0, read: Invalid argument; the kernel warns
 */
#include <linux/sockios.h>

#include "tests/conformance/findings/ring.h"

#define TUNNEL_GSO	0x80	/* TUN_F_UDP_TUNNEL_GSO, Linux 6.17 */
#define TUNNEL_IPV4	0x20	/* VIRTIO_NET_HDR_GSO_UDP_TUNNEL_IPV4 */

/* Ethernet, IPv4, UDP, VXLAN, and inside Ethernet, IPv4, TCP and data. */
static struct __attribute__((packed)) {
	struct virtio_net_hdr_v1 h;
	uint32_t hash_value;
	uint16_t hash_report, padding, outer_th, inner_nh;
	uint8_t to[6], from[6], type[2], ip[20], udp[8], vxlan[8];
	uint8_t inner_to[6], inner_from[6], inner_type[2], inner_ip[20];
	uint8_t tcp[20], data[4000];
} segment = {
	.h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | TUNNEL_IPV4,
		.gso_size = 1000, .hdr_len = 104,
		.csum_start = 84, .csum_offset = 16,
	},
	.outer_th = 34, .inner_nh = 64,
	.to = { 255, 255, 255, 255, 255, 255 }, .from = { 2 }, .type = { 8, 0 },
	/* Lengths from here on, each: 4090 bytes, 4070, and inside 4040. */
	.ip = { 0x45, 0, 0x0f, 0xfa, [8] = 64, 17, [12] = 10, 0, 0, 1,
		10, 0, 0, 2 },
	.udp = { 0xc3, 0x50, 0x12, 0xb5, 0x0f, 0xe6 },
	.vxlan = { 8, [6] = 42 },
	.inner_to = { 2, [5] = 1 }, .inner_from = { 2, [5] = 2 },
	.inner_type = { 8, 0 },
	.inner_ip = { 0x45, 0, 0x0f, 0xc8, [8] = 64, 6, [12] = 10, 0, 1, 1,
		      10, 0, 1, 2 },
	.tcp = { 0, 80, 0, 80, [12] = 0x50, 0x10, 0xff },
};

static void up(int s, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP };

	strcpy(ifr.ifr_name, name);
	must(ioctl(s, SIOCSIFFLAGS, &ifr), "SIOCSIFFLAGS");
}

/* A tap as a port of the bridge. */
static int port(int s, const char *name, unsigned int offloads)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = must(open("/dev/net/tun", O_RDWR | O_NONBLOCK), "tun");
	int bytes = 24;

	strcpy(ifr.ifr_name, name);
	must(ioctl(fd, TUNSETIFF, &ifr), "TUNSETIFF");
	must(ioctl(fd, TUNSETVNETHDRSZ, &bytes), "TUNSETVNETHDRSZ");
	must(ioctl(fd, TUNSETOFFLOAD, offloads), "TUNSETOFFLOAD");
	strcpy(ifr.ifr_name, "br0");
	ifr.ifr_ifindex = (int)if_nametoindex(name);
	must(ioctl(s, SIOCBRADDIF, &ifr), "SIOCBRADDIF");
	up(s, name);
	return fd;
}

/* Has the kernel warned since @log was at its end? */
static bool warned(int log)
{
	char line[8192];
	ssize_t n;

	while ((n = read(log, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		if (strstr(line, "WARNING") && strstr(line, "tun_vnet"))
			return true;
	}
	return false;
}

int main(void)
{
	static uint8_t in[8192];
	struct pollfd waits = { .events = POLLIN };
	int log = must(open("/dev/kmsg", O_RDONLY | O_NONBLOCK), "kmsg");
	int s, from;
	bool warns;
	ssize_t n;

	must((int)lseek(log, 0, SEEK_END), "lseek");
	must(unshare(CLONE_NEWNET), "unshare");
	quiet_ipv6();
	s = must(socket(AF_PACKET, SOCK_RAW, 0), "socket");
	must(ioctl(s, SIOCBRADDBR, "br0"), "SIOCBRADDBR");
	up(s, "br0");
	from = port(s, "tap0", 0);
	waits.fd = port(s, "tap1", TUN_F_CSUM | TUN_F_TSO4 | TUNNEL_GSO);

	must((int)write(from, &segment, sizeof(segment)), "write");
	errno = ETIMEDOUT;
	must(poll(&waits, 1, 2000) == 1 ? 0 : -1, "the segment");
	must(ioctl(waits.fd, TUNSETOFFLOAD, 0), "TUNSETOFFLOAD");
	n = read(waits.fd, in, sizeof(in));
	printf("TUNSETOFFLOAD 0, read: %s; the kernel ",
	       n < 0 ? strerror(errno) : "something");
	warns = warned(log);
	printf("%s\n", warns ? "warns" : "says nothing");
	return warns ? SEEN : NOT_SEEN;
}
