/* SPDX-License-Identifier: MIT */
/*
 * pass-fds [--as-root] TAP COMMAND [ARGUMENT]...
 *
 * What a privileged manager does for a launcher that is to have no rights:
 * opens tap TAP as descriptor 3 and /dev/vhost-net as 4, becomes nobody, who
 * can open neither, and runs COMMAND.  --as-root: becomes nobody else.
 */
#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/if_tun.h>

#define NOBODY	65534

static void place(int from, int to)
{
	if (from < 0 || (from != to && dup2(from, to) < 0))
		err(1, "descriptor %d", to);
}

static void become_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		err(1, "becoming nobody");
}

int main(int argc, char *argv[])
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int tap = open("/dev/net/tun", O_RDWR);

	bool as_root = argc > 1 && strcmp(argv[1], "--as-root") == 0;

	argc -= as_root;
	argv += as_root;
	if (argc < 3)
		errx(2, "usage: pass-fds [--as-root] TAP COMMAND "
		     "[ARGUMENT]...");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", argv[1]);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &ifr) < 0)
		err(1, "%s", argv[1]);
	place(tap, 3);
	place(open("/dev/vhost-net", O_RDWR), 4);

	if (!as_root)
		become_nobody();
	execvp(argv[2], argv + 2);
	err(1, "%s", argv[2]);
}
