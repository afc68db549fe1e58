/* SPDX-License-Identifier: MIT */
/*
 * The run loop and its exit table, and the state a vCPU starts in.
 *
 * From the moment a vCPU runs, consider it hostile: what it leaves in struct
 * kvm_run is data, an address is looked up in a table, and the worst that any
 * of it can do is end this VM with a line that says why.
 *
 * Lock order: there is one lock, machine.lock, and nothing is taken inside it.
 */
#include <cpuid.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "machine/boot.h"
#include "machine/machine.h"
#include "machine/thread.h"
#include "machine/trace.h"
#include "machine/vcpu.h"

#define KICK_SIGNAL	SIGRTMIN

/*
 * A kick wakes vhost's worker.  On a processor that the two share it had better
 * run at once: then it has the packet, and often an answer, before the guest
 * has gone to sleep and has to be woken again.
 */
#define SLICE_TIMES	8

/*
 * ---- the state a vCPU starts in ----
 */

/* How many bits it takes to number @n things. */
static unsigned int bits_for(unsigned int n)
{
	unsigned int bits = 0;

	while (1U << bits < n)
		bits++;
	return bits;
}

/*
 * KVM reports the host's CPUID; where a leaf speaks of this very CPU or of how
 * many there are, it is ours to fill in.  Linux compares the APIC id in leaves
 * 1 and 0xB with the one the APIC has, and complains when they differ.  All
 * vCPUs are cores of one package.
 */
static void cpuid_of(struct kvm_cpuid_entry2 *e, const struct vcpu *v,
		     bool tsc_deadline)
{
	unsigned int cpus = v->machine->opt.cpus;
	unsigned int bits = bits_for(cpus);

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xff00) | v->id << 24 | cpus << 16 |
			 (e->ebx & 0xff);
		e->ecx |= 1U << 31;	/* a hypervisor: look at 40000000 */
		if (cpus > 1)
			e->edx |= 1U << 28;	/* HTT: EBX[23:16] counts */
		if (tsc_deadline)
			e->ecx |= 1U << 24;	/* KVM leaves it to us */
		break;
	case 4:				/* Intel: caches; who shares a package */
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) |
				 ((1U << bits) - 1) << 26;
		break;
	case 7:				/* no five levels of page tables: RAM is */
		if (e->index == 0)	/* far less than 64 TiB, and four walk */
			e->ecx &= ~(1U << 16);	/* faster */
		break;
	case 0x80000008:		/* AMD: cores in the package */
		e->ecx = bits << 12 | (cpus - 1);
		break;
	case 0x8000001e:		/* AMD: extended APIC id */
		e->eax = v->id;
		e->ebx = v->id & 0xff;	/* one thread per core */
		e->ecx = 0;
		break;
	}
}

/*
 * Leaves 0xB and 0x1F in our words: one thread per core, all cores in one
 * package.  KVM fills in nothing but zeroes here (SDM 2A, CPUID).
 */
static unsigned int topology(struct kvm_cpuid_entry2 *e, uint32_t leaf,
			     const struct vcpu *v)
{
	unsigned int cpus = v->machine->opt.cpus;

	e[0] = (struct kvm_cpuid_entry2) {
		.function = leaf, .index = 0,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0, .ebx = 1, .ecx = 1 << 8 | 0, .edx = v->id,
	};
	e[1] = (struct kvm_cpuid_entry2) {
		.function = leaf, .index = 1,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = bits_for(cpus), .ebx = cpus, .ecx = 2 << 8 | 1,
		.edx = v->id,
	};
	return 2;
}

#define CPUID_MAX 256

static void set_cpuid(struct vcpu *v)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[CPUID_MAX + 4];
	} id;
	int kvm_fd = v->machine->kvm.fd;
	bool tsc_deadline = kvm_ioctl(kvm_fd, KVM_CHECK_EXTENSION,
				      KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	unsigned int kept = 0, max_leaf = 0;

	id.head.nent = CPUID_MAX;
	if (kvm_ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &id) < 0)
		err(1, "KVM_GET_SUPPORTED_CPUID");

	for (unsigned int i = 0; i < id.head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &id.e[i];

		if (e->function == 0xb || e->function == 0x1f)
			continue;
		if (e->function == 0)
			max_leaf = e->eax;
		cpuid_of(e, v, tsc_deadline);
		id.e[kept++] = *e;
	}
	kept += topology(&id.e[kept], 0xb, v);
	if (max_leaf >= 0x1f)
		kept += topology(&id.e[kept], 0x1f, v);
	id.head.nent = kept;
	if (kvm_ioctl(v->fd, KVM_SET_CPUID2, &id) < 0)
		err(1, "KVM_SET_CPUID2");
}

/*
 * The 64-bit boot protocol (boot.rst): long mode, identity-mapped, flat
 * segments with the selectors the kernel expects, RSI = boot_params, interrupts
 * off.  The other vCPUs wait for INIT and SIPI, which is KVM's business.
 */
static void set_boot_state(struct vcpu *v, uint64_t entry, uint64_t boot_params)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = BOOT_CS, .type = 0xb,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = BOOT_DS, .type = 0x3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = entry, .rsi = boot_params, .rflags = 2,
		.rsp = boot_params,	/* grows down into unused low RAM */
	};
	struct kvm_sregs s;

	if (kvm_ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
		err(1, "KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.gdt.base = BOOT_GDT;
	s.gdt.limit = BOOT_GDT_BYTES - 1;
	s.cr3 = BOOT_PAGE_TABLES;
	s.cr4 = 1 << 5;				/* PAE */
	s.cr0 = 1U << 31 | 1 << 4 | 1 << 1 | 1;	/* PG, ET, MP, PE */
	s.efer = 1 << 10 | 1 << 8;		/* LMA, LME */
	if (kvm_ioctl(v->fd, KVM_SET_SREGS, &s) < 0)
		err(1, "KVM_SET_SREGS");
	if (kvm_ioctl(v->fd, KVM_SET_REGS, &regs) < 0)
		err(1, "KVM_SET_REGS");
}

/*
 * Make opt.cpus vCPUs; the first will start at @entry with RSI = @boot_params,
 * both guest addresses.  Ends with status 1 if the host cannot.
 */
void vcpus_create(struct machine *m, uint64_t entry, uint64_t boot_params)
{
	int run_bytes = kvm_ioctl(m->kvm.fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (run_bytes < 0)
		err(1, "KVM_GET_VCPU_MMAP_SIZE");
	m->vcpu = calloc(m->opt.cpus, sizeof(*m->vcpu));
	if (!m->vcpu)
		err(1, "%u vCPUs", m->opt.cpus);

	for (unsigned int i = 0; i < m->opt.cpus; i++) {
		struct vcpu *v = &m->vcpu[i];

		v->id = i;
		v->machine = m;
		v->fd = kvm_ioctl(m->kvm.vm_fd, KVM_CREATE_VCPU, i);
		if (v->fd < 0)
			err(1, "KVM_CREATE_VCPU %u", i);
		v->run = guarded_map(run_bytes, v->fd);
		if (!v->run)
			err(1, "mmap of vCPU %u", i);
		v->stats_fd = kvm_stats_open(v->fd);
		set_cpuid(v);
		if (i == 0)
			set_boot_state(v, entry, boot_params);
	}
}

/*
 * ---- running ----
 */

#define REASON(name)	[KVM_EXIT_##name] = #name

static const char *const reason_name[VCPU_EXITS_MAX] = {
	REASON(UNKNOWN), REASON(EXCEPTION), REASON(IO), REASON(HYPERCALL),
	REASON(DEBUG), REASON(HLT), REASON(MMIO), REASON(IRQ_WINDOW_OPEN),
	REASON(SHUTDOWN), REASON(FAIL_ENTRY), REASON(INTR), REASON(SET_TPR),
	REASON(TPR_ACCESS), REASON(NMI), REASON(INTERNAL_ERROR),
	REASON(SYSTEM_EVENT), REASON(IOAPIC_EOI), REASON(HYPERV),
	REASON(X86_RDMSR), REASON(X86_WRMSR), REASON(DIRTY_RING_FULL),
	REASON(AP_RESET_HOLD), REASON(X86_BUS_LOCK), REASON(XEN),
};

/*
 * This VM cannot go on.  Say where the vCPU stood: the address is what to look
 * up in the guest kernel's System.map.
 */
static void crashed(struct vcpu *v, const char *what)
{
	struct kvm_regs regs = { 0 };

	kvm_ioctl(v->fd, KVM_GET_REGS, &regs);
	warnx("vCPU %u: %s, at rip %#llx rsp %#llx", v->id, what,
	      (unsigned long long)regs.rip, (unsigned long long)regs.rsp);
	trace(TRACE_RUN, "vCPU %u: %s", v->id, what);
	loop_stop(&v->machine->loop, EXIT_GUEST_CRASHED);
}

static void internal_error(struct vcpu *v)
{
	unsigned int sub = v->run->internal.suberror;
	char what[160];

	snprintf(what, sizeof(what), "KVM internal error, suberror %u (%s)", sub,
		 sub == KVM_INTERNAL_ERROR_EMULATION ?
			"an instruction KVM cannot emulate; a guest that jumps "
			"into MMIO or garbage ends here" :
		 sub == KVM_INTERNAL_ERROR_SIMUL_EX ?
			"exceptions while injecting one" :
		 sub == KVM_INTERNAL_ERROR_DELIVERY_EV ?
			"an exit while delivering an event" :
			"see KVM_INTERNAL_ERROR_ in linux/kvm.h");
	crashed(v, what);
}

static void fail_entry(struct vcpu *v)
{
	char what[128];

	snprintf(what, sizeof(what), "the CPU refused the guest's state, "
		 "hardware reason %#llx (dmesg may say more)",
		 (unsigned long long)
		 v->run->fail_entry.hardware_entry_failure_reason);
	crashed(v, what);
}

static void unknown_exit(struct vcpu *v)
{
	char what[80];

	snprintf(what, sizeof(what), "exit reason %u (see KVM_EXIT_ in "
		 "linux/kvm.h), which is not handled", v->run->exit_reason);
	crashed(v, what);
}

/* A string instruction comes as one exit: its data advances, its port not. */
static void port_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		bus_io(&v->machine->ports, run->io.port, data, run->io.size,
		       run->io.direction == KVM_EXIT_IO_OUT);
}

/* One return from KVM_RUN, with the lock held. */
static void handle_exit(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct machine *m = v->machine;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		port_io(v);
		break;
	case KVM_EXIT_MMIO:
		bus_io(&m->mmio, run->mmio.phys_addr, run->mmio.data,
		       run->mmio.len, run->mmio.is_write);
		break;
	case KVM_EXIT_IOAPIC_EOI:	/* of an entry the guest made level */
		ioapic_eoi(&m->ioapic, run->eoi.vector);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:		/* on SVM rip is the reset vector now */
		crashed(v, "triple fault");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(v);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		fail_entry(v);
		break;
	default:
		unknown_exit(v);
		break;
	}
}

static void count_exit(struct vcpu *v)
{
	uint32_t reason = v->run->exit_reason;

	v->exits[reason < VCPU_EXITS_MAX ? reason : 0]++;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct machine *m = v->machine;
	bool running = true;

	thread_lengthen_slice(SLICE_TIMES);
	pthread_mutex_lock(&m->lock);
	v->tid = gettid();
	pthread_mutex_unlock(&m->lock);
	while (running) {
		int ret = ioctl(v->fd, KVM_RUN, 0);
		int error = errno;

		pthread_mutex_lock(&m->lock);
		if (ret == 0) {
			count_exit(v);
			handle_exit(v);
		} else if (error == EINTR || error == EAGAIN) {
			v->interrupted++;	/* vcpus_stop(), or a debugger */
		} else {
			char what[64];

			snprintf(what, sizeof(what), "KVM_RUN: %s",
				 strerror(error));
			crashed(v, what);
		}
		running = m->loop.status < 0;
		pthread_mutex_unlock(&m->lock);
	}
	pthread_mutex_lock(&m->lock);
	/* /proc is about to forget it. */
	v->usage_unknown = !thread_usage(&v->usage, v->tid);
	v->tid = 0;
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* The kick has no other purpose than to end a KVM_RUN that is under way. */
static void on_kick(int sig)
{
	(void)sig;
}

/* Every vCPU gets its thread, with the signals blocked that the caller has. */
void vcpus_start(struct machine *m)
{
	struct sigaction kick = { .sa_handler = on_kick };

	sigaction(KICK_SIGNAL, &kick, NULL);
	for (unsigned int i = 0; i < m->opt.cpus; i++) {
		struct vcpu *v = &m->vcpu[i];
		int error = pthread_create(&v->thread, NULL, vcpu_thread,
					   v);
		char name[16];

		if (error)
			errx(1, "a thread for vCPU %u: %s", i, strerror(error));
		snprintf(name, sizeof(name), "vcpu%u", i);
		pthread_setname_np(v->thread, name);	/* for top -H */
	}
}

/*
 * Get all vCPUs out of the guest and end their threads.  After loop_run().
 * The signal ends a KVM_RUN that is under way, the flag one that is to come:
 * a kick just before the ioctl would otherwise be forgotten.
 */
void vcpus_stop(struct machine *m)
{
	for (unsigned int i = 0; i < m->opt.cpus; i++) {
		volatile uint8_t *exit_now = &m->vcpu[i].run->immediate_exit;

		*exit_now = 1;
		pthread_kill(m->vcpu[i].thread, KICK_SIGNAL);
	}
	for (unsigned int i = 0; i < m->opt.cpus; i++)
		pthread_join(m->vcpu[i].thread, NULL);
}

/*
 * ---- --stats ----
 */

/*
 * The returns from KVM_RUN to user space so far, by reason, with the lock held.
 * @per_vcpu are columns for the sum and for each vCPU.  Returns all of them.
 */
uint64_t vcpu_report_returns(const struct machine *m, struct report *r,
			     const struct report_columns *per_vcpu)
{
	uint64_t cells[1 + CPUS_MAX], all[1 + CPUS_MAX] = { 0 };

	report_section(r, "returns", per_vcpu, "returns from KVM_RUN");
	for (unsigned int e = 0; e < VCPU_EXITS_MAX + 1; e++) {
		const char *name = e < VCPU_EXITS_MAX ? reason_name[e] :
				   "signals";
		char number[16];

		cells[0] = 0;
		for (unsigned int i = 0; i < m->opt.cpus; i++) {
			const struct vcpu *v = &m->vcpu[i];

			cells[1 + i] = e < VCPU_EXITS_MAX ? v->exits[e] :
				       v->interrupted;
			cells[0] += cells[1 + i];
			all[1 + i] += cells[1 + i];
		}
		all[0] += cells[0];
		if (!name && !cells[0])
			continue;
		snprintf(number, sizeof(number), "reason_%u", e);
		report_row_if_any(r, name ? name : number, cells);
	}
	report_row(r, "total", all);
	report_close(r);
	return all[0];
}

/*
 * ---- --probe ----
 */

#define SPEED_LOOPS	100000		/* of two instructions */
#define SPEED_ROUNDS	10
#define SPEED_ENOUGH_NS	100000000	/* so slow that it needs no more */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The CPU starts at guest address 0, in the real mode it wakes up in. */
static bool start_at_zero(struct vcpu *v)
{
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs s;

	if (kvm_ioctl(v->fd, KVM_GET_SREGS, &s) < 0)
		return false;
	s.cs.base = s.cs.selector = 0;
	return kvm_ioctl(v->fd, KVM_SET_SREGS, &s) == 0 &&
	       kvm_ioctl(v->fd, KVM_SET_REGS, &regs) == 0 &&
	       ioctl(v->fd, KVM_RUN, 0) == 0 &&
	       v->run->exit_reason == KVM_EXIT_HLT;
}

/* Instructions per second of @v, which has the loop at guest address 0. */
static uint64_t measure(struct vcpu *v)
{
	uint64_t begun = now_ns(), ns = 0, rounds = 0;

	while (rounds < SPEED_ROUNDS && ns < SPEED_ENOUGH_NS) {
		if (!start_at_zero(v))
			return 0;
		rounds++;
		ns = now_ns() - begun + 1;
	}
	return rounds * 2 * SPEED_LOOPS * 1000000000ULL / ns;
}

/*
 * How many instructions a second does a guest run here?  Found out by a loop
 * of two million, or fewer where that takes long, in a VM that is thrown away.
 * @vm_fd is that VM, empty; it gets a vCPU and a page.  0: it does not run.
 */
uint64_t vcpu_speed(int kvm_fd, int vm_fd)
{
	static const uint8_t code[] = {
		0x66, 0xb9, SPEED_LOOPS & 0xff, SPEED_LOOPS >> 8 & 0xff,
		SPEED_LOOPS >> 16, 0,	/* mov $SPEED_LOOPS, %ecx */
		0x66, 0x49,		/* dec %ecx */
		0x75, 0xfc,		/* jnz to the dec */
		0xf4,			/* hlt: back to us */
	};
	int run_bytes = kvm_ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_userspace_memory_region slot = { .memory_size = 4096 };
	uint8_t *page = mmap(NULL, slot.memory_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vcpu v = { .run = MAP_FAILED };
	uint64_t speed = 0;

	slot.userspace_addr = (uintptr_t)page;
	v.fd = kvm_ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	if (page == MAP_FAILED || run_bytes < 0 || v.fd < 0)
		goto out;
	memcpy(page, code, sizeof(code));
	v.run = mmap(NULL, run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v.fd,
		     0);
	if (v.run != MAP_FAILED &&
	    kvm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) == 0)
		speed = measure(&v);
out:
	if (v.run != MAP_FAILED)
		munmap(v.run, run_bytes);
	if (v.fd >= 0)
		close(v.fd);
	if (page != MAP_FAILED)
		munmap(page, slot.memory_size);
	return speed;
}
