/* SPDX-License-Identifier: MIT */
/*
 * launcher: one virtual machine, from the command line to power-off.
 *
 * This is the table of contents.  Each call in main() is a chapter, in the
 * order in which a machine has to be built; each file's head says what it
 * holds and which file goes on from there:
 *
 *   machine/memory.h    guest RAM, and the map of guest addresses
 *   machine/kvm.c       the VM, memslots, and eventfds in place of exits
 *   machine/vcpu.c      running the guest, and why it stops
 *   machine/boot.c      a Linux kernel's way into memory
 *   machine/card.h      the network card's place in all this
 *   virtio/mmio.h       its registers; virtio/net.h, what kind of card it is
 *   virtio/net-user.h   its packets, moved by this program
 *   vhost/net.h         how its rings get to the kernel, and back
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "machine/acpi.h"
#include "machine/boot.h"
#include "machine/machine.h"
#include "machine/trace.h"

static struct machine machine;

/* The kernel and what goes with it, on the way from files to guest RAM. */
struct payload {
	uint8_t *file, *initrd;
	uint64_t initrd_bytes;
	char *cmdline;
	struct bzimage bz;
};

/*
 * Descriptors 0 to 2 are spoken for: were one closed, the next open() would
 * take its place, and the guest's console end up in /dev/kvm.
 */
static void standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void parse_options(struct options *opt, int argc, char **argv)
{
	char why[WHY_MAX];

	switch (options_parse(opt, argc, argv, why)) {
	case OPTIONS_RUN:
		if (opt->trace &&
		    !trace_start(opt->trace, opt->trace_file, argv, why))
			errx(2, "%s", why);
		return;
	case OPTIONS_DONE:
		exit(0);
	case OPTIONS_WRONG:
		errx(2, "%s", why);
	}
}

/* --probe: all lines, then whether something the main job needs is missing. */
static int probe(void)
{
	bool kvm = kvm_probe(), vhost = vhost_net_probe(), tap = tap_probe();

	return kvm && vhost && tap ? 0 : 1;
}

/* Read and check all that the user named, before anything is built. */
static void payload_read(struct payload *p, const struct options *opt)
{
	char why[WHY_MAX];
	uint64_t bytes, least, low_ram, gpa;

	p->file = file_read(opt->kernel, &bytes, why);
	if (!p->file || !bzimage_parse(&p->bz, p->file, bytes, why))
		errx(2, "%s: %s", opt->kernel, why);

	if (opt->initrd) {
		p->initrd = file_read(opt->initrd, &p->initrd_bytes, why);
		if (!p->initrd)
			errx(2, "--initrd %s: %s", opt->initrd, why);
	}

	least = bzimage_least_ram(&p->bz, p->initrd_bytes);
	if (opt->memory < least)
		errx(2, "--memory: %lluM is less than the %lluM that this "
		     "kernel and initrd need to start",
		     (unsigned long long)opt->memory >> 20,
		     (unsigned long long)least >> 20);
	low_ram = opt->memory < GPA_WINDOWS ? opt->memory : GPA_WINDOWS;
	if (p->initrd &&
	    !boot_place_initrd(&p->bz, low_ram, p->initrd_bytes, &gpa))
		errx(2, "--initrd %s: %lluM do not fit between this kernel "
		     "and %#x, the highest address it allows", opt->initrd,
		     (unsigned long long)p->initrd_bytes >> 20,
		     p->bz.hdr.initrd_addr_max);

	/*
	 * There is no PCI bus, and a kernel that is not told looks for AGP
	 * bridges in all the slots that one could have, with 33,000 exits.
	 */
	if (asprintf(&p->cmdline, "console=ttyS0 pci=off%s%s",
		     opt->append[0] ? " " : "", opt->append) < 0)
		err(1, "the command line");
	if (strlen(p->cmdline) > p->bz.hdr.cmdline_size ||
	    strlen(p->cmdline) >= BOOT_CMDLINE_MAX)
		errx(2, "--append: %zu characters in all, and this kernel "
		     "takes %u", strlen(p->cmdline), p->bz.hdr.cmdline_size);
}

static void payload_free(struct payload *p)
{
	free(p->file);
	free(p->initrd);
	free(p->cmdline);
}

/* What the host could give without swapping, in bytes: proc(5), meminfo. */
static uint64_t host_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = UINT64_MAX / 1024;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

/* More than the host has free is allowed, since a guest may never touch it. */
static void memory_check(const struct options *opt, const struct kvm *kvm)
{
	uint64_t space = kvm_address_space(kvm);
	uint64_t top = opt->memory <= GPA_WINDOWS ? opt->memory :
		       opt->memory - GPA_WINDOWS + GPA_HIGH_RAM;

	if (top > space)
		errx(2, "--memory: %lluM reach beyond the %lluM that this CPU "
		     "can address", (unsigned long long)opt->memory >> 20,
		     (unsigned long long)space >> 20);
	if (opt->memory > host_available())
		warnx("--memory: %lluM is more than the host has free; it may "
		      "swap, or kill something",
		      (unsigned long long)opt->memory >> 20);
}

static void set_route(void *ctx, unsigned int pin, const struct msi *msi)
{
	static bool said;		/* a guest can do this in a loop */
	struct machine *m = ctx;
	int error = kvm_set_route(&m->kvm, pin, msi);

	if (error && !said)
		warnx("interrupt pin %u: KVM_SET_GSI_ROUTING: %s", pin,
		      strerror(-error));
	said |= error;
}

/* A bus_io_fn: 32-bit registers, as the chip has them. */
static void ioapic_io(void *ctx, uint64_t offset, uint8_t *data,
		      unsigned int len, bool write)
{
	uint32_t val = 0;

	if (write) {
		memcpy(&val, data, len < 4 ? len : 4);
		ioapic_write(ctx, offset, val);
	} else {
		val = ioapic_read(ctx, offset);
		memset(data, 0, len);
		memcpy(data, &val, len < 4 ? len : 4);
	}
}

/*
 * Port 64: reads as a keyboard controller that is ready, which is all that
 * Linux waits for before it asks that for a reset.  ACPI's reset register.
 */
static void reset_io(void *ctx, uint64_t offset, uint8_t *data,
		     unsigned int len, bool write)
{
	struct machine *m = ctx;

	(void)offset;
	if (!write)
		memset(data, 0, len);
	else if (data[0] == ACPI_RESET_VALUE)
		loop_stop(&m->loop, EXIT_GUEST_RESET);
}

/* Ports 600 and 601: ACPI's sleep control and sleep status registers. */
static void sleep_io(void *ctx, uint64_t offset, uint8_t *data,
		     unsigned int len, bool write)
{
	struct machine *m = ctx;

	if (!write)
		memset(data, 0, len);
	else if (offset == 0 && data[0] == ACPI_POWER_OFF)
		loop_stop(&m->loop, EXIT_POWER_OFF);
}

/* What every PC-like machine has, but for the cards. */
static void devices_create(struct machine *m)
{
	int irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (irq_fd < 0 || kvm_irqfd(&m->kvm, irq_fd, SERIAL_GSI) < 0)
		err(1, "the serial port's interrupt");

	ioapic_init(&m->ioapic, set_route, m);
	ioapic_attach(&m->ioapic, SERIAL_GSI, irq_fd);
	console_create(&m->console, &m->loop, irq_fd);

	bus_add(&m->mmio, GPA_IOAPIC, IOAPIC_SIZE, ioapic_io, &m->ioapic);
	bus_add(&m->ports, SERIAL_PORT, SERIAL_REGS, console_io, &m->console);
	bus_add(&m->ports, ACPI_RESET_PORT, 1, reset_io, m);
	bus_add(&m->ports, ACPI_SLEEP_CONTROL_PORT, 2, sleep_io, m);
}

static void on_link_change(void *ctx)
{
	struct machine *m = ctx;

	for (unsigned int i = 0; i < m->opt.nr_taps; i++)
		card_link_changed(&m->card[i]);
}

static void cards_create(struct machine *m)
{
	for (unsigned int i = 0; i < m->opt.nr_taps; i++)
		card_create(m, i);
	if (m->opt.nr_taps &&
	    link_watch_create(&m->links, &m->loop, on_link_change, m) < 0)
		err(1, "netlink, to follow the tap's link state");
}

static void tables_write(struct machine *m)
{
	struct acpi_device card[CARDS_MAX];
	struct acpi_machine a = {
		.cpus = m->opt.cpus, .card = card, .nr_cards = m->opt.nr_taps,
	};
	uint64_t room = GPA_BIOS_END - 16 - GPA_ACPI;	/* reset vector */

	for (unsigned int i = 0; i < m->opt.nr_taps; i++)
		card[i] = card_describe(i);
	if (acpi_write(guest_ptr(&m->memory, GPA_ACPI, room), room, GPA_ACPI,
		       &a) < 0)
		errx(1, "the ACPI tables do not fit below 1M");
}

static struct watch signals;

static void on_signal(void *ctx)
{
	struct signalfd_siginfo info;
	struct machine *m = ctx;

	if (read(signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1)
		stats_print(m, "SIGUSR1");
	else if (info.ssi_signo == SIGCONT)
		console_resume();
	else
		loop_stop(&m->loop, EXIT_SIGNALLED + info.ssi_signo);
}

/*
 * The signals that mean something are blocked, in the vCPU threads to come as
 * well, and become events like any other: SIGUSR1 prints the statistics, the
 * rest end the run in good order.
 */
static void signals_create(struct machine *m)
{
	static const int ours[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM,
				    SIGVTALRM, SIGPROF, SIGIO, SIGPWR,
				    SIGUSR1, SIGUSR2, SIGCONT };
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (unsigned int i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigaddset(&set, ours[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	signals = (struct watch) {
		signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, m,
	};
	if (signals.fd < 0 || loop_watch(&m->loop, &signals, EPOLLIN) < 0)
		err(1, "signalfd");
}

int main(int argc, char *argv[])
{
	struct machine *m = &machine;
	struct payload p = { 0 };
	uint64_t entry;
	int status;

	standard_fds();
	parse_options(&m->opt, argc, argv);
	if (m->opt.probe)
		return probe();
	payload_read(&p, &m->opt);	/* user's mistakes end here, status 2 */

	pthread_mutex_init(&m->lock, NULL);
	if (loop_create(&m->loop, &m->lock) < 0)
		err(1, "epoll");
	stats_create(m);		/* --stats: its file, its timer */
	signals_create(m);		/* from here on they are events */

	kvm_create(&m->kvm);		/* an empty VM, split irqchip */
	if (m->opt.cpus > m->kvm.max_cpus)
		errx(2, "--cpus %u: KVM allows %u here", m->opt.cpus,
		     m->kvm.max_cpus);
	memory_check(&m->opt, &m->kvm);
	if (memory_create(&m->memory, m->opt.memory) < 0)
		errx(1, "--memory: no address space for it");
	if (kvm_map_ram(&m->kvm, &m->memory) < 0)
		err(1, "KVM_SET_USER_MEMORY_REGION");

	devices_create(m);		/* IOAPIC, serial port, power switch */
	cards_create(m);		/* taps, vhost, register windows */
	tables_write(m);		/* ACPI: it describes all of the above */
	entry = boot_load(&m->memory, &p.bz, p.initrd, p.initrd_bytes,
			  p.cmdline);
	payload_free(&p);

	vcpus_create(m, entry, BOOT_PARAMS);
	console_start(&m->console);	/* last: the terminal goes raw */
	trace(TRACE_RUN, "the guest starts at gpa %#llx, %u vCPUs",
	      (unsigned long long)entry, m->opt.cpus);
	vcpus_start(m);
	status = loop_run(&m->loop);	/* until power-off, or worse */

	vcpus_stop(m);
	console_flush(&m->console);
	if (m->opt.stats)
		stats_print(m, "exit");
	trace(TRACE_RUN, "the end, status %d", status);
	return status;
}
