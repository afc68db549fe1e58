/* SPDX-License-Identifier: MIT */
/*
 * Bits and ioctls that are younger than the headers we may be built with
 * (Debian 12 ships those of Linux 6.1).  Each goes when its header is old
 * enough to be relied on everywhere.
 */
#ifndef MACHINE_UAPI_H
#define MACHINE_UAPI_H

#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#ifndef TUN_F_USO4		/* Linux 6.2 */
#define TUN_F_USO4		0x20
#define TUN_F_USO6		0x40
#endif

#ifndef TUN_F_UDP_TUNNEL_GSO	/* Linux 6.17 */
#define TUN_F_UDP_TUNNEL_GSO	0x80
#define TUN_F_UDP_TUNNEL_GSO_CSUM 0x100
#endif

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4	/* Linux 6.2 */
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif

#ifndef VIRTIO_NET_F_GUEST_USO4	/* Linux 6.2 */
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif

#ifndef VIRTIO_F_IN_ORDER	/* virtio 1.1; in uapi since Linux 6.2 */
#define VIRTIO_F_IN_ORDER	35
#endif

#endif
