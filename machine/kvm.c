/* SPDX-License-Identifier: MIT */
/*
 * The VM: created once, given its memslots, and then changed only by the
 * interrupt routes that the guest's IOAPIC entries ask for.
 *
 * The irqchip is split: KVM has the local APICs, we have the IOAPIC.  An irqfd
 * on a pin of KVM's own IOAPIC goes through a workqueue for every interrupt;
 * one with an MSI route is injected by the very thread that signals it, which
 * for a network card is vhost's worker (kvm_arch_set_irq_inatomic() in
 * arch/x86/kvm/irq.c or irq_comm.c).  So every pin becomes an MSI route.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "machine/kvm.h"
#include "machine/vcpu.h"

/* What the main job needs, and the Linux that brought it. */
static const struct {
	int cap;
	const char *name, *since;
} needed[] = {
	{ KVM_CAP_USER_MEMORY,	  "KVM_CAP_USER_MEMORY",     "2.6.25" },
	{ KVM_CAP_IRQFD,	  "KVM_CAP_IRQFD",	     "2.6.32" },
	{ KVM_CAP_IOEVENTFD,	  "KVM_CAP_IOEVENTFD",	     "2.6.32" },
	{ KVM_CAP_READONLY_MEM,	  "KVM_CAP_READONLY_MEM",    "3.7" },
	{ KVM_CAP_SPLIT_IRQCHIP,  "KVM_CAP_SPLIT_IRQCHIP",   "4.5" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT",  "4.13" },
};

#define NR_NEEDED (sizeof(needed) / sizeof(needed[0]))

/* What to do about an open() of /dev/kvm that failed so. */
static const char *open_hint(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return "enable virtualization in the firmware, then: "
		       "modprobe kvm_intel or kvm_amd";
	case EACCES:
	case EPERM:
		return "add yourself to the group that owns it (usually kvm)";
	default:
		return "see dmesg";
	}
}

/*
 * Open /dev/kvm and make an empty VM with a split irqchip.  A host that cannot
 * do this is told so in one line, with exit status 1.
 */
void kvm_create(struct kvm *kvm)
{
	struct kvm_enable_cap split = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args = { IOAPIC_PINS },
	};

	memset(kvm, 0, sizeof(*kvm));
	kvm->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm->fd < 0)
		errx(1, "/dev/kvm: %s: %s", strerror(errno), open_hint(errno));
	trace(TRACE_KVM, "open /dev/kvm = %d", kvm->fd);
	if (kvm_ioctl(kvm->fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		errx(1, "/dev/kvm: not KVM API version %d: a Linux 2.6.22 or "
		     "newer is needed", KVM_API_VERSION);
	for (unsigned int i = 0; i < NR_NEEDED; i++)
		if (kvm_ioctl(kvm->fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			errx(1, "/dev/kvm: no %s: Linux %s or newer is needed",
			     needed[i].name, needed[i].since);

	do {	/* a signal can cut the creation of a VM short */
		kvm->vm_fd = kvm_ioctl(kvm->fd, KVM_CREATE_VM, 0);
	} while (kvm->vm_fd < 0 && errno == EINTR);
	if (kvm->vm_fd < 0)
		err(1, "KVM_CREATE_VM");

	/*
	 * VMX wants three pages for its TSS and one for an identity map, below
	 * 4 GiB where the guest has no RAM; SVM does not know these ioctls'
	 * purpose and takes them all the same.  Before the first vCPU.
	 */
	if (kvm_ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR,
		      &(uint64_t){ GPA_KVM_PAGES }) < 0)
		err(1, "KVM_SET_IDENTITY_MAP_ADDR");
	if (kvm_ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, GPA_KVM_PAGES + 0x1000) < 0)
		err(1, "KVM_SET_TSS_ADDR");

	if (kvm_ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &split) < 0)
		err(1, "KVM_CAP_SPLIT_IRQCHIP");

	kvm->max_cpus = kvm_ioctl(kvm->fd, KVM_CHECK_EXTENSION,
				  KVM_CAP_MAX_VCPUS);
	kvm->stats_fd = kvm_stats_open(kvm->vm_fd);
}

static bool probe_line(bool ok, const char *what, const char *fix)
{
	printf("%-8s %s%s%s\n", ok ? "ok" : "MISSING", what,
	       ok ? "" : ": ", ok ? "" : fix);
	return ok;
}

/* Linux takes some 300 million to boot; less than a minute is what we ask. */
#define SPEED_FOR_LINUX	10000000	/* instructions a second */

/*
 * Can a guest run here at all, and fast enough?  Whatever is behind /dev/kvm,
 * there are those that emulate every instruction.
 */
static bool probe_speed(int kvm_fd)
{
	int vm_fd = kvm_ioctl(kvm_fd, KVM_CREATE_VM, 0);
	uint64_t speed = vm_fd < 0 ? 0 : vcpu_speed(kvm_fd, vm_fd);
	char what[80];

	if (vm_fd >= 0)
		close(vm_fd);
	snprintf(what, sizeof(what), "/dev/kvm, %llu.%llu million instructions "
		 "a second", (unsigned long long)speed / 1000000,
		 (unsigned long long)speed / 100000 % 10);
	return probe_line(speed >= SPEED_FOR_LINUX, what, speed ?
			  "it emulates each of them, too slow for Linux "
			  "(guest-images/tiny runs)" :
			  "no guest runs; see dmesg");
}

/* Say, one line each, what KVM has and lacks.  Returns whether all is there. */
bool kvm_probe(void)
{
	bool all = true;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return probe_line(false, "/dev/kvm", open_hint(errno));

	all &= probe_speed(fd);
	for (unsigned int i = 0; i < NR_NEEDED; i++) {
		char fix[64];

		snprintf(fix, sizeof(fix), "Linux %s or newer is needed",
			 needed[i].since);
		all &= probe_line(kvm_ioctl(fd, KVM_CHECK_EXTENSION,
					    needed[i].cap) > 0,
				  needed[i].name, fix);
	}
	close(fd);
	return all;
}

/* The guest physical addresses a vCPU can form: 2^MAXPHYADDR bytes. */
uint64_t kvm_address_space(const struct kvm *kvm)
{
	struct { struct kvm_cpuid2 head; struct kvm_cpuid_entry2 e[256]; } id;

	id.head.nent = 256;
	if (kvm_ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, &id) == 0)
		for (unsigned int i = 0; i < id.head.nent; i++)
			if (id.e[i].function == 0x80000008)
				return 1ULL << (id.e[i].eax & 0x3f);
	return 1ULL << 36;	/* what a CPU without the leaf has (SDM 3A 4.1.4) */
}

static int add_slot(struct kvm *kvm, uint64_t gpa, void *hva, uint64_t size,
		    uint32_t flags)
{
	struct kvm_userspace_memory_region slot = {
		.slot		 = kvm->slots,
		.flags		 = flags,
		.guest_phys_addr = gpa,
		.memory_size	 = size,
		.userspace_addr	 = (uintptr_t)hva,
	};

	if (kvm_ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return -errno;
	kvm->slots++;
	return 0;
}

/* Each region of guest RAM becomes a memslot.  Returns 0 or -errno. */
int kvm_map_ram(struct kvm *kvm, const struct memory *mem)
{
	int err = 0;

	for (unsigned int i = 0; i < mem->nr && !err; i++)
		err = add_slot(kvm, mem->region[i].gpa, mem->region[i].hva,
			       mem->region[i].size, 0);
	return err;
}

/*
 * Let the guest read @size bytes (whole pages) at @hva without an exit, while
 * its writes there go where all MMIO goes.  Returns 0 or -errno.
 */
int kvm_map_readonly(struct kvm *kvm, uint64_t gpa, void *hva, uint64_t size)
{
	return add_slot(kvm, gpa, hva, size, KVM_MEM_READONLY);
}

/*
 * GSI @gsi now sends @msi, or nothing when that is NULL.  The ioctl takes the
 * whole table each time.  Returns 0 or -errno.
 */
int kvm_set_route(struct kvm *kvm, unsigned int gsi, const struct msi *msi)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[IOAPIC_PINS];
	} table = { 0 };

	kvm->route[gsi].valid = msi;
	if (msi)
		kvm->route[gsi].msi = *msi;

	for (unsigned int i = 0; i < IOAPIC_PINS; i++) {
		if (!kvm->route[i].valid)
			continue;
		table.entry[table.head.nr++] = (struct kvm_irq_routing_entry) {
			.gsi = i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = kvm->route[i].msi.addr,
			.u.msi.address_hi = kvm->route[i].msi.addr >> 32,
			.u.msi.data = kvm->route[i].msi.data,
		};
	}
	return kvm_ioctl(kvm->vm_fd, KVM_SET_GSI_ROUTING, &table) < 0 ?
		-errno : 0;
}

/* A signal on eventfd @fd becomes one edge on @gsi.  Returns 0 or -errno. */
int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi)
{
	struct kvm_irqfd irqfd = { .fd = fd, .gsi = gsi };

	return kvm_ioctl(kvm->vm_fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

/*
 * A 32-bit store of @value at @gpa becomes a signal on eventfd @fd; any other
 * store there still comes to us.  Returns 0 or -errno.
 */
int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t gpa, uint32_t value)
{
	struct kvm_ioeventfd io = {
		.datamatch = value,
		.addr = gpa,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_ioctl(kvm->vm_fd, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}

/*
 * ---- what KVM counted ----
 */

/*
 * A descriptor to read the statistics of VM or vCPU @fd from, -1 before Linux
 * 5.14.  A vCPU's has to be opened before it runs: the ioctl waits for the end
 * of a KVM_RUN that is under way, where the reading does not.
 */
int kvm_stats_open(int fd)
{
	return kvm_ioctl(fd, KVM_GET_STATS_FD, NULL);
}

/*
 * Read all that @fd, of kvm_stats_open(), has at this moment.  Returns 0 or
 * -errno; -EPROTO if what is there is not as api.rst says, or too much for us.
 */
int kvm_stats_read(struct kvm_stats *s, int fd)
{
	ssize_t n = pread(fd, s->image, sizeof(s->image), 0);
	struct kvm_stats_header head;
	struct kvm_stat stat;

	s->nr = 0;
	if (n < 0)
		return -errno;
	s->bytes = n;
	if (s->bytes < sizeof(head))
		return -EPROTO;
	memcpy(&head, s->image, sizeof(head));
	for (unsigned int i = 0; i < head.num_desc; i++)
		if (!kvm_stats_get(s, i, &stat))
			return -EPROTO;
	s->nr = head.num_desc;
	return 0;
}

/*
 * Statistic @i, below s->nr, which is always there.  (kvm_stats_read() made
 * sure of that: false is for what lies outside of what was read.  Offsets are
 * of 32 bits, and are added up in 64.)
 */
bool kvm_stats_get(const struct kvm_stats *s, unsigned int i,
		   struct kvm_stat *stat)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc desc;
	uint64_t at, end;

	memcpy(&head, s->image, sizeof(head));
	at = head.desc_offset + i * (sizeof(desc) + head.name_size);
	end = at + sizeof(desc) + head.name_size;
	if (end > s->bytes || head.name_size > sizeof(stat->name))
		return false;
	memcpy(&desc, s->image + at, sizeof(desc));
	memcpy(stat->name, s->image + at + sizeof(desc), head.name_size);
	if (!memchr(stat->name, '\0', head.name_size))
		return false;

	at = (uint64_t)head.data_offset + desc.offset;
	end = at + desc.size * sizeof(uint64_t);
	if (end > s->bytes || !desc.size || desc.size > KVM_STAT_BUCKETS)
		return false;
	stat->nr = desc.size;
	memcpy(stat->value, s->image + at, desc.size * sizeof(uint64_t));

	stat->peak = (desc.flags & KVM_STATS_TYPE_MASK) ==
		     KVM_STATS_TYPE_PEAK;
	stat->log = (desc.flags & KVM_STATS_TYPE_MASK) ==
		    KVM_STATS_TYPE_LOG_HIST;
	stat->bucket_size = desc.bucket_size;
	return true;
}

/*
 * ---- the transcript ----
 */

static void show_number(struct text *t, unsigned long arg)
{
	text_add(t, "%lu", arg);
}

static void show_address(struct text *t, unsigned long arg)
{
	text_add(t, "gpa %#lx", arg);
}

static void show_address_at(struct text *t, unsigned long arg)
{
	text_add(t, "gpa %#llx", *(const unsigned long long *)arg);
}

static void show_cap(struct text *t, unsigned long arg)
{
	const char *name =
		arg == KVM_CAP_MAX_VCPUS ? "KVM_CAP_MAX_VCPUS" :
		arg == KVM_CAP_TSC_DEADLINE_TIMER ?
			"KVM_CAP_TSC_DEADLINE_TIMER" : NULL;

	for (unsigned int i = 0; i < NR_NEEDED; i++)
		if ((unsigned long)needed[i].cap == arg)
			name = needed[i].name;
	if (name)
		text_add(t, "%s", name);
	else
		text_add(t, "%lu", arg);
}

static void show_enable(struct text *t, unsigned long arg)
{
	const struct kvm_enable_cap *cap = (const struct kvm_enable_cap *)arg;

	show_cap(t, cap->cap);
	text_add(t, " %llu", cap->args[0]);
}

static void show_slot(struct text *t, unsigned long arg)
{
	const struct kvm_userspace_memory_region *slot =
		(const struct kvm_userspace_memory_region *)arg;

	text_add(t, "slot %u gpa %#llx hva %#llx bytes %#llx%s", slot->slot,
		 slot->guest_phys_addr, slot->userspace_addr, slot->memory_size,
		 slot->flags & KVM_MEM_READONLY ? " read-only" : "");
}

static void show_routes(struct text *t, unsigned long arg)
{
	const struct kvm_irq_routing *table =
		(const struct kvm_irq_routing *)arg;

	text_add(t, "%u", table->nr);
	for (unsigned int i = 0; i < table->nr; i++)
		text_add(t, "%s GSI %u msi %#x data %#x", i ? "," : ":",
			 table->entries[i].gsi,
			 table->entries[i].u.msi.address_lo,
			 table->entries[i].u.msi.data);
}

static void show_irqfd(struct text *t, unsigned long arg)
{
	const struct kvm_irqfd *irqfd = (const struct kvm_irqfd *)arg;

	text_add(t, "fd %u -> GSI %u", irqfd->fd, irqfd->gsi);
}

static void show_ioeventfd(struct text *t, unsigned long arg)
{
	const struct kvm_ioeventfd *io = (const struct kvm_ioeventfd *)arg;

	text_add(t, "store of %llu at gpa %#llx (%u bytes) -> fd %d",
		 io->datamatch, io->addr, io->len, io->fd);
}

static void show_cpuid(struct text *t, unsigned long arg)
{
	text_add(t, "%u leaves", ((const struct kvm_cpuid2 *)arg)->nent);
}

static void show_regs(struct text *t, unsigned long arg)
{
	const struct kvm_regs *r = (const struct kvm_regs *)arg;

	text_add(t, "rip %#llx rsp %#llx rsi %#llx rflags %#llx", r->rip,
		 r->rsp, r->rsi, r->rflags);
}

static void show_sregs(struct text *t, unsigned long arg)
{
	const struct kvm_sregs *s = (const struct kvm_sregs *)arg;

	text_add(t, "cr0 %#llx cr3 %#llx cr4 %#llx efer %#llx cs %#x",
		 s->cr0, s->cr3, s->cr4, s->efer, s->cs.selector);
}

#define CALL(name, ...)	{ name, #name, __VA_ARGS__ }

const struct trace_call kvm_calls[] = {
	CALL(KVM_GET_API_VERSION,	 NULL, NULL),
	CALL(KVM_CHECK_EXTENSION,	 show_cap, NULL),
	CALL(KVM_CREATE_VM,		 NULL, NULL),
	CALL(KVM_SET_IDENTITY_MAP_ADDR,	 show_address_at, NULL),
	CALL(KVM_SET_TSS_ADDR,		 show_address, NULL),
	CALL(KVM_ENABLE_CAP,		 show_enable, NULL),
	CALL(KVM_GET_SUPPORTED_CPUID,	 NULL, show_cpuid),
	CALL(KVM_SET_USER_MEMORY_REGION, show_slot, NULL),
	CALL(KVM_SET_GSI_ROUTING,	 show_routes, NULL),
	CALL(KVM_IRQFD,			 show_irqfd, NULL),
	CALL(KVM_IOEVENTFD,		 show_ioeventfd, NULL),
	CALL(KVM_GET_STATS_FD,		 NULL, NULL),
	CALL(KVM_GET_VCPU_MMAP_SIZE,	 NULL, NULL),
	CALL(KVM_CREATE_VCPU,		 show_number, NULL),
	CALL(KVM_SET_CPUID2,		 show_cpuid, NULL),
	CALL(KVM_GET_SREGS,		 NULL, show_sregs),
	CALL(KVM_SET_SREGS,		 show_sregs, NULL),
	CALL(KVM_GET_REGS,		 NULL, show_regs),
	CALL(KVM_SET_REGS,		 show_regs, NULL),
	{ 0 }
};
