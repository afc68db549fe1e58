/* SPDX-License-Identifier: MIT */
/*
 * Where an integration test plays: as root, in namespaces of its own with
 * interfaces of its own, and under a watchdog, so that nothing stays behind and
 * nothing hangs.
 */
#ifndef TESTS_INTEGRATION_STAGE_H
#define TESTS_INTEGRATION_STAGE_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "machine/refuse.h"
#include "tests/unit/check.h"

#define WATCHDOG	60	/* s for all of it, inside the kernel too */

/* What the watchdog wants to know of us. */
static const char **stage;

static inline void begin(const char *what)
{
	*stage = what;
	printf("# %s\n", what);
}

/* Say what is wrong, for whoever reads the "not ok" that follows. */
__attribute__((format(printf, 1, 2)))
static inline bool complain(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# %s\n", text);	/* in one: other threads print, too */
	return false;
}

/* Was it not @accepted, and is @why, in every letter, what we expect? */
__attribute__((format(printf, 3, 4)))
static inline bool said(bool accepted, const char *why, const char *fmt, ...)
{
	char want[WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	if (accepted)
		return complain("was not refused");
	return strcmp(why, want) == 0 ||
	       complain("said \"%s\", expected \"%s\"", why, want);
}

/* ---- Interfaces ---- */

/* Make a tun or tap that stays, and return the descriptor it is open with. */
static inline int tun_make(const char *name, short flags)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq ifr = { .ifr_flags = flags };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(fd, TUNSETPERSIST, 1) < 0)
		complain("cannot make %s: %m", name);
	return fd;
}

static inline int if_ioctl(unsigned long request, struct ifreq *ifr,
			   const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	ret = ioctl(fd, request, ifr);
	close(fd);
	return ret;
}

static inline void if_up(const char *name, bool up)
{
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	if_ioctl(SIOCSIFFLAGS, &ifr, name);
}

/*
 * Wait until an interface that is up takes packets, and does not drop them: it
 * has got a carrier just now, and the kernel acts on that in a work item, under
 * the lock that setting it up once more has to wait for.
 */
static inline void if_ready(const char *name)
{
	char path[64], state[3] = "";

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
	for (int ms = 0; strcmp(state, "up") && ms < 3000; ms++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, state, 2) != 2)
			state[0] = '\0';
		close(fd);
		usleep(1000);
	}
	if_up(name, true);
}

/* What ethtool says of an offload of the interface, or -1. */
static inline int if_offload(const char *name, uint32_t cmd)
{
	struct ethtool_value val = { .cmd = cmd };
	struct ifreq ifr = { .ifr_data = (void *)&val };

	return if_ioctl(SIOCETHTOOL, &ifr, name) < 0 ? -1 : (int)val.data;
}

/* ip link del, over the heads of all who have it open. */
static inline bool if_delete(const char *name)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} ask = {
		.head.nlmsg_len = sizeof(ask),
		.head.nlmsg_type = RTM_DELLINK,
		.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.link.ifi_index = if_nametoindex(name),
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char rest[256];
	} answer = { .err.error = -EIO };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (send(fd, &ask, sizeof(ask), 0) == sizeof(ask))
		recv(fd, &answer, sizeof(answer), 0);
	close(fd);
	return answer.err.error == 0;
}

/* ---- The stage ---- */

/*
 * Namespaces of our own: a network, with its /sys, and device files whose
 * permissions are as udev makes them and may be changed.
 */
static inline bool seclude(bool with_vhost)
{
	struct stat vhost, tun;
	int fd;

	if ((with_vhost && stat("/dev/vhost-net", &vhost) < 0) ||
	    stat("/dev/net/tun", &tun) < 0 ||
	    unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 ||
	    mount("tmpfs", "/dev/net", "tmpfs", 0, NULL) < 0)
		return false;
	umask(0);
	if (mknod("/dev/net/tun", S_IFCHR | 0666, tun.st_rdev) < 0 ||
	    (with_vhost &&
	     (mknod("/dev/net/vhost", S_IFCHR | 0666, vhost.st_rdev) < 0 ||
	      mount("/dev/net/vhost", "/dev/vhost-net", NULL, MS_BIND,
		    NULL) < 0)))
		return false;

	/* Nobody shall speak on our interfaces but us. */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	if (fd >= 0 && write(fd, "1", 1) != 1)
		return false;
	close(fd);
	return true;
}

/* Say where a process is that does not end: a hang, most likely in vhost. */
static inline void post_mortem(pid_t pid)
{
	char cmd[128];

	printf("not ok - it hangs: %s\n", *stage);
	snprintf(cmd, sizeof(cmd), "for t in /proc/%d/task/*; do echo \"$t "
		 "$(cat $t/comm)\"; cat $t/stack; done | sed 's/^/# /'", pid);
	fflush(stdout);
	if (system(cmd) != 0)
		complain("no stack to be had");
}

static inline int skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return 0;
}

/*
 * Run @play and return the exit status for main().  It is run in a child, since
 * a process may hang where no signal reaches it.
 */
static inline int stage_run(int (*play)(void), bool with_vhost)
{
	sigset_t child;
	pid_t pid;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (with_vhost && access("/dev/vhost-net", F_OK) < 0)
		return skip_all("no /dev/vhost-net");
	if (access("/dev/net/tun", F_OK) < 0)
		return skip_all("no /dev/net/tun");
	if (geteuid() != 0)
		return skip_all("not root");

	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage == MAP_FAILED)
		return 1;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return play();
	}
	if (sigtimedwait(&child, NULL, &(struct timespec){ WATCHDOG, 0 }) < 0) {
		post_mortem(pid);
		kill(pid, SIGKILL);
		return 1;
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("not ok - killed by signal %d: %s\n", WTERMSIG(status), *stage);
	return 1;
}

#endif
