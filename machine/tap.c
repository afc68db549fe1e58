/* SPDX-License-Identifier: MIT */
/*
 * Opening a tap or adopting one, and telling it what the guest accepts.
 *
 * What a tap remembers from its last user (header size, offloads) is always
 * set anew: a persistent one keeps both over close().  See drivers/net/tun.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/sockios.h>

#include "machine/tap.h"
#include "machine/trace.h"
#include "machine/uapi.h"

#define FEATURE(bit)	(1ULL << (bit))
#define COUNTS		"%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64

/* As ioctl(2), and in the transcript.  @arg is a pointer or a number. */
#define tap_ioctl(fd, request, arg) \
	trace_ioctl(TRACE_TAP, calls, fd, request, (unsigned long)(arg))

/*
 * ---- the transcript ----
 */

static void show_name(struct text *t, unsigned long arg)
{
	const struct ifreq *ifr = (const struct ifreq *)arg;

	/* Asked of a tap's descriptor, no name is needed. */
	text_add(t, "%.*s", IFNAMSIZ, ifr->ifr_name[0] ? ifr->ifr_name : "tap");
}

static void show_tun(struct text *t, unsigned long arg)
{
	static const char *const flag[] = {
		[0] = "TUN", [1] = "TAP", [4] = "NAPI", [5] = "NAPI_FRAGS",
		[8] = "MULTI_QUEUE", [11] = "PERSIST", [12] = "NO_PI",
		[13] = "ONE_QUEUE", [14] = "VNET_HDR", [15] = "TUN_EXCL",
	};
	const struct ifreq *ifr = (const struct ifreq *)arg;

	show_name(t, arg);
	text_add(t, " flags ");
	text_bits(t, (unsigned short)ifr->ifr_flags, flag,
		  sizeof(flag) / sizeof(flag[0]));
}

static void show_flags(struct text *t, unsigned long arg)
{
	short flags = ((const struct ifreq *)arg)->ifr_flags;

	text_add(t, "%s", flags & IFF_UP ? "up" : "down");
}

static void show_mtu(struct text *t, unsigned long arg)
{
	text_add(t, "%d", ((const struct ifreq *)arg)->ifr_mtu);
}

static void show_address(struct text *t, unsigned long arg)
{
	const struct ifreq *ifr = (const struct ifreq *)arg;

	for (unsigned int i = 0; i < 6; i++)
		text_add(t, "%s%02x", i ? ":" : "",
			 (uint8_t)ifr->ifr_hwaddr.sa_data[i]);
}

static void show_int(struct text *t, unsigned long arg)
{
	text_add(t, "%d", *(const int *)arg);
}

static void show_offload(struct text *t, unsigned long arg)
{
	static const char *const flag[] = {
		"CSUM", "TSO4", "TSO6", "TSO_ECN", "UFO", "USO4", "USO6",
	};

	text_bits(t, arg, flag, sizeof(flag) / sizeof(flag[0]));
}

#define CALL(name, ...)	{ name, #name, __VA_ARGS__ }

static const struct trace_call calls[] = {
	CALL(TUNSETIFF,		show_tun, NULL),
	CALL(TUNGETIFF,		NULL, show_tun),
	CALL(TUNSETVNETHDRSZ,	show_int, NULL),
	CALL(TUNSETVNETLE,	show_int, NULL),
	CALL(TUNSETSNDBUF,	show_int, NULL),
	CALL(TUNSETOFFLOAD,	show_offload, NULL),
	CALL(TUNATTACHFILTER,	NULL, NULL),
	CALL(TUNDETACHFILTER,	NULL, NULL),
	CALL(SIOCGIFFLAGS,	show_name, show_flags),
	CALL(SIOCGIFMTU,	show_name, show_mtu),
	CALL(SIOCGIFHWADDR,	show_name, show_address),
	CALL(SIOCETHTOOL,	show_name, NULL),
	{ 0 }
};

/*
 * ---- opening, adopting, settings ----
 */

static const char *tun_hint(int error)
{
	return error == ENOENT || error == ENODEV || error == ENXIO ?
		"load its module: modprobe tun" :
		"it is usually open to all: chmod 666 /dev/net/tun";
}

/*
 * An ioctl on the interface @name in our network namespace; 0 or -errno.  What
 * else than the name goes in, the caller has put into @ifr.
 */
static int if_ioctl(unsigned long request, const char *name, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	memset(ifr->ifr_name, 0, IFNAMSIZ);
	memcpy(ifr->ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	err = tap_ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/*
 * Is interface @name a "tap" or a "tun"?  "" for anything else.  Asked of the
 * driver, since /sys may show another network namespace than ours.
 */
static void kind_of(const char *name, char kind[ETHTOOL_BUSINFO_LEN])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_data = (char *)&info;
	kind[0] = '\0';
	if (if_ioctl(SIOCETHTOOL, name, &ifr) == 0 &&
	    strcmp(info.driver, "tun") == 0)
		memcpy(kind, info.bus_info, ETHTOOL_BUSINFO_LEN);
}

/* Why TUNSETIFF said no, and what to do.  Always false. */
static bool refuse_attach(const char *name, int error, char *why)
{
	char kind[ETHTOOL_BUSINFO_LEN];

	kind_of(name, kind);
	if (error == EBUSY)
		return refuse(why, "%s: in use by another process", name);
	if (error == EPERM)
		return refuse(why, "%s: belongs to another user; as root: "
			      "ip tuntap add %s mode tap user $USER, or pass "
			      "it in with --tap fd=N", name, name);
	if (error == EINVAL && !kind[0])
		return refuse(why, "%s: is not a tap; make one with: "
			      "ip tuntap add NAME mode tap", name);
	if (error == EINVAL && strcmp(kind, "tun") == 0)
		return refuse(why, "%s: is a tun, not a tap; make one with: "
			      "ip tuntap add NAME mode tap", name);
	if (error == EINVAL)	/* the only other flag that has to match */
		return refuse(why, "%s: was created with multi_queue; remove "
			      "it and: ip tuntap add %s mode tap", name, name);
	return refuse(why, "%s: %s", name, strerror(error));
}

/*
 * Is the interface of this name the one behind our descriptor?  A tap that was
 * passed in may live in another network namespace, where we see nothing of it,
 * or something else by the same name.
 */
static bool is_visible(int fd, const char *name)
{
	struct ifreq ours, theirs;

	memset(&ours, 0, sizeof(ours));
	return tap_ioctl(fd, SIOCGIFHWADDR, &ours) == 0 &&
	       if_ioctl(SIOCGIFHWADDR, name, &theirs) == 0 &&
	       memcmp(ours.ifr_hwaddr.sa_data, theirs.ifr_hwaddr.sa_data, 6)
		== 0;
}

/*
 * The counters of the interface behind @fd, by its name of now.  They are in
 * /proc/net/dev for the namespace that we are in, which /sys need not be of.
 */
static bool read_counts(int fd, struct tap_counts *rx, struct tap_counts *tx)
{
	char line[512], *rest = NULL;
	bool found = false;
	struct ifreq ifr;
	FILE *f;

	memset(&ifr, 0, sizeof(ifr));
	if (tap_ioctl(fd, TUNGETIFF, &ifr) < 0)
		return false;
	f = fopen("/proc/net/dev", "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		rest = strchr(line, ':');	/* no name has one */
		if (!rest)
			continue;
		*rest++ = '\0';
		found = strcmp(line + strspn(line, " "), ifr.ifr_name) == 0;
	}
	if (f)
		fclose(f);
	/* bytes packets errs drop fifo frame compressed multicast, twice */
	return found &&
	       sscanf(rest, COUNTS " %*u %*u %*u %*u " COUNTS,
		      &rx->bytes, &rx->packets, &rx->errors, &rx->dropped,
		      &tx->bytes, &tx->packets, &tx->errors,
		      &tx->dropped) == 8;
}

static void subtract(struct tap_counts *from, const struct tap_counts *what)
{
	from->packets -= what->packets;
	from->bytes -= what->bytes;
	from->dropped -= what->dropped;
	from->errors -= what->errors;
}

/* Common to both: the device is as it should be, its offloads are off. */
static bool settle(struct tap *tap, char *why)
{
	int err = tap_set_header(tap, sizeof(struct virtio_net_hdr_v1));

	if (err)
		return refuse(why, "%s: no virtio-net header of %zu bytes: %s",
			      tap->name, sizeof(struct virtio_net_hdr_v1),
			      strerror(-err));
	tap->has_uso = tap_ioctl(tap->fd, TUNSETOFFLOAD,
				 TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6) == 0;
	err = tap_set_offload(tap, 0);
	if (err)
		return refuse(why, "%s: TUNSETOFFLOAD: %s", tap->name,
			      strerror(-err));
	tap->visible = is_visible(tap->fd, tap->name);
	if (tap->visible)
		read_counts(tap->fd, &tap->rx_before, &tap->tx_before);
	return true;
}

/*
 * Attach to the existing tap @name.  Returns false with @why, which begins
 * with the name of what is wrong, if that cannot be.  A name that does not
 * exist is refused: creating it, as root, would hide a slip of the pen.
 */
bool tap_open(struct tap *tap, const char *name, char why[static WHY_MAX])
{
	struct ifreq ifr;

	memset(tap, 0, sizeof(*tap));
	snprintf(tap->name, sizeof(tap->name), "%s", name);
	tap->fd = -1;
	if (if_ioctl(SIOCGIFFLAGS, name, &ifr) == -ENODEV)
		return refuse(why, "%s: does not exist; make it with: "
			      "ip tuntap add %s mode tap user $USER && "
			      "ip link set %s up", name, name, name);

	tap->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap->fd < 0)
		return refuse(why, "/dev/net/tun: %s; %s", strerror(errno),
			      tun_hint(errno));
	trace(TRACE_TAP, "open /dev/net/tun = %d", tap->fd);

	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, tap->name, IFNAMSIZ);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (tap_ioctl(tap->fd, TUNSETIFF, &ifr) < 0)
		return refuse_attach(name, errno, why);
	return settle(tap, why);
}

/*
 * The flags of the tun or tap behind @fd; -errno if there is none.  The bit of
 * IFF_NO_PI is also that of IFF_NOFILTER, "no socket filter here", so for a
 * moment there has to be one, which lets all pass.  A macvtap takes no filter
 * and does not mix the two up.
 */
static int tun_flags(int fd, struct ifreq *ifr)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog filter = { 1, &pass };
	bool attached = tap_ioctl(fd, TUNATTACHFILTER, &filter) == 0;
	int err;

	memset(ifr, 0, sizeof(*ifr));
	err = tap_ioctl(fd, TUNGETIFF, ifr) < 0 ? -errno : 0;
	if (attached)
		tap_ioctl(fd, TUNDETACHFILTER, 0);
	return err ? err : (unsigned short)ifr->ifr_flags;
}

/*
 * Take over descriptor @fd, a tap that somebody with more rights attached.
 * Returns false with @why if it is not one, or not as we need it.
 */
bool tap_adopt(struct tap *tap, int fd, char why[static WHY_MAX])
{
	struct ifreq ifr;
	int flags;

	memset(tap, 0, sizeof(*tap));
	tap->fd = fd;
	if (fcntl(fd, F_GETFD) < 0)
		return refuse(why, "fd=%d: not an open descriptor", fd);
	flags = tun_flags(fd, &ifr);
	if (flags < 0)
		return refuse(why, flags == -EBADFD ?
			      "fd=%d: /dev/net/tun, but not attached to a tap "
			      "(TUNSETIFF)" : "fd=%d: not a tap", fd);
	memcpy(tap->name, ifr.ifr_name, IFNAMSIZ);
	if (!(flags & IFF_TAP))
		return refuse(why, "fd=%d (%s): a tun, not a tap", fd,
			      tap->name);
	if (!(flags & IFF_NO_PI) || !(flags & IFF_VNET_HDR))
		return refuse(why, "fd=%d (%s): lacks %s; attach it with "
			      "IFF_NO_PI | IFF_VNET_HDR", fd, tap->name,
			      flags & IFF_NO_PI ? "vnet_hdr" : "no_pi");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return refuse(why, "fd=%d: %s", fd, strerror(errno));
	return settle(tap, why);
}

/* Say in one line whether a tap could be opened here. */
bool tap_probe(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0;

	if (ok)
		printf("%-8s /dev/net/tun\n", "ok");
	else
		printf("%-8s /dev/net/tun: %s: %s\n", "MISSING",
		       strerror(errno), tun_hint(errno));
	if (ok)
		close(fd);
	return ok;
}

/* A tap's file is the misc device 10:200; a macvtap has one of its own. */
static bool is_macvtap(const struct tap *tap)
{
	struct stat st;

	return fstat(tap->fd, &st) == 0 && st.st_rdev != makedev(10, 200);
}

/*
 * A macvtap lets through only what is for its own address, so the guest has to
 * have that one.  False for a tap: there the guest is the neighbour, and has an
 * address of its own.
 */
bool tap_own_mac(const struct tap *tap, uint8_t mac[6])
{
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	if (!is_macvtap(tap) || tap_ioctl(tap->fd, SIOCGIFHWADDR, &ifr) < 0)
		return false;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return true;
}

/* The tap's MTU in bytes, or 0 if its interface is out of our sight. */
unsigned int tap_mtu(const struct tap *tap)
{
	struct ifreq ifr;

	if (!tap->visible || if_ioctl(SIOCGIFMTU, tap->name, &ifr) < 0)
		return 0;
	return ifr.ifr_mtu;
}

/* Ask again, now; the name may have changed since. */
enum tap_link tap_link(const struct tap *tap)
{
	struct ifreq ifr, flags;

	memset(&ifr, 0, sizeof(ifr));
	if (tap_ioctl(tap->fd, TUNGETIFF, &ifr) < 0)
		return TAP_GONE;
	if (!tap->visible || if_ioctl(SIOCGIFFLAGS, ifr.ifr_name, &flags) < 0)
		return TAP_UP;
	return flags.ifr_flags & IFF_UP ? TAP_UP : TAP_DOWN;
}

/*
 * What went through since we have it.  Returns false if it is not one of our
 * network namespace, or gone.
 */
bool tap_counts(const struct tap *tap, struct tap_counts *from_guest,
		struct tap_counts *to_guest)
{
	struct tap_counts rx, tx;

	if (!tap->visible || !read_counts(tap->fd, &rx, &tx))
		return false;
	subtract(&rx, &tap->rx_before);
	subtract(&tx, &tap->tx_before);
	/* A tap receives what the guest sends; a macvtap sends it on. */
	*from_guest = is_macvtap(tap) ? tx : rx;
	*to_guest = is_macvtap(tap) ? rx : tx;
	return true;
}

/*
 * The size of the virtio-net header before each frame, and that it is little
 * endian, as VIRTIO_F_VERSION_1 has it.  Returns 0 or -errno.
 */
int tap_set_header(const struct tap *tap, unsigned int bytes)
{
	int size = bytes, le = 1;

	if (tap_ioctl(tap->fd, TUNSETVNETHDRSZ, &size) < 0)
		return -errno;
	/* Only where the host is big endian does a kernel need to know. */
	tap_ioctl(tap->fd, TUNSETVNETLE, &le);
	return 0;
}

/*
 * At most @bytes, and one frame, from the guest are under way in the host; then
 * the tap is full.  0 is no limit, which is also what lets vhost hand over
 * frames in batches (drivers/vhost/net.c).  Returns 0 or -errno.
 */
int tap_set_sndbuf(const struct tap *tap, unsigned int bytes)
{
	int size = bytes ? bytes : INT_MAX;

	return tap_ioctl(tap->fd, TUNSETSNDBUF, &size) < 0 ? -errno : 0;
}

/*
 * What the host may hand to a guest that accepted @features: frames without a
 * checksum, segments larger than the MTU.  The other direction needs nothing;
 * tun always takes offloads.  Returns 0 or -errno.
 */
int tap_set_offload(const struct tap *tap, uint64_t features)
{
	const uint64_t uso = FEATURE(VIRTIO_NET_F_GUEST_USO4) |
			     FEATURE(VIRTIO_NET_F_GUEST_USO6);
	unsigned long flags = 0;

	if (features & FEATURE(VIRTIO_NET_F_GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (features & FEATURE(VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (features & FEATURE(VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	if (features & FEATURE(VIRTIO_NET_F_GUEST_ECN))
		flags |= TUN_F_TSO_ECN;
	if ((features & uso) == uso)		/* tun knows only both */
		flags |= TUN_F_USO4 | TUN_F_USO6;

	return tap_ioctl(tap->fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}
