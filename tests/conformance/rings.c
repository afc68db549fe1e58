/* SPDX-License-Identifier: MIT */
/*
 * R: what a well-behaved driver may count on of a ring.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/conformance/rig.h"
#include "vhost/vhost.h"

/*
 * R1: frames of all sizes, in both directions, come through byte for byte.
 */
static void sizes(void)
{
	struct rig r;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	rig_alive(&r);
	rig_stop(&r);
}

const struct scenario rings[] = {
	{ "R1", "frames of all sizes come through byte for byte", sizes, 0 },
	{ 0 }
};
