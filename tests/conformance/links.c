/* SPDX-License-Identifier: MIT */
/*
 * Interfaces besides a rig's own tap.  Most of it is rtnetlink, one request and
 * its acknowledgement at a time; see links.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "tests/conformance/links.h"
#include "tests/conformance/rig.h"

int link_ioctl(unsigned long request, const char *name, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	memset(ifr->ifr_name, 0, IFNAMSIZ);
	memcpy(ifr->ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	err = ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/*
 * ---- rtnetlink ----
 */

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct tcmsg qdisc;
	};
	char attr[512];
};

/* The end of @req, where the next attribute goes. */
static struct rtattr *end_of(struct request *req)
{
	return (struct rtattr *)((char *)req + NLMSG_ALIGN(req->head.nlmsg_len));
}

static struct rtattr *add(struct request *req, unsigned short type,
			  const void *data, size_t len)
{
	struct rtattr *a = end_of(req);

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	req->head.nlmsg_len = NLMSG_ALIGN(req->head.nlmsg_len) +
			      RTA_ALIGN(a->rta_len);
	return a;
}

/* All that was added since @nest belongs into it. */
static void close_nest(struct request *req, struct rtattr *nest)
{
	nest->rta_len = (char *)end_of(req) - (char *)nest;
}

static void begin(struct request *req, unsigned short type,
		  unsigned short flags, size_t body)
{
	memset(req, 0, sizeof(*req));
	req->head.nlmsg_type = type;
	req->head.nlmsg_flags = NLM_F_REQUEST | flags;
	req->head.nlmsg_len = NLMSG_LENGTH(body);
}

struct answer {
	struct nlmsghdr head;
	union {
		struct nlmsgerr error;
		struct ifinfomsg link;
	};
	char rest[sizeof(struct request)];	/* and more, which is cut off */
};

/* What the kernel says to @req: 0 and @answer, or -errno. */
static int talk(struct request *req, struct answer *answer)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, req, req->head.nlmsg_len, 0) < 0 ||
	    recv(fd, answer, sizeof(*answer), 0) < 0)
		err = -errno;
	else if (answer->head.nlmsg_type == NLMSG_ERROR)
		err = answer->error.error;
	close(fd);
	return err;
}

/* 0 or -errno: @req is a wish, not a question. */
static int ask(struct request *req)
{
	struct answer answer;

	req->head.nlmsg_flags |= NLM_F_ACK;
	return talk(req, &answer);
}

/* SIOCGIFINDEX would have modprobe look for a driver of that name. */
int link_index(const char *name)
{
	struct answer answer;
	struct request req;

	begin(&req, RTM_GETLINK, 0, sizeof(req.link));
	add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	return talk(&req, &answer) == 0 ? answer.link.ifi_index : 0;
}

int link_delete(const char *name)
{
	struct request req;

	begin(&req, RTM_DELLINK, 0, sizeof(req.link));
	add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	return ask(&req);
}

/*
 * ---- a bridge ----
 */

void bridge_make(const char *name)
{
	struct rtattr *info, *data;
	struct request req;
	uint8_t no = 0;
	int err;

	begin(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(req.link));
	add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	info = add(&req, IFLA_LINKINFO, NULL, 0);
	add(&req, IFLA_INFO_KIND, "bridge", 6);
	/* One that snoops is a member of 224.0.0.106, and reports it. */
	data = add(&req, IFLA_INFO_DATA, NULL, 0);
	add(&req, IFLA_BR_MCAST_SNOOPING, &no, sizeof(no));
	close_nest(&req, data);
	close_nest(&req, info);
	err = ask(&req);
	if (err == -EOPNOTSUPP)
		skip("no bridge: the kernel lacks the module of that name");
	REQUIRE(!err, "bridge %s: %s", name, strerror(-err));
	if_up(name, true);
}

void bridge_add(const char *bridge, const char *port)
{
	struct ifreq ifr;
	int err;

	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_ifindex = link_index(port);
	err = link_ioctl(SIOCBRADDIF, bridge, &ifr);
	REQUIRE(!err, "%s into %s: %s", port, bridge, strerror(-err));
}

/*
 * ---- macvtap and ipvtap ----
 */

/*
 * The character device is named after the interface's index.  So that it is
 * ours even where another namespace has one of the same index, we choose it.
 */
static int open_tap(int index)
{
	char path[32];
	int fd = -1;

	snprintf(path, sizeof(path), "/dev/tap%d", index);
	for (unsigned int i = 0; i < 200 && fd < 0; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			usleep(10000);	/* whoever fills /dev is at work */
	}
	if (fd < 0)
		skip("no %s: nothing here fills /dev", path);
	return fd;
}

static int make_tap(const char *kind, const char *name, const char *lower,
		    uint32_t mode, const uint8_t mac[6], int index)
{
	bool ipvtap = strcmp(kind, "ipvtap") == 0;
	uint16_t mode16 = mode;
	int below = link_index(lower);
	struct rtattr *info, *data;
	struct request req;

	begin(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(req.link));
	req.link.ifi_index = index;
	add(&req, IFLA_IFNAME, name, strlen(name) + 1);
	add(&req, IFLA_LINK, &below, sizeof(below));
	if (mac)
		add(&req, IFLA_ADDRESS, mac, 6);
	info = add(&req, IFLA_LINKINFO, NULL, 0);
	add(&req, IFLA_INFO_KIND, kind, strlen(kind));
	data = add(&req, IFLA_INFO_DATA, NULL, 0);
	if (ipvtap)
		add(&req, IFLA_IPVLAN_MODE, &mode16, sizeof(mode16));
	else
		add(&req, IFLA_MACVLAN_MODE, &mode, sizeof(mode));
	close_nest(&req, data);
	close_nest(&req, info);
	return ask(&req);
}

int tap_on_link(const char *kind, const char *name, const char *lower,
		uint32_t mode, const uint8_t mac[6], unsigned int hdr_len)
{
	int index = 0x100000 + getpid();
	int err = make_tap(kind, name, lower, mode, mac, index);
	int fd, size = hdr_len;
	struct ifreq ifr;

	if (err == -EOPNOTSUPP)
		skip("no %s: the kernel lacks the module of that name", kind);
	REQUIRE(!err, "%s on %s: %s", kind, lower, strerror(-err));
	if_up(name, true);

	fd = open_tap(index);
	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	REQUIRE(ioctl(fd, TUNSETIFF, &ifr) == 0, "%s: TUNSETIFF: %s", kind,
		strerror(errno));
	REQUIRE(ioctl(fd, TUNSETVNETHDRSZ, &size) == 0,
		"%s: TUNSETVNETHDRSZ %d: %s", kind, size, strerror(errno));
	return fd;
}

/*
 * ---- queues of what an interface sends ----
 */

static int set_qdisc(const char *name, const char *kind, unsigned short flags,
		     const void *options, size_t size)
{
	struct request req;

	begin(&req, RTM_NEWQDISC, flags, sizeof(req.qdisc));
	req.qdisc.tcm_ifindex = link_index(name);
	req.qdisc.tcm_parent = TC_H_ROOT;
	req.qdisc.tcm_handle = TC_H_MAKE(1U << 16, 0);
	add(&req, TCA_KIND, kind, strlen(kind) + 1);
	if (size)
		add(&req, TCA_OPTIONS, options, size);
	return ask(&req);
}

int qdisc_make(const char *name, const char *kind)
{
	return set_qdisc(name, kind, NLM_F_CREATE | NLM_F_REPLACE, NULL, 0);
}

static int plug(const char *name, unsigned short flags, int action)
{
	struct tc_plug_qopt opt = { .action = action, .limit = 1 << 24 };

	return set_qdisc(name, "plug", flags, &opt, sizeof(opt));
}

void plug_make(const char *name)
{
	/* It starts out plugged in. */
	int err = plug(name, NLM_F_CREATE | NLM_F_EXCL, TCQ_PLUG_BUFFER);

	if (err == -ENOENT)
		skip("no sch_plug");
	REQUIRE(!err, "%s: plug: %s", name, strerror(-err));
}

void plug_release(const char *name)
{
	int err = plug(name, 0, TCQ_PLUG_RELEASE_INDEFINITE);

	REQUIRE(!err, "%s: plug out: %s", name, strerror(-err));
}
