/* SPDX-License-Identifier: MIT */
/*
 * A tap and a backend, wired together, taken apart, and abused, without KVM and
 * without a guest: card.h plays the driver.  First with vhost_net, then with
 * the backend in user space, of which the same is expected.  Run it as root on
 * a machine with /dev/vhost-net and /dev/net/tun, for instance in
 * scripts/emulated-host; "wiring user" does without the first of these.
 */
#include <stdatomic.h>
#include <sys/sysmacros.h>
#include <linux/vhost.h>

#include "tests/integration/card.h"

#define NOBODY		65534

/* ---- Refusals ---- */

static bool tap_refused(const char *name, char why[static WHY_MAX])
{
	struct tap tap;
	bool ok = tap_open(&tap, name, why);

	if (tap.fd >= 0)
		close(tap.fd);
	return ok;
}

static void opening(void)
{
	char why[WHY_MAX];
	struct tap tap = { .fd = -1 };
	int fd;

	begin("tap_open()");
	CHECK(said(tap_refused("tap7", why), why,
		   "tap7: does not exist; make it with: ip tuntap add tap7 "
		   "mode tap user $USER && ip link set tap7 up"),
	      "a tap that does not exist is refused");
	CHECK(said(tap_refused("lo", why), why,
		   "lo: is not a tap; make one with: ip tuntap add NAME mode "
		   "tap"),
	      "an interface that is not a tap is refused");

	close(tun_make("tun0", IFF_TUN | IFF_NO_PI));
	CHECK(said(tap_refused("tun0", why), why,
		   "tun0: is a tun, not a tap; make one with: ip tuntap add "
		   "NAME mode tap"),
	      "a tun is refused");
	if_delete("tun0");

	close(tun_make("tap1", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE));
	CHECK(said(tap_refused("tap1", why), why,
		   "tap1: was created with multi_queue; remove it and: ip "
		   "tuntap add tap1 mode tap"),
	      "a tap with multi_queue is refused");
	if_delete("tap1");

	fd = tun_make("tap0", IFF_TAP | IFF_NO_PI);
	CHECK(said(tap_refused("tap0", why), why,
		   "tap0: in use by another process"),
	      "a tap that is in use is refused");
	ioctl(fd, TUNSETOWNER, 1000);
	close(fd);

	seteuid(NOBODY);
	CHECK(said(tap_refused("tap0", why), why,
		   "tap0: belongs to another user; as root: ip tuntap add tap0 "
		   "mode tap user $USER, or pass it in with --tap fd=N"),
	      "another user's tap is refused");
	seteuid(0);
	chmod("/dev/net/tun", 0600);
	seteuid(NOBODY);
	CHECK(said(tap_refused("tap0", why), why,
		   "/dev/net/tun: Permission denied; it is usually open to "
		   "all: chmod 666 /dev/net/tun"),
	      "a /dev/net/tun that is not for us is refused");
	seteuid(0);
	chmod("/dev/net/tun", 0666);
	rename("/dev/net/tun", "/dev/net/away");
	CHECK(said(tap_refused("tap0", why), why,
		   "/dev/net/tun: No such file or directory; load its module: "
		   "modprobe tun"),
	      "no /dev/net/tun is refused");
	rename("/dev/net/away", "/dev/net/tun");

	seteuid(1000);
	CHECK(tap_open(&tap, "tap0", why) || complain("%s", why),
	      "a tap's owner may open it, without being root");
	seteuid(0);
	close(tap.fd);
	if_delete("tap0");
}

static bool adopt_refused(int fd, char why[static WHY_MAX])
{
	struct tap tap;

	return tap_adopt(&tap, fd, why);
}

static void adopting(void)
{
	static const struct { short flags; const char *why, *what; } bad[] = {
		{ IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, "a tun, not a tap",
		  "a tun" },
		{ IFF_TAP | IFF_NO_PI, "lacks vnet_hdr; attach it with "
		  "IFF_NO_PI | IFF_VNET_HDR", "a tap without vnet_hdr" },
		{ IFF_TAP | IFF_VNET_HDR, "lacks no_pi; attach it with "
		  "IFF_NO_PI | IFF_VNET_HDR", "a tap without no_pi" },
	};
	char why[WHY_MAX];
	struct tap tap = { .fd = -1 };
	int fd;

	begin("tap_adopt()");
	CHECK(said(adopt_refused(999, why), why,
		   "fd=999: not an open descriptor"),
	      "a descriptor that is not open is refused");
	fd = open("/dev/null", O_RDWR);
	CHECK(said(adopt_refused(fd, why), why, "fd=%d: not a tap", fd),
	      "/dev/null is not taken for a tap");
	close(fd);
	fd = open("/dev/net/tun", O_RDWR);
	CHECK(said(adopt_refused(fd, why), why, "fd=%d: /dev/net/tun, but not "
		   "attached to a tap (TUNSETIFF)", fd),
	      "an unattached /dev/net/tun is refused");
	close(fd);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fd = tun_make("tap0", bad[i].flags);
		CHECK(said(adopt_refused(fd, why), why, "fd=%d (tap0): %s", fd,
			   bad[i].why), "%s is refused", bad[i].what);
		close(fd);
		if_delete("tap0");
	}

	fd = tun_make("tap0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	fcntl(fd, F_SETFD, 0);
	if (CHECK(tap_adopt(&tap, fd, why) || complain("%s", why),
		  "a good tap is adopted"))
		CHECK(strcmp(tap.name, "tap0") == 0 && tap.visible &&
		      fcntl(fd, F_GETFD) & FD_CLOEXEC &&
		      fcntl(fd, F_GETFL) & O_NONBLOCK,
		      "its name, close-on-exec and non-blocking");
	close(fd);
	if_delete("tap0");
}

static void interface(void)
{
	struct tap tap = { .fd = -1 };
	struct ifreq ifr = { .ifr_mtu = 9000 };
	char why[WHY_MAX] = "";
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int size = 24, fd;

	begin("what a tap tells of its interface");
	fd = tun_make("tap0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	ioctl(fd, TUNSETVNETHDRSZ, &size);
	ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4);
	close(fd);
	if (!CHECK(tap_open(&tap, "tap0", why), "tap0 opens: %s", why))
		return;
	CHECK(ioctl(tap.fd, TUNGETVNETHDRSZ, &size) == 0 && size == 12 &&
	      if_offload("tap0", ETHTOOL_GTSO) == 0 &&
	      if_offload("tap0", ETHTOOL_GTXCSUM) == 0,
	      "a header size and offloads left by others are gone");
	printf("# this kernel's tun %s UDP segmentation offload\n",
	       tap.has_uso ? "has" : "has no");

	CHECK(tap_mtu(&tap) == 1500, "its MTU is 1500");
	if_ioctl(SIOCSIFMTU, &ifr, "tap0");
	CHECK(tap_mtu(&tap) == 9000, "and then 9000");

	CHECK(tap_link(&tap) == TAP_DOWN, "the link is down");
	strcpy(ifr.ifr_newname, "tap5");
	if_ioctl(SIOCSIFNAME, &ifr, "tap0");
	if_up("tap5", true);
	CHECK(tap_link(&tap) == TAP_UP, "up, and found by its new name");

	unshare(CLONE_NEWNET);
	if (CHECK(tap_adopt(&tap, tap.fd, why),
		  "a tap is adopted from another network namespace"))
		CHECK(!tap.visible && tap_mtu(&tap) == 0 &&
		      tap_link(&tap) == TAP_UP,
		      "nothing is known of it, and its link counts as up");
	setns(home, CLONE_NEWNET);
	close(home);

	if_delete("tap5");
	CHECK(tap_link(&tap) == TAP_GONE, "gone, when it has been deleted");
	close(tap.fd);
}

/* A child that owns @fd until @leash is closed.  It is owned on return. */
static pid_t fork_owner(int fd, int *leash)
{
	int ready[2], hold[2];
	char c;
	pid_t pid;

	if (pipe(ready) < 0 || pipe(hold) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		c = ioctl(fd, VHOST_SET_OWNER) < 0;
		_exit(write(ready[1], &c, 1) + read(hold[0], &c, 1) != 1);
	}
	close(ready[1]);
	close(hold[0]);
	*leash = hold[1];
	if (read(ready[0], &c, 1) != 1 || c)
		complain("the child could not own /dev/vhost-net");
	close(ready[0]);
	return pid;
}

static const struct memory *some_memory;

static bool vhost_refused(int fd, char why[static WHY_MAX])
{
	static const struct tap tap = { .fd = -1 };
	static const int none[NET_RINGS] = { -1, -1 };
	struct vhost_net v;
	bool ok = vhost_net_create(&v, fd, &tap, some_memory, none, none, why);

	vhost_close(&v);
	return ok;
}

static void creating(void)
{
	static struct memory mem;
	char why[WHY_MAX];
	int fd, leash = -1, pipes[2];
	pid_t pid;

	begin("vhost_net_create()");
	memory_create(&mem, RAM);
	some_memory = &mem;
	CHECK(said(vhost_refused(999, why), why,
		   "vhostfd=999: not an open descriptor"),
	      "a descriptor that is not open is refused");
	if (pipe(pipes) < 0)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		fd = i == 0 ? open("/dev/null", O_RDWR) :
		     i == 1 ? open("/dev/net/tun", O_RDWR) : pipes[0];
		CHECK(said(vhost_refused(fd, why), why,
			   "vhostfd=%d: not /dev/vhost-net; open it as in "
			   "%d<>/dev/vhost-net", fd, fd),
		      "%s is refused", i == 0 ? "/dev/null" :
		      i == 1 ? "/dev/net/tun" : "a pipe");
		close(fd);
	}
	close(pipes[1]);

	fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	pid = fork_owner(fd, &leash);
	CHECK(said(vhost_refused(fd, why), why,
		   "vhostfd=%d: owned by another process; each launcher needs "
		   "one of its own", fd),
	      "another process's /dev/vhost-net is refused");
	close(leash);
	waitpid(pid, NULL, 0);
	close(fd);

	chmod("/dev/vhost-net", 0600);
	seteuid(NOBODY);
	CHECK(said(vhost_refused(-1, why), why,
		   "/dev/vhost-net: Permission denied; no permission: chown or "
		   "chmod it, or have somebody pass it in with --vhostfd N"),
	      "a /dev/vhost-net that is not for us is refused");
	seteuid(0);
	chmod("/dev/vhost-net", 0666);

	/* A device number that no driver has taken. */
	mknod("/dev/net/none", S_IFCHR | 0666, makedev(511, 0));
	mount("/dev/net/none", "/dev/vhost-net", NULL, MS_BIND, NULL);
	CHECK(said(vhost_refused(-1, why), why, "/dev/vhost-net: No such "
		   "device or address; the module is not loaded: modprobe "
		   "vhost_net"), "no vhost_net is refused");
	umount("/dev/vhost-net");
	memory_destroy(&mem);
}

/* ---- Traffic ---- */

static void passing_in(void)
{
	int fd = open("/dev/vhost-net", O_RDWR);
	struct card c;

	begin("a /dev/vhost-net that was passed in");
	if (card_open(&c, VHOST, "tap0", fd)) {
		CHECK(c.vhost.fd == fd && c.vhost.passed_in &&
		      fcntl(fd, F_GETFD) & FD_CLOEXEC,
		      "it is taken, and closed on exec");
		CHECK(restart(&c) && both(&c, 1), "it carries frames");
	}
	card_close(&c);
}

static void traffic(struct card *c)
{
	static const unsigned int lens[] = { 60, 61, 256, 1514 };

	begin("traffic");
	for (unsigned int i = 0; i < 4 * SHAPES; i++) {
		char what[80];
		bool in, out;

		c->features = BASIC | (i & 1 ? MRG : 0) |
			      (i & 2 ? EVENT_IDX : 0);
		snprintf(what, sizeof(what), "MRG_RXBUF %s, EVENT_IDX %s, "
			 "header %s", i & 1 ? "on" : "off",
			 i & 2 ? "on" : "off", shape_name[i / 4]);
		in = out = restart(c);
		c->shape = i / 4;
		for (unsigned int j = 0; j < 4 && in; j++)
			in = rx(c, i * 100 + j, lens[j]);
		CHECK(in, "RX, %s", what);
		for (unsigned int j = 0; j < 4 && out; j++)
			out = tx(c, i * 100 + j, lens[j]);
		CHECK(out, "TX, %s", what);
		CHECK(quiet(c) && !rang(c->err_fd[NET_RX], 0) &&
		      !rang(c->err_fd[NET_TX], 0),
		      "then silence, no error, %s", what);
	}
}

/* A frame larger than a buffer is spread over several, with MRG_RXBUF. */
static void spreading(struct card *c)
{
	const unsigned int want[] = { 500, 500, 526 }, total = HDR + FRAME_MAX;
	uint8_t got[HDR + FRAME_MAX] = { 0 };
	struct virtio_net_hdr_v1 hdr;
	const struct vring_used_elem *e;
	unsigned int at = 0;

	begin("mergeable buffers");
	c->features = BASIC | MRG;
	if (!CHECK(restart(c), "started"))
		return;
	for (unsigned int slot = 0; slot < 3; slot++)
		rx_post(c, slot, slot == 2 ? 2048 : 500);
	kick(c, NET_RX);
	host_send(c, 1, FRAME_MAX);
	for (unsigned int slot = 0; slot < 3; slot++) {
		e = take(c, NET_RX);
		if (!CHECK(e && e->id == slot * PER_SLOT &&
			   e->len == want[slot],
			   "buffer %u of a large frame has %u bytes", slot,
			   want[slot]))
			return;
		for (unsigned int i = 0; i < e->len && at < total; i++)
			got[at++] = *byte_at(c, NET_RX, slot, i);
	}
	memcpy(&hdr, got, sizeof(hdr));
	CHECK(hdr.num_buffers == 3, "the header counts 3 buffers");
	CHECK(frame_is(got + HDR, at - HDR, 1, FRAME_MAX),
	      "the frame is whole");
}

/* A frame waits for the buffers it takes, and is not lost. */
static void short_of_buffers(struct card *c)
{
	const unsigned int total = HDR + FRAME_MAX;
	uint8_t got[HDR + FRAME_MAX] = { 0 };
	unsigned int at = 0;
	bool ok;

	begin("fewer buffers than a frame takes");
	c->features = BASIC | MRG;
	if (!CHECK(restart(c), "started"))
		return;
	rx_post(c, 0, 500);
	rx_post(c, 1, 500);
	kick(c, NET_RX);
	host_send(c, 1, FRAME_MAX);
	host_send(c, 2, 60);
	CHECK(quiet(c), "a large frame for which there is too little room");
	rx_post(c, 2, 500);
	kick(c, NET_RX);
	CHECK(quiet(c), "there is still too little");
	rx_post(c, 3, 500);
	rx_post(c, 4, 500);
	kick(c, NET_RX);
	for (unsigned int slot = 0; slot < 4; slot++) {
		const struct vring_used_elem *e = take(c, NET_RX);

		if (!CHECK(e && e->id == slot * PER_SLOT && e->len ==
			   (slot < 3 ? 500 : total - 1500),
			   "buffer %u of it is full, or the last", slot))
			return;
		for (unsigned int i = 0; i < e->len && at < total; i++)
			got[at++] = *byte_at(c, NET_RX, slot, i);
	}
	CHECK(frame_is(got + HDR, at - HDR, 1, FRAME_MAX), "it is whole");
	CHECK(rx_take(c, 2, 60) == 4, "and the frame after it has come");

	c->features = BASIC;
	ok = restart(c);
	rx_post(c, 0, 500);
	kick(c, NET_RX);
	/* The second fills the buffer: the first may have left bytes in it. */
	ok = ok && host_send(c, 1, FRAME_MAX) && host_send(c, 2, 500 - HDR);
	CHECK(ok && rx_take(c, 2, 500 - HDR) == 0 && both(c, 3),
	      "without MRG_RXBUF a frame too large for its buffer is dropped, "
	      "and the next one has the buffer");
}

/* Whoever asks not to be woken is not; whoever is to be woken must be. */
static void waking(struct card *c)
{
	struct vring_avail *avail = c->ring[NET_RX].avail;
	bool ok;

	begin("kicks and interrupts");
	for (unsigned int i = 0; i < 2; i++) {
		const char *ev = i ? "EVENT_IDX on" : "EVENT_IDX off";

		c->features = BASIC | (i ? EVENT_IDX : 0);
		if (!CHECK(restart(c) && both(c, 1), "started, %s", ev))
			return;

		/* Each way's "no" is the other way's noise. */
		avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
		ring_at(c, NET_RX, c->seen[NET_RX] + 1);
		rx_post(c, 0, 2048);
		rx_post(c, 1, 2048);
		kick(c, NET_RX);
		while (rang(c->call_fd[NET_RX], 0))
			;
		host_send(c, 2, 60);
		for (int ms = 0; used_idx(c, NET_RX) == c->seen[NET_RX] &&
		     ms < PATIENCE; ms++)
			poll(NULL, 0, 1);
		CHECK(used_idx(c, NET_RX) != c->seen[NET_RX] &&
		      !rang(c->call_fd[NET_RX], SILENCE),
		      "a driver that does not want one gets no interrupt, %s",
		      ev);
		if (!i)
			avail->flags = 0;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		host_send(c, 3, 60);
		CHECK(rang(c->call_fd[NET_RX], PATIENCE),
		      "and then wants one, and gets it, %s", ev);
		ok = rx_take(c, 2, 60) >= 0 && rx_take(c, 3, 60) >= 0;
		CHECK(ok, "both frames are there, %s", ev);
		avail->flags = 0;

		tx_put(c, 0, 4, 60);
		ok = quiet(c);
		kick(c, NET_TX);
		CHECK(ok && host_got(c, 4, 60) && tx_take(c) == 0,
		      "a frame leaves at the kick and not before, %s", ev);

		host_send(c, 5, 60);
		ok = quiet(c);
		rx_post(c, 0, 2048);
		ok = ok && quiet(c);
		kick(c, NET_RX);
		CHECK(ok && rx_take(c, 5, 60) == 0,
		      "a frame that found no buffer comes at the kick, %s", ev);
	}
}

static void offloads(struct card *c)
{
	begin("offloads");
	c->features = BASIC | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
		      FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	CHECK(restart(c) && if_offload(c->name, ETHTOOL_GTXCSUM) == 1 &&
	      if_offload(c->name, ETHTOOL_GTSO) == 1,
	      "the tap's are what the driver accepted");
	stop(c);
	CHECK(if_offload(c->name, ETHTOOL_GTXCSUM) == 0 &&
	      if_offload(c->name, ETHTOOL_GTSO) == 0, "and none after stop");
	c->features = BASIC;
}

/* A start that fails leaves nothing running, and does not stand in the way. */
static void failing(struct card *c)
{
	begin("a start that fails");
	for (unsigned int q = 0; q < NET_RINGS; q++) {
		void *used = c->ring[q].used;

		reset_at(c, 0);
		rx_post(c, 0, 2048);
		c->ring[q].used = (void *)(uintptr_t)0x1000;	/* unmapped */
		CHECK(backend_start(c) == -EFAULT,
		      "%s ring where there is no memory: EFAULT", ring_name[q]);
		c->ring[q].used = used;
		host_send(c, 1, 60);
		CHECK(quiet(c), "nothing runs after it");
		/* What was in the tap's queue comes first. */
		CHECK(restart(c) && (rx_post(c, 1, 2048), kick(c, NET_RX),
				     rx_take(c, 1, 60) == 1) && both(c, 2),
		      "the next start works");
		stop(c);
		c->ring[q].num = 3;
		CHECK(backend_start(c) == -EINVAL,
		      "%s ring of 3 entries: EINVAL", ring_name[q]);
		c->ring[q].num = NUM;
		CHECK(restart(c) && both(c, 3), "the next start works");
	}
}

/* ---- Stop, and go on ---- */

static void stopping(struct card *c)
{
	const void *ram = c->mem.region[0].hva;
	void *before = malloc(RAM);
	bool ok = true;

	begin("stop");
	if (!CHECK(before && restart(c) && both(c, 1) && both(c, 2),
		   "started"))
		goto out;
	for (unsigned int slot = 1; slot < 9; slot++)
		rx_post(c, slot, 2048);
	kick(c, NET_RX);
	for (uint32_t seq = 3; seq < 6; seq++)
		ok = ok && host_send(c, seq, 60) && rx_take(c, seq, 60) > 0;
	CHECK(ok, "three more frames in, and five buffers left");
	CHECK(stop(c), "stops");
	CHECK((c->ring[NET_RX].base == 5 && c->ring[NET_TX].base == 2) ||
	      complain("bases %u and %u", c->ring[NET_RX].base,
		       c->ring[NET_TX].base),
	      "the bases are the frames consumed, 5 and 2");

	tx_put(c, 0, 100, 60);
	for (unsigned int q = 0; q < NET_RINGS; q++)
		rang(c->call_fd[q], 0);		/* of before */
	memcpy(before, ram, RAM);
	for (uint32_t seq = 6; seq < 26; seq++)
		host_send(c, seq, 60);
	kick(c, NET_TX);
	kick(c, NET_RX);
	CHECK(!readable(c->host, 5 * SILENCE), "nothing leaves after stop");
	CHECK(memcmp(before, ram, RAM) == 0,
	      "not a byte of RAM is written, though frames come and kicks go");
	CHECK(!rang(c->call_fd[NET_RX], 0) && !rang(c->call_fd[NET_TX], 0),
	      "no interrupt either");

	CHECK(start(c), "starts again where it was");
	for (unsigned int slot = 9; slot < SLOTS; slot++)
		rx_post(c, slot, 2048);
	kick(c, NET_RX);
	for (uint32_t seq = 6; ok && seq < 26; seq++) {
		int slot = rx_take(c, seq, 60);

		ok = slot >= 0;
		if (ok)
			rx_post(c, slot, 2048);
		kick(c, NET_RX);
	}
	CHECK(ok, "the frames that came meanwhile are all there, in order");
	CHECK(host_got(c, 100, 60) && tx_take(c) == 0,
	      "and the one that was put into TX has left");
	CHECK(quiet(c), "nothing comes twice");
out:
	free(before);
}

/*
 * Stopped and started again in full flight.  The indices begin just below where
 * 16 bits end.
 */
static void going_on(struct card *c)
{
	const unsigned int burst = 10;
	uint32_t seq = 0;
	bool ok = true;

	begin("stop and start in full flight");
	c->features = BASIC | EVENT_IDX | MRG;
	reset_at(c, 65336);
	if (!CHECK(start(c), "started"))
		return;
	for (unsigned int slot = 0; slot < SLOTS; slot++)
		rx_post(c, slot, 2048);
	kick(c, NET_RX);
	for (unsigned int round = 0; round < 40 && ok; round++) {
		for (unsigned int i = 0; i < burst; i++) {
			host_send(c, seq + i, 60 + i);
			tx_put(c, i, seq + i, 60 + i);
			if (i == round % burst)
				kick(c, NET_TX);
		}
		kick(c, NET_TX);
		ok = stop(c);
		for (unsigned int q = 0; q < NET_RINGS && ok; q++)
			ok = c->ring[q].base == used_idx(c, q) ||
			     complain("round %u: %s base %u, used idx %u",
				      round, ring_name[q], c->ring[q].base,
				      used_idx(c, q));
		ok = ok && start(c);
		for (unsigned int i = 0; i < burst && ok; i++, seq++) {
			int slot = rx_take(c, seq, 60 + i);

			ok = slot >= 0 && host_got(c, seq, 60 + i) &&
			     tx_take(c) >= 0;
			if (ok)
				rx_post(c, slot, 2048);
			kick(c, NET_RX);
		}
	}
	CHECK(ok, "400 frames each way over 40 stops: none lost, none twice");
	CHECK(quiet(c), "and none left over");
	c->features = BASIC;
}

/* What driver unbind and bind, kexec and reboot do. */
static void resetting(struct card *c)
{
	uint32_t seq = 0;
	unsigned int n;
	bool ok = true, late = false;

	begin("reset and start, 200 times");
	for (n = 0; n < 200 && ok; n++) {
		ok = restart(c);
		/* The last round's late frame may still be in the tap. */
		if (late) {
			rx_post(c, 1, 2048);
			kick(c, NET_RX);
			ok = ok && rx_take(c, seq++, 60) == 1;
		}
		for (unsigned int i = 0; i < 3 && ok; i++, seq++)
			ok = both(c, seq);
		if (n % 2) {
			rx_post(c, 2, 2048);
			ok = ok && host_send(c, seq, 60);
		}
		ok = ok && stop(c);
		ok = ok && (c->ring[NET_TX].base == 3 ||
			    complain("TX base %u", c->ring[NET_TX].base));
		if (ok && c->ring[NET_RX].base != c->seen[NET_RX] &&
		    c->ring[NET_RX].base != c->seen[NET_RX] + n % 2)
			ok = complain("RX base %u, taken %u",
				      c->ring[NET_RX].base, c->seen[NET_RX]);
		late = n % 2 && c->ring[NET_RX].base == c->seen[NET_RX];
		seq += n % 2 && !late;
	}
	CHECK(ok || complain("in round %u", n), "frames pass after each");
}

/* ---- A driver gone mad ---- */

#define AHEAD	"avail idx is further ahead than the ring has entries"
#define NOT_RAM	"a buffer is not in RAM"

static const struct broken {
	const char *what;
	struct vring_desc desc;		/* the head, unless @head says else */
	uint16_t head, ahead;
	bool wrong_way;			/* readable in RX, writable in TX */
	const char *blame;		/* NULL: names the head descriptor */
	const char *why;		/* what the user side says; %s: RX, TX */
} broken[] = {
	{ "an avail idx beyond the ring", .ahead = NUM + 1,
	  .blame = "avail idx 260 is 257 ahead of 3, and the ring has 256 "
		   "entries", .why = AHEAD },
	{ "an avail idx that went back", .ahead = 0xffff,
	  .blame = "avail idx 2 is 65535 ahead of 3, and the ring has 256 "
		   "entries", .why = AHEAD },
	{ "a head out of range", .head = NUM,
	  .blame = "avail entry 3 names descriptor 256, and the ring has 256",
	  .why = "a chain leads out of its table" },
	{ "a next out of range",
	  .desc = { 0x1000, 64, VRING_DESC_F_NEXT, NUM },
	  .why = "a chain leads out of its table" },
	{ "a descriptor loop",
	  .desc = { 0x1000, 64, VRING_DESC_F_NEXT, SPARE },
	  .why = "a chain has a loop" },
	{ "an address outside RAM",
	  .desc = { RAM, 2048, 0, 0 }, .why = NOT_RAM },
	{ "a buffer over the end of RAM",
	  .desc = { RAM - 64, 2048, 0, 0 }, .why = NOT_RAM },
	{ "an address that wraps around",
	  .desc = { -64ULL, 2048, 0, 0 }, .why = NOT_RAM },
	{ "half an indirect descriptor",
	  .desc = { 0x1000, 24, VRING_DESC_F_INDIRECT, 0 },
	  .why = "an indirect descriptor, which was not negotiated" },
	{ "a buffer of the wrong direction",
	  .desc = { 0x1000, 2048, 0, 0 }, .wrong_way = true,
	  .why = "a buffer to %s in the %s ring" },
};

static void break_ring(struct card *c, unsigned int q, const struct broken *b)
{
	struct vring_desc *desc = c->ring[q].desc;
	struct vring_avail *avail = c->ring[q].avail;

	desc[SPARE] = b->desc;
	if ((q == NET_RX) != b->wrong_way)
		desc[SPARE].flags |= VRING_DESC_F_WRITE;
	if (b->ahead)
		__atomic_store_n(&avail->idx, avail->idx + b->ahead,
				 __ATOMIC_RELEASE);
	else
		expose(c, q, b->head ? b->head : SPARE);
	kick(c, q);
	if (q == NET_RX)
		host_send(c, 1000, 60);
}

/*
 * Leave nothing on the way.  A kernel that keeps an avail idx it has refused
 * (6.12.95 does, 6.12.117 does not) goes on from there at the next kick, and
 * takes entries that nobody exposed: how many frames it made of them, and
 * whether it used up the one that waited, is not ours to say.  Mostly that one
 * comes, and on a machine with much to do it may take a while.
 */
static bool drain(struct card *c, unsigned int q)
{
	uint8_t frame[FRAME_MAX];
	bool ok = restart(c);

	for (unsigned int slot = 1; slot < 5; slot++)
		rx_post(c, slot, 2048);
	kick(c, NET_RX);
	rang(c->call_fd[NET_RX], q == NET_RX ? PATIENCE : SILENCE);
	ok = ok && stop(c);
	while (readable(c->host, SILENCE))
		recv(c->host, frame, sizeof(frame), 0);
	return ok;
}

/* vhost does not tell what it found: is it what the ring's memory tells? */
static void blamed(struct card *c, unsigned int q, const struct broken *b,
		   const struct vring_desc *d)
{
	char why[WHY_MAX], generic[WHY_MAX];

	snprintf(generic, sizeof(generic), "avail idx 4, at 3, head descriptor "
		 "%d: addr %#llx len %u flags %#x next %u", SPARE,
		 (unsigned long long)d->addr, d->len, d->flags, d->next);
	net_blame(&c->ring[q], q, NULL, why);
	if (b->ahead && c->ring[q].base != 3)	/* see drain() */
		CHECK(strstr(why, " ring broken: avail "), "(went on) %s", why);
	else
		CHECK(said(false, why, "%s ring broken: %s", ring_name[q],
			   b->blame ? b->blame : generic), "%s", why);
}

static void breaking(struct card *c, unsigned int q, const struct broken *b)
{
	const struct vring_desc *d =
		(struct vring_desc *)c->ring[q].desc + SPARE;
	const char *name = ring_name[q];
	char generic[WHY_MAX];
	bool ok;

	ok = restart(c) && both(c, 0) && both(c, 1) && both(c, 2);
	break_ring(c, q, b);
	CHECK(ok && rang(c->err_fd[q], PATIENCE),
	      "%s, %s: the error eventfd fires", name, b->what);
	CHECK(!rang(c->err_fd[!q], 0), "and not the other ring's");
	for (unsigned int i = 0; i < 100; i++)
		kick(c, q);
	CHECK(stop(c), "it stops, under kicks");
	if (c->user) {
		/* The one text with a %s, for the ring's wrong direction. */
		snprintf(generic, sizeof(generic), b->why,
			 q == NET_RX ? "read" : "write", name);
		CHECK(c->why && said(false, c->why, "%s", generic), "%s",
		      c->why);
	} else {
		blamed(c, q, b, d);
	}

	/* The frame that waits in the tap finds a buffer now. */
	if (b->ahead)
		CHECK(drain(c, q), "what was on the way is taken off it");
	ok = restart(c);
	if (q == NET_RX && !b->ahead) {
		rx_post(c, 1, 2048);
		kick(c, NET_RX);
		ok = ok && rx_take(c, 1000, 60) == 1;
	}
	CHECK(ok && both(c, 4), "after a reset frames pass again");
}

static void all_broken(struct card *c)
{
	begin("broken rings");
	for (unsigned int i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		for (unsigned int q = 0; q < NET_RINGS; q++)
			breaking(c, q, &broken[i]);
}

/* A frame that tun does not like is no fault of the ring's. */
static void nonsense(struct card *c)
{
	begin("nonsense in a header");
	if (!CHECK(restart(c) && both(c, 1), "started"))
		return;
	tx_put(c, 1, 2, 60);
	memset(byte_at(c, NET_TX, 1, 0), 0xff, HDR);
	tx_put(c, 2, 2, 2);		/* shorter than an Ethernet header */
	tx_put(c, 3, 3, 60);
	kick(c, NET_TX);
	CHECK(tx_take(c) == 1 && tx_take(c) == 2 && tx_take(c) == 3 &&
	      host_got(c, 3, 60) && quiet(c),
	      "two frames are dropped, the next one passes");
	CHECK(!rang(c->err_fd[NET_TX], 0), "the ring is not broken");
}

/* ---- The tap goes away ---- */

struct flood {
	int fd;				/* from host_open() */
	atomic_uint sent;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	uint8_t frame[FRAME_MAX];

	frame_make(frame, 1, sizeof(frame));
	while (send(f->fd, frame, sizeof(frame), 0) > 0 || errno == ENOBUFS)
		f->sent++;
	return NULL;
}

static bool flows(struct flood *f)
{
	for (int ms = 0; !f->sent && ms < PATIENCE; ms++)
		usleep(1000);
	return f->sent > 0;
}

static void vanishing(struct card *c)
{
	static struct flood f;		/* outlives a thread that hangs */
	pthread_t thread;
	bool fired = false;
	struct timespec soon;

	f = (struct flood){ .fd = host_open(c->name) };
	begin("the tap is deleted under traffic");
	if (!CHECK(restart(c) && both(c, 1) &&
		   pthread_create(&thread, NULL, flood, &f) == 0 && flows(&f),
		   "started"))
		return;
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		rx_post(c, slot, 2048);
		tx_put(c, slot, slot, FRAME_MAX);
	}
	kick(c, NET_TX);
	kick(c, NET_RX);
	CHECK(if_delete(c->name), "the tap is deleted");
	for (unsigned int i = 0; i < 20 && !fired; i++) {
		tx_put(c, 0, 1, 60);
		kick(c, NET_TX);
		kick(c, NET_RX);
		fired = rang(c->err_fd[NET_TX], SILENCE) ||
			rang(c->err_fd[NET_RX], 0);
	}
	printf("# the error eventfd %s\n", fired ? "fired" : "did not fire");
	CHECK(fired || tap_link(&c->tap) == TAP_GONE, "it is noticed");
	CHECK(tap_link(&c->tap) == TAP_GONE, "and the link is gone");
	CHECK(stop(c), "it stops all the same");
	printf("# and now a start that cannot succeed\n");
	CHECK(!restart(c), "it cannot start again");
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += PATIENCE / 1000;
	CHECK(pthread_timedjoin_np(thread, NULL, &soon) == 0,
	      "the sender found out too");
	close(f.fd);
}

/* ---- Two at once ---- */

static void two(enum kind kind)
{
	struct card c[2];
	bool ok;

	begin("two cards");
	ok = card_open(&c[0], kind, "tap0", -1);
	ok = card_open(&c[1], kind, "tap1", -1) && ok;
	ok = ok && restart(&c[0]) && restart(&c[1]);
	for (uint32_t seq = 0; seq < 40 && ok; seq++) {
		for (unsigned int i = 0; i < 2; i++) {
			rx_post(&c[i], 0, 2048);
			tx_put(&c[i], 0, seq + 1000 * i, 60);
			kick(&c[i], NET_RX);
			kick(&c[i], NET_TX);
			host_send(&c[i], seq + 1000 * i, 60);
		}
		for (unsigned int i = 0; i < 2 && ok; i++)
			ok = rx_take(&c[i], seq + 1000 * i, 60) == 0 &&
			     host_got(&c[i], seq + 1000 * i, 60) &&
			     tx_take(&c[i]) == 0;
	}
	CHECK(ok && quiet(&c[0]) && quiet(&c[1]),
	      "each carries its own frames and no others");
	for (unsigned int i = 0; i < 2 && ok; i++) {
		break_ring(&c[i], NET_TX, &broken[0]);
		CHECK(rang(c[i].err_fd[NET_TX], PATIENCE) &&
		      !rang(c[!i].err_fd[NET_TX], 0) && stop(&c[i]) &&
		      both(&c[!i], 7 + i), "%s broken and stopped, %s goes on",
		      c[i].name, c[!i].name);
		ok = restart(&c[i]);
	}
	CHECK(ok && both(&c[0], 9) && both(&c[1], 9), "both again");
	card_close(&c[0]);
	card_close(&c[1]);
}

static void with_card(enum kind kind, void (*test)(struct card *c))
{
	struct card c;

	if (card_open(&c, kind, "tap0", -1))
		test(&c);
	card_close(&c);
}

static bool only_user;

static int play(void)
{
	if (!CHECK(seclude(!only_user), "in namespaces of our own"))
		return done();
	opening();
	adopting();
	interface();
	if (!only_user) {
		creating();
		passing_in();
		with_card(VHOST, failing);
	}
	for (enum kind kind = only_user ? USER : VHOST; kind < KINDS; kind++) {
		printf("# ---- %s ----\n", kind_name[kind]);
		with_card(kind, traffic);
		with_card(kind, spreading);
		with_card(kind, short_of_buffers);
		with_card(kind, waking);
		with_card(kind, offloads);
		with_card(kind, stopping);
		with_card(kind, going_on);
		with_card(kind, resetting);
		with_card(kind, all_broken);
		with_card(kind, nonsense);
		with_card(kind, vanishing);
		two(kind);
	}
	return done();
}

int main(int argc, char **argv)
{
	only_user = argc > 1 && strcmp(argv[1], "user") == 0;
	return stage_run(play, !only_user);
}
