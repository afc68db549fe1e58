/* SPDX-License-Identifier: MIT */
/*
 * Starting and stopping a pair of rings, as mirror images.  See net.h for
 * which eventfd goes where, vhost.h for the order of the steps.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "machine/trace.h"
#include "vhost/net.h"
#include "vhost/vhost.h"

/*
 * Two bits that vhost_net reports have a meaning of its own: 26 switches dirty
 * logging on, and 27, ANY_LAYOUT to a legacy driver, asks vhost to make up a
 * virtio-net header of its own, which the tap does here.
 */
#define NOT_FOR_GUESTS	(FEATURE(VHOST_F_LOG_ALL) | \
			 FEATURE(VHOST_NET_F_VIRTIO_NET_HDR))

static const char dev_vhost_net[] = "/dev/vhost-net";

static const char *open_hint(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "the module is not loaded: modprobe vhost_net";
	case EACCES:
	case EPERM:
		return "no permission: chown or chmod it, or have somebody "
		       "pass it in with --vhostfd N";
	default:
		return "see dmesg";
	}
}

/* Connect ring @index to descriptor @tap_fd, or to nothing if that is -1. */
static int set_backend(const struct vhost_net *v, unsigned int index,
		       int tap_fd)
{
	struct vhost_vring_file file = { index, tap_fd };

	return vhost_ioctl(v->fd, VHOST_NET_SET_BACKEND, &file);
}

/* What is done once for a descriptor: steps 1 to 3.  Returns 0 or -errno. */
static int adopt(struct vhost_net *v)
{
	int err = vhost_own(v->fd);

	if (!err)
		err = vhost_get_features(v->fd, &v->backend.features);
	if (!err)
		err = vhost_set_memory(v->fd, v->mem);
	v->backend.features &= ~NOT_FOR_GUESTS;
	return err;
}

static int open_vhost_net(void)
{
	int fd = open(dev_vhost_net, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int error = errno;

	trace(TRACE_VHOST, "open %s = %d%s%s", dev_vhost_net, fd,
	      fd < 0 ? ": " : "", fd < 0 ? strerror(error) : "");
	return fd < 0 ? -error : fd;
}

/*
 * The barrier of a reset: after this vhost touches no ring and no buffer.  It
 * finishes what it has in hand and waits for its worker.
 */
static int detach(struct vhost_net *v)
{
	int rx = set_backend(v, NET_RX, -1), tx = set_backend(v, NET_TX, -1);

	return rx ? rx : tx;
}

/*
 * detach() failed, which no kernel at hand has ever done.  Closing the
 * descriptor stops the worker for certain; then begin with a new one, unless
 * it was passed in: that card stays as it is.
 */
static void start_over(struct vhost_net *v)
{
	trace(TRACE_VHOST, "close %d: it could not be stopped", v->fd);
	close(v->fd);
	v->fd = v->passed_in ? -1 : open_vhost_net();
	if (v->fd >= 0 && adopt(v) != 0) {
		close(v->fd);
		v->fd = -1;
	}
}

static int set_rings(struct vhost_net *v, const struct net_ring *ring)
{
	int err = 0;

	for (unsigned int i = 0; i < NET_RINGS && !err; i++) {
		struct vhost_ring r = {
			.desc = ring[i].desc,
			.avail = ring[i].avail,
			.used = ring[i].used,
			.num = ring[i].num,
			.base = ring[i].base,
			.kick_fd = v->kick_fd[i],
			.call_fd = v->call_fd[i],
			.err_fd = v->err_fd[i],
			.busy_us = v->busy_us,
		};

		err = vhost_set_ring(v->fd, i, &r);
	}
	return err;
}

/* DRIVER_OK: from here on the rings are the kernel's. */
static int start(struct net_backend *b, const struct net_ring *ring,
		 uint64_t features)
{
	struct vhost_net *v = (struct vhost_net *)b;
	int err;

	if (v->fd < 0)
		return -EBADF;
	err = tap_set_header(v->tap, sizeof(struct virtio_net_hdr_v1));
	if (!err)
		err = tap_set_offload(v->tap, features);
	if (!err)
		err = vhost_set_features(v->fd, features & b->features);
	if (!err)
		err = set_rings(v, ring);
	if (!err)
		err = set_backend(v, NET_RX, v->tap->fd);
	if (!err)
		err = set_backend(v, NET_TX, v->tap->fd);
	if (err && detach(v) != 0)
		start_over(v);
	return err;
}

/* An error of these rings must not be taken for one of the next. */
static void forget_errors(struct vhost_net *v)
{
	eventfd_t n;

	for (unsigned int i = 0; i < NET_RINGS; i++)
		eventfd_read(v->err_fd[i], &n);
}

/* Reset: and here they are ours again. */
static int stop(struct net_backend *b, struct net_ring *ring)
{
	struct vhost_net *v = (struct vhost_net *)b;
	int err = detach(v);

	for (unsigned int i = 0; i < NET_RINGS && !err; i++)
		err = vhost_get_base(v->fd, i, &ring[i].base);
	forget_errors(v);
	if (err)
		start_over(v);
	tap_set_offload(v->tap, 0);	/* fails if the tap is gone: no matter */
	return err;
}

static const struct net_backend_ops vhost_net_ops = { start, stop };

/*
 * Is @fd /dev/vhost-net?  vhost-scsi and vhost-vsock know nothing of this
 * feature; a vhost-vdpa network device does, and fails at its first start.
 */
static bool is_vhost_net(int fd)
{
	uint64_t features = 0;

	return vhost_get_features(fd, &features) == 0 &&
	       features & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
}

/*
 * Make @v a backend that runs between @tap and rings in @mem.  @fd is an open
 * /dev/vhost-net, or -1 to open it.  Returns false with @why, which begins
 * with the name of what is wrong.
 */
bool vhost_net_create(struct vhost_net *v, int fd, const struct tap *tap,
		      const struct memory *mem, const int kick_fd[NET_RINGS],
		      const int call_fd[NET_RINGS],
		      char why[static WHY_MAX])
{
	int err;

	*v = (struct vhost_net) {
		.backend.ops = &vhost_net_ops,
		.fd = fd, .passed_in = fd >= 0, .tap = tap, .mem = mem,
		.err_fd = { -1, -1 },
	};
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		v->kick_fd[i] = kick_fd[i];
		v->call_fd[i] = call_fd[i];
		v->err_fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->err_fd[i] < 0)
			return refuse(why, "eventfd: %s", strerror(errno));
	}

	if (!v->passed_in) {
		v->fd = open_vhost_net();
		if (v->fd < 0)
			return refuse(why, "%s: %s; %s", dev_vhost_net,
				      strerror(-v->fd), open_hint(-v->fd));
	} else if (fcntl(fd, F_GETFD) < 0) {
		return refuse(why, "vhostfd=%d: not an open descriptor", fd);
	} else if (!is_vhost_net(fd)) {
		return refuse(why, "vhostfd=%d: not /dev/vhost-net; open it as "
			      "in %d<>/dev/vhost-net", fd, fd);
	} else {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}

	err = adopt(v);
	if (err == -EBUSY)
		return refuse(why, "vhostfd=%d: owned by another process; each "
			      "launcher needs one of its own", fd);
	if (err)
		return refuse(why, "%s: %s", dev_vhost_net, strerror(-err));
	if (!(v->backend.features & FEATURE(VIRTIO_F_VERSION_1)))
		return refuse(why, "%s: no VIRTIO_F_VERSION_1; Linux 4.0 or "
			      "newer is needed", dev_vhost_net);
	return true;
}

/* Close all that vhost_net_create() opened or was given; rings stop first. */
void vhost_net_destroy(struct vhost_net *v)
{
	if (v->fd >= 0)
		close(v->fd);
	for (unsigned int i = 0; i < NET_RINGS; i++)
		close(v->err_fd[i]);
}

/* Say in a line or two what this machine's vhost_net has.  Is it usable? */
bool vhost_net_probe(void)
{
	uint64_t features = 0;
	int fd = open_vhost_net();
	bool ok = fd >= 0 && vhost_get_features(fd, &features) == 0;

	if (fd < 0)
		printf("%-8s %s: %s: %s\n", "MISSING", dev_vhost_net,
		       strerror(-fd), open_hint(-fd));
	else
		printf("%-8s %s, features %#llx\n", ok ? "ok" : "MISSING",
		       dev_vhost_net, (unsigned long long)features);
	if (fd >= 0)
		close(fd);
	return ok;
}
