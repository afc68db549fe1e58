/* SPDX-License-Identifier: MIT */
/*
 * The registers, one case each, in the order of the table in virtio 1.2,
 * section 4.2.2.  Read mmio.h first.
 *
 * Everything here runs under the machine's lock, from a vCPU that trapped or
 * from the main loop.  None of it runs per packet: with the register page in
 * place a driver's interrupt handler reads memory, and its kick and its ACK
 * end in eventfds.
 */
#include <assert.h>
#include <err.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "machine/trace.h"
#include "virtio/mmio.h"
#include "virtio/names.h"

#define CONFIG		VIRTIO_MMIO_CONFIG

#define STATUS_BITS	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK |			 \
			 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

/* NULL when the guest selected a queue we do not have. */
static struct mmio_queue *selected(struct mmio *m)
{
	return m->queue_sel < m->nr_queues ? &m->queue[m->queue_sel] : NULL;
}

static void set_low(uint64_t *v, uint32_t low)
{
	*v = (*v & ~0xffffffffULL) | low;
}

static void set_high(uint64_t *v, uint32_t high)
{
	*v = (uint32_t)*v | (uint64_t)high << 32;
}

/* Word @sel of a 64-bit set of features; there are no others. */
static uint32_t word(uint64_t features, uint32_t sel)
{
	return sel == 0 ? (uint32_t)features :
	       sel == 1 ? (uint32_t)(features >> 32) : 0;
}

/* Is the device between DRIVER_OK and reset, and has not asked for one? */
bool mmio_running(const struct mmio *m)
{
	return (m->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(m->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/*
 * ---- reading ----
 */

static uint32_t config_read(const struct mmio *m, uint32_t at, unsigned int len)
{
	uint32_t val = 0;

	if (at <= sizeof(m->config) - len)
		memcpy(&val, m->config + at, len);
	return val;
}

/* What a register answers.  Has no side effect, so a page can stand in. */
static uint32_t register_value(struct mmio *m, uint32_t offset)
{
	struct mmio_queue *q = selected(m);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return 'v' | 'i' << 8 | 'r' << 16 | 't' << 24;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return m->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return 'l' | 'n' << 8 | 'c' << 16 | 'h' << 24;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return word(m->offered, m->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q ? m->queue_num_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return q ? q->ready : 0;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return m->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return m->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:		/* no shared memory: 4.2.2.1 */
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return ~0U;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return m->config_generation;
	default:
		return 0;			/* write-only or reserved */
	}
}

/* The guest reads @len bytes at @offset; below Config only 32 bits are legal. */
uint32_t mmio_read(struct mmio *m, uint32_t offset, unsigned int len)
{
	if (offset >= CONFIG)
		return len <= 4 ? config_read(m, offset - CONFIG, len) : 0;
	if (len != 4 || offset % 4)
		return 0;
	return register_value(m, offset);
}

/*
 * Make the page say what the registers say.  Only words that differ are
 * stored, lowest first, and the driver's ways of reading make that enough: it
 * reads a config field between two reads of ConfigGeneration (4.2.2.2), which
 * mmio_set_config() moves before the bytes and after them.
 */
static void publish(struct mmio *m)
{
	if (!m->page)
		return;
	for (uint32_t at = MMIO_PAGED; at < MMIO_WINDOW; at += 4) {
		uint32_t now = at < CONFIG ? register_value(m, at) :
					     config_read(m, at - CONFIG, 4);
		volatile uint32_t *shown = &m->page[(at - MMIO_PAGED) / 4];

		if (*shown != now)
			*shown = now;
	}
}

/*
 * ---- interrupts, and devices that went wrong ----
 */

/* Interrupt a driver that runs, for the reason @bit. */
static void interrupt(struct mmio *m, uint32_t bit)
{
	if (!(m->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	m->interrupt_status |= bit;
	publish(m);
	eventfd_write(m->irq_fd, 1);
}

/* The backend has used buffers, and calls; for a device that is relayed. */
void mmio_used(struct mmio *m)
{
	interrupt(m, VIRTIO_MMIO_INT_VRING);
}

/*
 * The guest, or the host beneath it, did something this device cannot go on
 * from: it stops, and asks for a reset.  The machine runs on.  Said once per
 * device, since a guest can do this in a loop; counted always.
 */
void mmio_broken(struct mmio *m, const char *why)
{
	m->broken_count++;
	refuse(m->broken_why, "%s", why);
	trace(TRACE_CARD, "%s: broken: %s", m->name, why);
	if (!m->broken_before)
		warnx("%s: %s; the device wants a reset (said once, then only "
		      "counted)", m->name, why);
	m->broken_before = true;

	if (m->status & VIRTIO_CONFIG_S_DRIVER_OK)
		m->ops->stop(m);
	m->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	publish(m);
	interrupt(m, VIRTIO_MMIO_INT_CONFIG);
}

/* Change @len bytes of config space at @at, and tell a driver that runs. */
void mmio_set_config(struct mmio *m, unsigned int at, const void *bytes,
		     unsigned int len)
{
	assert(at + len <= sizeof(m->config));
	m->config_generation++;
	publish(m);
	memcpy(m->config + at, bytes, len);
	publish(m);
	m->config_generation++;
	publish(m);
	interrupt(m, VIRTIO_MMIO_INT_CONFIG);
}

/*
 * ---- writing ----
 */

/* May this ring be used?  NULL, or what is wrong with it (2.7, 4.2.2.2). */
static const char *queue_wrong(const struct mmio *m, const struct mmio_queue *q)
{
	uint64_t n = q->num;

	if (n == 0 || n > m->queue_num_max || n & (n - 1))
		return "a ring's size is not a power of 2 up to QueueSizeMax";
	if (q->desc % 16 || q->driver % 2 || q->device % 4)
		return "a ring's address is not aligned";
	if (!guest_ptr(m->mem, q->desc, n * sizeof(struct vring_desc)) ||
	    !guest_ptr(m->mem, q->driver, 2 * (3 + n)) ||
	    !guest_ptr(m->mem, q->device,
		       2 * 3 + n * sizeof(struct vring_used_elem)))
		return "a ring is not in RAM";
	return NULL;
}

static void set_queue_ready(struct mmio *m, struct mmio_queue *q, bool ready)
{
	const char *wrong;

	if (ready == q->ready)
		return;
	if (m->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		mmio_broken(m, "QueueReady changed after DRIVER_OK");
		return;
	}
	wrong = ready ? queue_wrong(m, q) : NULL;
	if (wrong)
		mmio_broken(m, wrong);
	else
		q->ready = ready;
}

static void reset(struct mmio *m)
{
	if (m->status & VIRTIO_CONFIG_S_DRIVER_OK)
		m->ops->stop(m);
	m->status = 0;
	m->interrupt_status = 0;
	m->driver_features = m->accepted = 0;
	m->device_features_sel = m->driver_features_sel = 0;
	m->queue_sel = 0;
	memset(m->queue, 0, sizeof(m->queue));
	trace(TRACE_CARD, "%s: reset", m->name);
}

static void driver_ok(struct mmio *m)
{
	const char *why = NULL;

	if (!(m->status & VIRTIO_CONFIG_S_FEATURES_OK))
		why = "DRIVER_OK without FEATURES_OK";
	for (unsigned int i = 0; i < m->nr_queues && !why; i++)
		if (!m->queue[i].ready)
			why = "DRIVER_OK before all rings are ready";

	/*
	 * The used-buffer bit, see mmio.h, has to be there before the first
	 * interrupt, which can come as soon as the backend has the rings.
	 */
	m->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (!m->relayed)
		m->interrupt_status |= VIRTIO_MMIO_INT_VRING;
	publish(m);
	if (!why)
		why = m->ops->start(m);
	if (why)
		mmio_broken(m, why);
}

/* Status bits are only ever added, except by writing 0 (2.1.2). */
static void set_status(struct mmio *m, uint32_t val)
{
	uint8_t added = val & STATUS_BITS & ~m->status;

	if (val == 0) {
		reset(m);
		return;
	}
	m->status |= added & ~(VIRTIO_CONFIG_S_FEATURES_OK |
			       VIRTIO_CONFIG_S_DRIVER_OK);
	if (added & VIRTIO_CONFIG_S_FEATURES_OK &&
	    !(m->driver_features & ~m->offered) &&
	    m->driver_features & FEATURE(VIRTIO_F_VERSION_1) &&
	    m->ops->features_ok(m, m->driver_features)) {
		m->accepted = m->driver_features;
		m->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (added & VIRTIO_CONFIG_S_FEATURES_OK)
		trace(TRACE_CARD, "%s: the driver %s %s", m->name,
		      m->status & VIRTIO_CONFIG_S_FEATURES_OK ?
			"accepted" : "asked in vain for",
		      names_features(&(struct text){ 0 }, m->driver_features));
	if (added & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(m->status & VIRTIO_CONFIG_S_NEEDS_RESET))
		driver_ok(m);
}

static void set_driver_features(struct mmio *m, uint32_t val)
{
	if (m->status & VIRTIO_CONFIG_S_FEATURES_OK)
		mmio_broken(m, "features written after FEATURES_OK");
	else if (m->driver_features_sel == 0)
		set_low(&m->driver_features, val);
	else if (m->driver_features_sel == 1)
		set_high(&m->driver_features, val);
	else if (val)
		mmio_broken(m, "accepted features that were never offered");
}

/* A 32-bit write of @val to the register at @offset; others are ignored. */
void mmio_write(struct mmio *m, uint32_t offset, uint32_t val)
{
	struct mmio_queue *q = selected(m);
	struct mmio_queue nowhere = { 0 }, *idle;

	/* Size and addresses stand while a queue is ready. */
	idle = q && !q->ready ? q : &nowhere;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		m->device_features_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		set_driver_features(m, val);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		m->driver_features_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		m->queue_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
		idle->num = val;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (q)
			set_queue_ready(m, q, val & 1);
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		if (val < m->nr_queues && mmio_running(m))
			m->ops->notify(m, val);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		if (!m->relayed)	/* that bit stays, see mmio.h */
			val &= ~VIRTIO_MMIO_INT_VRING;
		m->interrupt_status &= ~val;
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(m, val);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&idle->desc, val);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&idle->desc, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&idle->driver, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&idle->driver, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&idle->device, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&idle->device, val);
		break;
	default:			/* read-only, reserved, or config */
		break;
	}
	publish(m);
}

/*
 * ---- the gate ----
 */

static void count(struct mmio *m, uint32_t offset, bool write)
{
	struct mmio_counts *c =
		&m->counts[!!(m->status & VIRTIO_CONFIG_S_DRIVER_OK)];
	uint32_t row = offset < CONFIG ? offset / 4 : MMIO_REGISTERS - 1;

	(write ? c->write : c->read)[row]++;
}

/* A bus_io_fn: an access of the guest's that trapped. */
void mmio_io(void *mmio, uint64_t offset, uint8_t *data, unsigned int len,
	     bool write)
{
	struct mmio *m = mmio;
	uint32_t val = 0;

	count(m, offset, write);
	if (!write) {
		val = mmio_read(m, offset, len);
		memset(data, 0, len);
		memcpy(data, &val, len < 4 ? len : 4);
	} else if (len == 4 && offset % 4 == 0) {
		memcpy(&val, data, 4);
		trace(TRACE_REGS, "%s: %s", m->name,
		      names_write(&(struct text){ 0 }, m, offset, val));
		mmio_write(m, offset, val);
	} else {	/* 4.2.2.2: registers take 32-bit aligned writes only */
		trace(TRACE_REGS, "%s: %u bytes at %#llx: ignored", m->name,
		      len, (unsigned long long)offset);
	}
}

/* The caller has filled in everything down to queue_num_max. */
void mmio_init(struct mmio *m)
{
	assert(m->nr_queues <= MMIO_QUEUES_MAX);
	publish(m);
}

/* The spec's name for a row of struct mmio_counts, or NULL if it has none. */
const char *mmio_register_name(unsigned int row)
{
	static const char *const name[MMIO_REGISTERS] = {
		[0x00 / 4] = "MagicValue",
		[0x04 / 4] = "Version",
		[0x08 / 4] = "DeviceID",
		[0x0c / 4] = "VendorID",
		[0x10 / 4] = "DeviceFeatures",
		[0x14 / 4] = "DeviceFeaturesSel",
		[0x20 / 4] = "DriverFeatures",
		[0x24 / 4] = "DriverFeaturesSel",
		[0x30 / 4] = "QueueSel",
		[0x34 / 4] = "QueueSizeMax",
		[0x38 / 4] = "QueueSize",
		[0x44 / 4] = "QueueReady",
		[0x50 / 4] = "QueueNotify",
		[0x60 / 4] = "InterruptStatus",
		[0x64 / 4] = "InterruptACK",
		[0x70 / 4] = "Status",
		[0x80 / 4] = "QueueDescLow",
		[0x84 / 4] = "QueueDescHigh",
		[0x90 / 4] = "QueueDriverLow",
		[0x94 / 4] = "QueueDriverHigh",
		[0xa0 / 4] = "QueueDeviceLow",
		[0xa4 / 4] = "QueueDeviceHigh",
		[0xac / 4] = "SHMSel",
		[0xb0 / 4] = "SHMLenLow",
		[0xb4 / 4] = "SHMLenHigh",
		[0xb8 / 4] = "SHMBaseLow",
		[0xbc / 4] = "SHMBaseHigh",
		[0xfc / 4] = "ConfigGeneration",
		[MMIO_REGISTERS - 1] = "Config",
	};

	return row < MMIO_REGISTERS ? name[row] : NULL;
}
