/* SPDX-License-Identifier: MIT */
/*
 * Each function is one or a few ioctls on a vhost descriptor and returns 0 or
 * -errno.  Read the order in vhost.h first.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <linux/vhost.h>

#include "vhost/vhost.h"

static int vhost_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

/*
 * The descriptor now works in our address space, for as long as it is open.
 * -EBUSY: somebody's it is already.  Whatever forks comes before this.
 */
int vhost_own(int fd)
{
	return vhost_ioctl(fd, VHOST_SET_OWNER, NULL);
}

/* All that the kernel offers, bits that mean something else to it included. */
int vhost_get_features(int fd, uint64_t *features)
{
	return vhost_ioctl(fd, VHOST_GET_FEATURES, features);
}

/*
 * The second kernel reader of the memory table.  A buffer outside of it is an
 * error to vhost; a ring outside of it is not, so that check was ours.
 */
int vhost_set_memory(int fd, const struct memory *mem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[MEMORY_REGIONS_MAX];
	} table = { .head.nregions = mem->nr };

	for (unsigned int i = 0; i < mem->nr; i++)
		table.region[i] = (struct vhost_memory_region) {
			.guest_phys_addr = mem->region[i].gpa,
			.memory_size	 = mem->region[i].size,
			.userspace_addr	 = (uintptr_t)mem->region[i].hva,
		};
	return vhost_ioctl(fd, VHOST_SET_MEM_TABLE, &table);
}

/* What the driver accepted, of what vhost_get_features() said. */
int vhost_set_features(int fd, uint64_t features)
{
	return vhost_ioctl(fd, VHOST_SET_FEATURES, &features);
}

/* All about ring @index but its backend.  The ring must be stopped. */
int vhost_set_ring(int fd, unsigned int index, const struct vhost_ring *ring)
{
	struct vhost_vring_state num  = { index, ring->num };
	struct vhost_vring_state base = { index, ring->base };
	struct vhost_vring_addr addr = {
		.index		 = index,
		.desc_user_addr	 = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)ring->avail,
		.used_user_addr	 = (uintptr_t)ring->used,
	};
	struct vhost_vring_file kick = { index, ring->kick_fd };
	struct vhost_vring_file call = { index, ring->call_fd };
	struct vhost_vring_file err  = { index, ring->err_fd };
	struct vhost_vring_state busy = { index, ring->busy_us };
	const struct { unsigned long request; void *arg; } step[] = {
		{ VHOST_SET_VRING_NUM,	&num },
		{ VHOST_SET_VRING_BASE, &base },
		{ VHOST_SET_VRING_ADDR, &addr },
		{ VHOST_SET_VRING_KICK, &kick },
		{ VHOST_SET_VRING_CALL, &call },
		{ VHOST_SET_VRING_ERR,	&err },
	};
	int ret = 0;

	/* Linux 4.6, and a passed-in descriptor may be set already. */
	if (ring->busy_us)
		ret = vhost_ioctl(fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &busy);
	for (unsigned int i = 0; i < sizeof(step) / sizeof(step[0]) && !ret; i++)
		ret = vhost_ioctl(fd, step[i].request, step[i].arg);
	return ret;
}

/*
 * The index in avail that the kernel would take next.  It stands still only
 * once the ring's backend is gone.
 */
int vhost_get_base(int fd, unsigned int index, uint16_t *base)
{
	struct vhost_vring_state state = { index, 0 };
	int ret = vhost_ioctl(fd, VHOST_GET_VRING_BASE, &state);

	*base = state.num;
	return ret;
}
