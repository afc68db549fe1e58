/* SPDX-License-Identifier: MIT */
/*
 * vmrun-plugin - mends QEMU's VMRUN, so that nested guests do not lock up
 *
 * When VMRUN injects an interrupt (EVENTINJ), helper_vmrun() of QEMU 7.2 to 10
 * notes its vector in the CPU's exception_index, delivers it, and leaves the note
 * standing.  Whatever makes the CPU leave its execution loop before the guest's
 * next #VMEXIT, an expired timer for one, then delivers the same interrupt again,
 * with no regard to the guest's IF.  A Linux guest that is interrupted while it
 * holds a lock with interrupts off spins on that lock for ever.  With -icount
 * every other guest ended so.
 *
 * A plugin is code in QEMU's own process: this one wipes the note as soon as the
 * guest runs on.  Blocks get its callback if they are translated right behind a
 * VMRUN; those are the entries of the guest's interrupt handlers, which are not
 * reached in any other way.  Wiping is harmless elsewhere, since no block runs
 * with an exception pending.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

/* QEMU's own, both exported since its modules use them. */
void *qemu_get_cpu(int index);
void cpu_loop_exit_noexc(void *cpu);

static uint32_t exception_index;	/* where it is in struct CPUState */
static _Thread_local bool after_vmrun;	/* each CPU has its thread, or all one */

static void wipe(unsigned int vcpu, void *data)
{
	int32_t none = -1;

	(void)data;
	memcpy((char *)qemu_get_cpu(vcpu) + exception_index, &none,
	       sizeof(none));
}

static void vmrun(unsigned int vcpu, void *data)
{
	(void)vcpu, (void)data;
	after_vmrun = true;
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	char *last = qemu_plugin_insn_disas(qemu_plugin_tb_get_insn(tb, n - 1));

	(void)id;
	if (after_vmrun)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, wipe,
						     QEMU_PLUGIN_CB_NO_REGS,
						     NULL);
	after_vmrun = false;
	if (last && !strncmp(last, "vmrun", 5))
		qemu_plugin_register_vcpu_tb_exec_cb(tb, vmrun,
						     QEMU_PLUGIN_CB_NO_REGS,
						     NULL);
	free(last);
}

/*
 * The first thing that cpu_loop_exit_noexc() does is exception_index = -1, in
 * every version: movl $-1, OFFSET(%rdi), perhaps after an endbr64 and a push.
 */
static bool find_exception_index(void)
{
	const uint8_t *code = (const uint8_t *)cpu_loop_exit_noexc;
	static const uint8_t none[4] = { 0xff, 0xff, 0xff, 0xff };

	for (unsigned int i = 0; i < 16; i++, code++)
		if (code[0] == 0xc7 && code[1] == 0x87 &&
		    !memcmp(code + 6, none, sizeof(none))) {
			memcpy(&exception_index, code + 2,
			       sizeof(exception_index));
			return true;
		}
	return false;
}

int qemu_plugin_install(plugin_id id, const struct qemu_info_t *info,
			int argc, char **argv)
{
	(void)info, (void)argc, (void)argv;
	if (!find_exception_index()) {
		fprintf(stderr, "vmrun-plugin: not a QEMU it knows\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
