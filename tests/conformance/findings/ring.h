/* SPDX-License-Identifier: MIT */
/*
 * What each of the programs here starts from: vhost with an owner and a tap of
 * its own, and memory with one ring in it.  Nothing of the bench is used, so
 * that a program and this file are all that one need read, or send.
 *
 * Each says in a line or two what it saw.  Exit status: 0, what its head tells
 * of is so; 1, it is not; 2, it could not be tried.
 *
 * Guest memory is at guest address 0, and these are offsets in it.  The network
 * namespace is a new one: nothing of the machine's is touched.  Needs root.
 */
#ifndef FINDINGS_RING_H
#define FINDINGS_RING_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define RX		0
#define TX		1
#define NUM		256U		/* entries of the ring */
#define DESC		0x0000U
#define AVAIL		0x1000U
#define USED		0x2000U		/* in a page of its own */
#define BUFFERS		0x4000U
#define MEMORY		0x200000U
#define HEADER		12		/* bytes before a frame */
#define FEATURE(bit)	(1ULL << (bit))

enum { SEEN, NOT_SEEN, UNTRIED };	/* exit status */

struct ring {
	int vhost, tap, kick, err;
	unsigned int index;		/* RX or TX */
	uint8_t *memory;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

/* What is no part of the finding has to work. */
static inline int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(UNTRIED);
	}
	return result;
}

/* What comes through a tap is what we sent, and nothing of the kernel's. */
static inline void quiet_ipv6(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);

	if (fd < 0)
		return;			/* there is no IPv6 */
	must((int)write(fd, "1", 1), "disable_ipv6");
	close(fd);
}

/* "tap0", up, in a namespace of its own. */
static inline int tap_open(void)
{
	struct ifreq ifr = { .ifr_name = "tap0" };
	int fd, s, bytes = HEADER;

	must(unshare(CLONE_NEWNET), "unshare");
	quiet_ipv6();
	fd = must(open("/dev/net/tun", O_RDWR), "/dev/net/tun");
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	must(ioctl(fd, TUNSETIFF, &ifr), "TUNSETIFF");
	must(ioctl(fd, TUNSETVNETHDRSZ, &bytes), "TUNSETVNETHDRSZ");
	s = must(socket(AF_PACKET, SOCK_RAW, 0), "socket");
	ifr.ifr_flags = IFF_UP;
	must(ioctl(s, SIOCSIFFLAGS, &ifr), "SIOCSIFFLAGS");
	close(s);
	return fd;
}

/* Everything opened, memory there, and vhost not told of anything yet. */
static inline void ring_open(struct ring *r, unsigned int index)
{
	r->index = index;
	r->tap = tap_open();
	r->vhost = must(open("/dev/vhost-net", O_RDWR), "/dev/vhost-net");
	must(ioctl(r->vhost, VHOST_SET_OWNER), "SET_OWNER");
	r->kick = must(eventfd(0, EFD_NONBLOCK), "eventfd");
	r->err = must(eventfd(0, EFD_NONBLOCK), "eventfd");
	r->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(r->memory == MAP_FAILED ? -1 : 0, "mmap");
	r->desc = (void *)(r->memory + DESC);
	r->avail = (void *)(r->memory + AVAIL);
	r->used = (void *)(r->memory + USED);
}

static inline void ring_set_memory(struct ring *r)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region = { .memory_size = MEMORY,
			    .userspace_addr = (uintptr_t)r->memory },
	};

	must(ioctl(r->vhost, VHOST_SET_MEM_TABLE, &table), "SET_MEM_TABLE");
}

/* As SET_FEATURES, and always with VERSION_1: so a header is 12 bytes. */
static inline int ring_features(struct ring *r, uint64_t features)
{
	features |= FEATURE(VIRTIO_F_VERSION_1);
	return ioctl(r->vhost, VHOST_SET_FEATURES, &features);
}

/*
 * SET_VRING_ADDR: our own addresses, or with @iova those of guest memory, which
 * are for the IOTLB to translate.
 */
static inline int ring_address(struct ring *r, bool iova, unsigned int flags)
{
	uintptr_t less = iova ? (uintptr_t)r->memory : 0;
	struct vhost_vring_addr addr = {
		.index		 = r->index,
		.flags		 = flags,
		.desc_user_addr	 = (uintptr_t)r->desc - less,
		.avail_user_addr = (uintptr_t)r->avail - less,
		.used_user_addr	 = (uintptr_t)r->used - less,
		.log_guest_addr	 = (uintptr_t)r->used - (uintptr_t)r->memory,
	};

	return ioctl(r->vhost, VHOST_SET_VRING_ADDR, &addr);
}

/* The rest of what a ring needs; it begins at @base. */
static inline void ring_set(struct ring *r, uint16_t base)
{
	struct vhost_vring_state state = { .index = r->index, .num = NUM };
	struct vhost_vring_file file = { .index = r->index, .fd = r->kick };

	must(ioctl(r->vhost, VHOST_SET_VRING_NUM, &state), "SET_VRING_NUM");
	state.num = base;
	must(ioctl(r->vhost, VHOST_SET_VRING_BASE, &state), "SET_VRING_BASE");
	r->avail->idx = r->used->idx = base;
	must(ioctl(r->vhost, VHOST_SET_VRING_KICK, &file), "SET_VRING_KICK");
	file.fd = r->err;
	must(ioctl(r->vhost, VHOST_SET_VRING_ERR, &file), "SET_VRING_ERR");
}

static inline int ring_backend(struct ring *r, int fd)
{
	struct vhost_vring_file file = { .index = r->index, .fd = fd };

	return ioctl(r->vhost, VHOST_NET_SET_BACKEND, &file);
}

/* A buffer of @len bytes, the page of its own that descriptor @i has. */
static inline void ring_offer(struct ring *r, unsigned int i, uint32_t len)
{
	uint16_t idx = r->avail->idx;

	r->desc[i] = (struct vring_desc) {
		.addr = BUFFERS + i * 4096ULL, .len = len,
		.flags = r->index == RX ? VRING_DESC_F_WRITE : 0,
	};
	r->avail->ring[idx % NUM] = (uint16_t)i;
	__atomic_store_n(&r->avail->idx, idx + 1, __ATOMIC_RELEASE);
}

static inline void ring_kick(struct ring *r)
{
	must(eventfd_write(r->kick, 1), "kick");
}

/* How many buffers are left to be used, after two seconds at most. */
static inline unsigned int ring_left(struct ring *r)
{
	unsigned int left = 0;

	for (unsigned int ms = 0; ms < 2000; ms += 10) {
		left = (uint16_t)(r->avail->idx -
			__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE));
		if (!left)
			break;
		usleep(10000);
	}
	return left;
}

/* Frames of 100 bytes that "the network" sends to tap0. */
static inline void wire_send(unsigned int frames)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex("tap0"),
		.sll_halen = ETH_ALEN,
	};
	/* To everybody, of the type that is for experiments. */
	uint8_t frame[100] = { 255, 255, 255, 255, 255, 255, 2, [12] = 0x88,
			       0xb5 };
	int s = must(socket(AF_PACKET, SOCK_RAW, 0), "socket");

	while (frames--)
		must((int)sendto(s, frame, sizeof(frame), 0,
				 (struct sockaddr *)&to, sizeof(to)), "sendto");
	close(s);
}

/* One message to the IOTLB: @size bytes of guest memory from @iova on. */
static inline int iotlb_update(struct ring *r, uint64_t iova, uint64_t size,
			       uint8_t perm)
{
	struct vhost_msg msg = {
		.type = VHOST_IOTLB_MSG,
		.iotlb = { .iova = iova, .size = size, .perm = perm,
			   .uaddr = (uintptr_t)r->memory + iova,
			   .type = VHOST_IOTLB_UPDATE },
	};

	return (int)write(r->vhost, &msg, sizeof(msg));
}

/*
 * vhost's worker, a thread of ours or, before 6.4, of the kernel: both are
 * called vhost-PID.
 */
static inline int worker_find(void)
{
	static const char *const dirs[] = { "/proc/self/task", "/proc" };
	char path[300], name[32], want[32];
	int found = -1;

	snprintf(want, sizeof(want), "vhost-%d\n", (int)getpid());
	for (unsigned int i = 0; i < 2 && found < 0; i++) {
		DIR *dir = opendir(dirs[i]);
		struct dirent *e;

		must(dir ? 0 : -1, dirs[i]);
		while (found < 0 && (e = readdir(dir))) {
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%s/comm",
				 e->d_name);
			f = atoi(e->d_name) ? fopen(path, "re") : NULL;
			if (!f)
				continue;
			if (fgets(name, sizeof(name), f) && !strcmp(name, want))
				found = atoi(e->d_name);
			fclose(f);
		}
		closedir(dir);
	}
	return must(found, "the worker");
}

/* What @worker has of a CPU in about a second from now: ms for each second. */
static inline unsigned int worker_ms(int worker)
{
	unsigned long long ns[2] = { 0 };
	struct timespec at[2];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", worker);
	for (unsigned int i = 0; i < 2; i++) {
		FILE *f = fopen(path, "re");

		must(f && fscanf(f, "%llu", &ns[i]) == 1 ? 0 : -1, path);
		fclose(f);
		clock_gettime(CLOCK_MONOTONIC, &at[i]);
		if (!i)
			sleep(1);
	}
	return (unsigned int)((double)(ns[1] - ns[0]) / 1e3 /
			      ((double)(at[1].tv_sec - at[0].tv_sec) * 1e3 +
			       (double)(at[1].tv_nsec - at[0].tv_nsec) / 1e6));
}

#endif
