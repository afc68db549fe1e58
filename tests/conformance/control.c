/* SPDX-License-Identifier: MIT */
/*
 * C: the control plane.  Which ioctl answers what, when, and to whom.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/conformance/rig.h"
#include "vhost/vhost.h"

/*
 * C1: every ioctl before SET_OWNER is EPERM, but those about features, which
 * need no owner.  From 2.6.34.
 */
static void before_owner(void)
{
	uint64_t u64 = 0;
	int fd = vhost_open();

	EXPECT(vhost_ioctl(fd, VHOST_GET_FEATURES, &u64) == 0 && u64,
	       "GET_FEATURES: %s", strerror(errno));
	EXPECT(vhost_ioctl(fd, VHOST_RESET_OWNER, NULL) == -EPERM,
	       "RESET_OWNER");
}

const struct scenario control[] = {
	{ "C1", "before SET_OWNER only features can be asked for and set",
	  before_owner, 0 },
	{ 0 }
};
