/* SPDX-License-Identifier: MIT */
/*
 * Tables, by number: virtio 1.2, and what is older or younger where a kernel
 * may still say it.  Names are the spec's, without their VIRTIO_..._F_.
 */
#include <strings.h>
#include <linux/virtio_mmio.h>

#include "virtio/names.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

/* 5.1.3 and 6.  26 means dirty logging, and to vhost only. */
static const char *const feature[] = {
	[0] = "CSUM",			[1] = "GUEST_CSUM",
	[2] = "CTRL_GUEST_OFFLOADS",	[3] = "MTU",
	[5] = "MAC",			[6] = "GSO",
	[7] = "GUEST_TSO4",		[8] = "GUEST_TSO6",
	[9] = "GUEST_ECN",		[10] = "GUEST_UFO",
	[11] = "HOST_TSO4",		[12] = "HOST_TSO6",
	[13] = "HOST_ECN",		[14] = "HOST_UFO",
	[15] = "MRG_RXBUF",		[16] = "STATUS",
	[17] = "CTRL_VQ",		[18] = "CTRL_RX",
	[19] = "CTRL_VLAN",		[20] = "CTRL_RX_EXTRA",
	[21] = "GUEST_ANNOUNCE",	[22] = "MQ",
	[23] = "CTRL_MAC_ADDR",		[24] = "NOTIFY_ON_EMPTY",
	[26] = "LOG_ALL",		[27] = "ANY_LAYOUT",
	[28] = "INDIRECT_DESC",		[29] = "EVENT_IDX",
	[32] = "VERSION_1",		[33] = "ACCESS_PLATFORM",
	[34] = "RING_PACKED",		[35] = "IN_ORDER",
	[36] = "ORDER_PLATFORM",	[37] = "SR_IOV",
	[38] = "NOTIFICATION_DATA",	[39] = "NOTIF_CONFIG_DATA",
	[40] = "RING_RESET",		[41] = "ADMIN_VQ",
	[52] = "VQ_NOTF_COAL",		[53] = "NOTF_COAL",
	[54] = "GUEST_USO4",		[55] = "GUEST_USO6",
	[56] = "HOST_USO",		[57] = "HASH_REPORT",
	[59] = "GUEST_HDRLEN",		[60] = "RSS",
	[61] = "RSC_EXT",		[62] = "STANDBY",
	[63] = "SPEED_DUPLEX",
};

static const char *const status_bit[] = {	/* 2.1 */
	[0] = "ACKNOWLEDGE",		[1] = "DRIVER",
	[2] = "DRIVER_OK",		[3] = "FEATURES_OK",
	[6] = "NEEDS_RESET",		[7] = "FAILED",
};

static const char *const interrupt_bit[] = { "used buffer", "configuration" };

/* A set of feature bits: the card's offer, a driver's choice, or vhost's. */
const char *names_features(struct text *t, uint64_t features)
{
	return text_bits(t, features, feature, COUNT(feature));
}

/* The number of the feature called @name, in either case, or -1. */
int names_feature_bit(const char *name)
{
	for (unsigned int i = 0; i < COUNT(feature); i++)
		if (feature[i] && strcasecmp(feature[i], name) == 0)
			return i;
	return -1;
}

/* The device status; 0, when written, is a reset. */
const char *names_status(struct text *t, uint32_t status)
{
	return text_bits(t, status, status_bit, COUNT(status_bit));
}

/* Half @sel of the features: bits are called what they are in the whole. */
static void add_half(struct text *t, uint32_t sel, uint32_t val)
{
	if (sel > 1)
		text_add(t, "%#x", val);
	else
		names_features(t, (uint64_t)val << (32 * sel));
}

/*
 * A write of @val to the register at @offset, as name and value, with what
 * selects the register's meaning in brackets: "QueueSize[1] = 256".
 */
const char *names_write(struct text *t, const struct mmio *m, uint32_t offset,
			uint32_t val)
{
	const char *name = mmio_register_name(offset / 4);

	if (offset >= VIRTIO_MMIO_CONFIG)
		text_add(t, "Config+%#x", offset - VIRTIO_MMIO_CONFIG);
	else if (!name)
		text_add(t, "register %#x", offset);
	else
		text_add(t, "%s", name);

	switch (offset) {
	case VIRTIO_MMIO_DRIVER_FEATURES:
		text_add(t, "[%u] = ", m->driver_features_sel);
		add_half(t, m->driver_features_sel, val);
		break;
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
	case VIRTIO_MMIO_QUEUE_SEL:
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		text_add(t, " = %u", val);
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_READY:
		text_add(t, "[%u] = %u", m->queue_sel, val);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		text_add(t, "[%u] = %#x", m->queue_sel, val);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		text_add(t, " = ");
		text_bits(t, val, interrupt_bit, COUNT(interrupt_bit));
		break;
	case VIRTIO_MMIO_STATUS:
		text_add(t, " = ");
		names_status(t, val);
		break;
	default:
		text_add(t, " = %#x", val);
		break;
	}
	return t->s;
}
