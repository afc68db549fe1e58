/* SPDX-License-Identifier: MIT */
/*
 * Building a card, and what happens to it when its tap or one of its rings
 * goes away.  Draws on everything; see card.h for the picture.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/virtio_mmio.h>

#include "machine/card.h"
#include "machine/machine.h"
#include "machine/trace.h"

#define PAGE	0x1000U

/* Where card @index's MagicValue is: MMIO_PAGED before a page boundary. */
static uint64_t window_gpa(unsigned int index)
{
	return GPA_WINDOWS + index * CARD_WINDOW_STEP + PAGE - MMIO_PAGED;
}

/* What ACPI says of card @index. */
struct acpi_device card_describe(unsigned int index)
{
	return (struct acpi_device) {
		.gpa = window_gpa(index),
		.size = MMIO_WINDOW,
		.gsi = CARD_FIRST_GSI + index,
	};
}

/*
 * ---- the address on its label ----
 */

/* FNV-1a, 64 bits: short, and spreads what differs in one letter. */
static uint64_t hash(uint64_t h, const char *s)
{
	while (*s)
		h = (h ^ (uint8_t)*s++) * 0x100000001b3ULL;
	return h;
}

/*
 * A MAC address that the same tap on the same machine always gets, so that a
 * guest keeps its interface's name, and that another machine does not.  The
 * first byte says: made up here (locally administered), one receiver.
 */
void card_default_mac(const char *tap, const char *machine_id, uint8_t mac[6])
{
	uint64_t h = hash(hash(0xcbf29ce484222325ULL, machine_id), tap);

	h ^= h >> 32;
	for (unsigned int i = 0; i < 6; i++)
		mac[i] = h >> (8 * i);
	mac[0] = (mac[0] & ~1) | 2;
}

/* See machine-id(5); the host's name will do where there is none. */
static void read_machine_id(char *id, size_t size)
{
	FILE *f = fopen("/etc/machine-id", "re");

	id[0] = '\0';
	if (f) {
		if (!fgets(id, size, f))
			id[0] = '\0';
		fclose(f);
	}
	if (!id[0])
		gethostname(id, size - 1);
	id[size - 1] = '\0';
}

/*
 * ---- when something goes away ----
 */

/* The tap's state may have changed: what the guest sees follows it. */
void card_link_changed(struct card *card)
{
	enum tap_link link;

	if (card->net.unplugged)
		return;
	link = tap_link(&card->tap);
	if (link == TAP_GONE) {
		warnx("%s: the tap is gone; link down, the machine runs on",
		      card->name);
		net_unplug(&card->net);
	} else {
		net_set_link(&card->net, link == TAP_UP);
	}
}

/*
 * Ring @index cannot go on: because the tap is gone, or else because the guest
 * broke it, and @why says how.  NULL: its memory may tell.
 */
static void ring_failed(void *ctx, unsigned int index, const char *why)
{
	struct card *card = ctx;
	struct net *net = &card->net;
	char said[WHY_MAX];

	card_link_changed(card);
	if (net->unplugged)
		return;
	net->mmio.ops->stop(&net->mmio);
	net_blame(&net->ring[index], index, why, said);
	mmio_broken(&net->mmio, said);
}

/*
 * vhost signalled an error.  It keeps the backend and would signal again with
 * every kick, so the ring stops here.
 */
static void on_ring_error(void *ctx)
{
	struct ring_watch *w = ctx;
	struct card *card = w->card;
	eventfd_t n;

	/* Empty: it was of a ring that has been stopped since. */
	if (eventfd_read(w->watch.fd, &n) < 0 || !card->net.started)
		return;
	trace(TRACE_CARD, "%s: vhost signals an error on fd %d", card->name,
	      w->watch.fd);
	ring_failed(card, w - card->err, NULL);
}

/*
 * ---- building ----
 */

static void check(const struct card *card, const char *step, int result)
{
	if (result < 0)
		errx(1, "%s: %s: %s", card->name, step, strerror(-result));
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		err(1, "eventfd");
	return fd;
}

static void open_tap(struct card *card, const struct tap_option *opt)
{
	char why[WHY_MAX];
	bool ok = opt->fd >= 0 ? tap_adopt(&card->tap, opt->fd, why) :
				 tap_open(&card->tap, opt->name, why);

	if (!ok)
		errx(1, "--tap: %s", why);
}

/* The worker that the card has just got is the youngest of all. */
static void set_worker(void)
{
	pid_t tid[CARDS_MAX];
	unsigned int n = thread_find_vhost(tid, CARDS_MAX);
	int ret = n ? thread_batch(tid[n - 1]) : -ESRCH;

	trace(TRACE_VHOST, "worker %d: SCHED_BATCH = %s", n ? tid[n - 1] : -1,
	      ret ? strerror(-ret) : "0");
	if (ret == -ESRCH)
		errx(1, "--tap: worker=batch: vhost's worker is not to be seen "
		     "from in here; leave it out");
	if (ret)
		errx(1, "--tap: worker=batch: %s; before Linux 6.4 the worker "
		     "is the kernel's, and CAP_SYS_NICE is needed",
		     strerror(-ret));
}

static void open_vhost(struct machine *m, struct card *card,
		       const struct tap_option *opt)
{
	char why[WHY_MAX];

	if (!vhost_net_create(&card->vhost, opt->vhostfd, &card->tap,
			      &m->memory, card->net.kick_fd, card->call_fd,
			      why))
		errx(1, "--vhost: %s", why);
	card->vhost.busy_us = opt->busy;
	if (opt->batch)
		set_worker();
	card->net.backend = &card->vhost.backend;

	for (unsigned int i = 0; i < NET_RINGS; i++) {
		struct ring_watch *w = &card->err[i];

		w->card = card;
		w->watch = (struct watch) {
			card->vhost.err_fd[i], on_ring_error, w,
		};
		check(card, "epoll", loop_watch(&m->loop, &w->watch, EPOLLIN));
	}
}

static void open_user(struct machine *m, struct card *card)
{
	struct net_user *u = malloc(sizeof(*u));

	check(card, "the user-space backend", !u ? -ENOMEM :
	      net_user_create(u, &m->loop, &card->tap, &m->memory,
			      card->net.kick_fd, card->call_fd));
	u->failed = ring_failed;
	u->ctx = card;
	card->user = u;
	card->net.backend = &u->backend;
}

static void deliver_relayed(void *ctx)
{
	mmio_used(ctx);
}

static void deliver(void *ctx)
{
	struct mmio *mmio = ctx;

	eventfd_write(mmio->irq_fd, 1);
}

/*
 * The way from each ring's call_fd to the guest's interrupt pin, which both
 * share: an irqfd, or through the main loop (machine/call.h) to another one.
 */
static void wire_interrupt(struct machine *m, struct card *card,
			   unsigned int gsi, unsigned int tx_delay)
{
	struct mmio *mmio = &card->net.mmio;

	mmio->relayed = m->opt.relay_interrupts;
	mmio->irq_fd = mmio->relayed ? new_eventfd() : card->call_fd[NET_RX];
	check(card, "KVM_IRQFD", kvm_irqfd(&m->kvm, mmio->irq_fd, gsi));
	ioapic_attach(&m->ioapic, gsi, mmio->irq_fd);

	for (unsigned int i = 0; i < NET_RINGS; i++) {
		unsigned int delay = i == NET_TX ? tx_delay : 0;

		if (card->call_fd[i] == mmio->irq_fd)
			continue;
		if (!mmio->relayed && !delay)
			check(card, "KVM_IRQFD",
			      kvm_irqfd(&m->kvm, card->call_fd[i], gsi));
		else
			check(card, "epoll",
			      call_watch(&card->call[i], &m->loop,
					 card->call_fd[i], delay,
					 mmio->relayed ? deliver_relayed :
							 deliver, mmio));
	}
}

/*
 * Stores that never reach us: kicks, and the ACK of used buffers, which has
 * nothing to do as long as that bit stays (see virtio/mmio.h).  An eventfd that
 * nobody reads is the cheapest place for it to end.
 */
static void wire_stores(struct machine *m, struct card *card, uint64_t gpa)
{
	for (unsigned int i = 0; i < NET_RINGS; i++)
		check(card, "KVM_IOEVENTFD",
		      kvm_ioeventfd(&m->kvm, card->net.kick_fd[i],
				    gpa + VIRTIO_MMIO_QUEUE_NOTIFY, i));
	if (card->net.mmio.relayed)
		return;
	check(card, "KVM_IOEVENTFD",
	      kvm_ioeventfd(&m->kvm, new_eventfd(),
			    gpa + VIRTIO_MMIO_INTERRUPT_ACK,
			    VIRTIO_MMIO_INT_VRING));
}

/* The page that the guest reads its registers from. */
static void wire_page(struct machine *m, struct card *card, uint64_t gpa)
{
	void *page = guarded_map(PAGE, -1);

	if (!page)
		err(1, "%s: register page", card->name);
	check(card, "KVM_MEM_READONLY",
	      kvm_map_readonly(&m->kvm, gpa + MMIO_PAGED, page, PAGE));
	card->net.mmio.page = page;
}

/* Who signals whom: what card.h and vhost/net.h draw, with its numbers. */
static void trace_eventfds(const struct card *card, unsigned int gsi, bool trap)
{
	static const char *const name[] = { "RX", "TX" };
	bool vhost = !card->user;
	const char *who = vhost ? "vhost" : "main loop";

	trace(TRACE_CARD, "%s: tap fd %d, vhost fd %d", card->name,
	      card->tap.fd, vhost ? card->vhost.fd : -1);
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		struct text way = { 0 };

		if (card->call[i].loop)
			text_add(&way, "launcher -> fd %d -> ",
				 card->net.mmio.irq_fd);
		text_add(&way, "GSI %u", gsi);
		if (vhost)
			text_add(&way, "; err fd %d: vhost -> launcher",
				 card->vhost.err_fd[i]);
		trace(TRACE_CARD, "%s: %s kick fd %d: %s -> %s; call fd %d: "
		      "%s -> %s", card->name, name[i], card->net.kick_fd[i],
		      trap ? "launcher" : "guest", who, card->call_fd[i], who,
		      way.s);
	}
}

/*
 * Make card @index as opt.tap[@index] says, and put it on the machine's bus.
 * Ends with one line and status 1 if the host cannot.
 */
void card_create(struct machine *m, unsigned int index)
{
	const struct tap_option *opt = &m->opt.tap[index];
	struct card *card = &m->card[index];
	struct mmio *mmio = &card->net.mmio;
	uint64_t gpa = window_gpa(index);
	char id[64], tap_name[IFNAMSIZ];
	uint8_t mac[6];

	open_tap(card, opt);
	memcpy(tap_name, card->tap.name, sizeof(tap_name));
	snprintf(card->name, sizeof(card->name), "card %u (%s)", index,
		 tap_name);
	check(card, "TUNSETSNDBUF", tap_set_sndbuf(&card->tap, opt->sndbuf));
	for (unsigned int i = 0; i < NET_RINGS; i++) {
		card->net.kick_fd[i] = new_eventfd();
		card->call_fd[i] = new_eventfd();
	}
	if (opt->vhost)
		open_vhost(m, card, opt);
	else
		open_user(m, card);

	wire_interrupt(m, card, CARD_FIRST_GSI + index, opt->tx_delay);
	if (!m->opt.trap_registers) {
		wire_page(m, card, gpa);
		wire_stores(m, card, gpa);
	}

	mmio->mem = &m->memory;
	mmio->name = card->name;
	mmio->queue_num_max = opt->ring;
	read_machine_id(id, sizeof(id));
	if (!tap_own_mac(&card->tap, mac))
		card_default_mac(tap_name, id, mac);
	net_init(&card->net, opt->has_mac ? opt->mac : mac,
		 opt->mtu ? opt->mtu : tap_mtu(&card->tap), card->tap.has_uso,
		 opt->without);
	card_link_changed(card);

	bus_add(&m->mmio, gpa, MMIO_WINDOW, mmio_io, mmio);
	trace_eventfds(card, CARD_FIRST_GSI + index, m->opt.trap_registers);
}

/*
 * ---- --stats ----
 */

/*
 * The accesses that reached the launcher, by register.  Not those that ended
 * in a page or an eventfd: that they are missing here is the point.
 */
static void report_registers(const struct card *card, struct report *r,
			     const struct mmio_counts *c, const char *key,
			     const char *phase)
{
	static const char *const name[] = { "reads", "writes" };
	static const struct report_columns columns = { .nr = 2, .name = name };
	uint64_t all[2] = { 0 };

	report_section(r, key, &columns,
		       "%s: registers that reached the launcher %s",
		       card->name, phase);
	for (unsigned int i = 0; i < MMIO_REGISTERS; i++) {
		const uint64_t cells[2] = { c->read[i], c->write[i] };
		const char *known = mmio_register_name(i);
		char offset[16];

		all[0] += cells[0];
		all[1] += cells[1];
		if (!known && !cells[0] && !cells[1])
			continue;
		snprintf(offset, sizeof(offset), "(%#x)", i * 4);
		report_row_if_any(r, known ? known : offset, cells);
	}
	report_row(r, "total", all);
	report_close(r);
}

/* The tap's own counters.  Returns packets both ways, or REPORT_NONE. */
static uint64_t report_tap(const struct card *card, struct report *r)
{
	static const char *const name[] = { "packets", "bytes", "dropped",
					    "errors" };
	static const struct report_columns columns = { .nr = 4, .name = name };
	struct tap_counts from, to;

	if (!tap_counts(&card->tap, &from, &to)) {
		report_none(r, "tap", "%s: its tap: %s", card->name,
			    card->tap.visible ? "gone" :
			    "in another network namespace");
		return REPORT_NONE;
	}
	report_section(r, "tap", &columns, "%s: its tap", card->name);
	report_row(r, "from_guest", (uint64_t []){ from.packets, from.bytes,
						   from.dropped, from.errors });
	report_row(r, "to_guest", (uint64_t []){ to.packets, to.bytes,
						 to.dropped, to.errors });
	report_close(r);
	return from.packets + to.packets;
}

/*
 * All that is counted of @card, as an object @key.  Returns the packets that
 * went through its tap, or REPORT_NONE if we cannot see them.
 */
uint64_t card_report(const struct card *card, struct report *r,
		     const char *key)
{
	const struct mmio *m = &card->net.mmio;
	uint64_t packets;

	report_open(r, key);
	report_text(r, "name", card->tap.name);
	report_registers(card, r, &m->counts[0], "before_driver_ok",
			 "before DRIVER_OK");
	report_registers(card, r, &m->counts[1], "after_driver_ok",
			 "after DRIVER_OK");
	packets = report_tap(card, r);
	if (card->user) {
		report_number(r, "too_large", card->user->rx_dropped, "%s: "
			      "frames larger than the guest's buffers",
			      card->name);
		report_number(r, "refused", card->user->tx_refused, "%s: "
			      "frames from the guest that its tap refused",
			      card->name);
	}
	report_number(r, "broken", m->broken_count,
		      "%s: rings found broken", card->name);
	report_text(r, "broken_why", m->broken_why);
	report_close(r);
	return packets;
}
