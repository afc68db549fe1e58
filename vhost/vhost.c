/* SPDX-License-Identifier: MIT */
/*
 * Each function is one or a few ioctls on a vhost descriptor and returns 0 or
 * -errno.  Read the order in vhost.h first.
 */
#include <errno.h>
#include <stddef.h>
#include <linux/vhost.h>

#include "machine/trace.h"
#include "vhost/vhost.h"
#include "virtio/names.h"

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

/*
 * ---- the transcript ----
 */

/* For the two kinds of device that count so: RX and TX, or request queues. */
static void add_ring(struct text *t, unsigned int index)
{
	static const char *const name[] = { "RX", "TX" };

	if (index < 2)
		text_add(t, "%s", name[index]);
	else
		text_add(t, "ring %u", index);
}

static void show_features(struct text *t, unsigned long arg)
{
	names_features(t, *(const uint64_t *)arg);
}

static void show_memory(struct text *t, unsigned long arg)
{
	const struct vhost_memory *table = (const struct vhost_memory *)arg;

	text_add(t, "%u", table->nregions);
	for (unsigned int i = 0; i < table->nregions; i++)
		text_add(t, "%s gpa %#llx hva %#llx bytes %#llx", i ? "," : ":",
			 table->regions[i].guest_phys_addr,
			 table->regions[i].userspace_addr,
			 table->regions[i].memory_size);
}

static void show_state(struct text *t, unsigned long arg)
{
	const struct vhost_vring_state *s = (struct vhost_vring_state *)arg;

	add_ring(t, s->index);
	text_add(t, " %u", s->num);
}

static void show_ring(struct text *t, unsigned long arg)
{
	add_ring(t, *(const unsigned int *)arg);
}

static void show_base(struct text *t, unsigned long arg)
{
	text_add(t, "%u", ((const struct vhost_vring_state *)arg)->num);
}

static void show_addr(struct text *t, unsigned long arg)
{
	const struct vhost_vring_addr *a = (struct vhost_vring_addr *)arg;

	add_ring(t, a->index);
	text_add(t, " desc hva %#llx avail hva %#llx used hva %#llx flags %#x",
		 a->desc_user_addr, a->avail_user_addr, a->used_user_addr,
		 a->flags);
}

static void show_file(struct text *t, unsigned long arg)
{
	const struct vhost_vring_file *f = (struct vhost_vring_file *)arg;

	add_ring(t, f->index);
	text_add(t, " fd %d", f->fd);
}

#define CALL(name, ...)	{ name, #name, __VA_ARGS__ }

static const struct trace_call calls[] = {
	CALL(VHOST_SET_OWNER,		NULL, NULL),
	CALL(VHOST_GET_FEATURES,	NULL, show_features),
	CALL(VHOST_SET_FEATURES,	show_features, NULL),
	CALL(VHOST_SET_MEM_TABLE,	show_memory, NULL),
	CALL(VHOST_SET_VRING_NUM,	show_state, NULL),
	CALL(VHOST_SET_VRING_BASE,	show_state, NULL),
	CALL(VHOST_SET_VRING_BUSYLOOP_TIMEOUT, show_state, NULL),
	CALL(VHOST_GET_VRING_BASE,	show_ring, show_base),
	CALL(VHOST_SET_VRING_ADDR,	show_addr, NULL),
	CALL(VHOST_SET_VRING_KICK,	show_file, NULL),
	CALL(VHOST_SET_VRING_CALL,	show_file, NULL),
	CALL(VHOST_SET_VRING_ERR,	show_file, NULL),
	CALL(VHOST_NET_SET_BACKEND,	show_file, NULL),
	{ 0 }
};

/* Any ioctl on vhost descriptor @fd, with a line of it.  0 or -errno. */
int vhost_ioctl(int fd, unsigned long request, void *arg)
{
	return trace_ioctl(TRACE_VHOST, calls, fd, request,
			   (unsigned long)arg) < 0 ? -errno : 0;
}
