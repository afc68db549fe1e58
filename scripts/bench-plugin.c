/* SPDX-License-Identifier: MIT */
/*
 * bench-plugin - where an emulated host's instructions go
 *
 * A plugin for QEMU's TCG: counts how often each translated block runs, and
 * whether it is the host's or that of a guest within it.  The two cannot be told
 * by address; but a nested guest runs from VMRUN to the #VMEXIT, after which the
 * host is found at the instruction behind its VMRUN.  A block is translated just
 * before it first runs and is never shared between the two (HF_GUEST_MASK is
 * part of what QEMU looks it up by), so it is enough to ask at translation.
 *
 * Counting begins and ends when the host runs code at MARK, which is what
 * `traffic mark` does.  At each end the counts go to OUT, a section each:
 *
 *	mark N
 *	host|guest ADDRESS INSTRUCTIONS-OF-THE-BLOCK TIMES
 *
 * Blocks that end early, by a fault, count whole.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu-plugin.h"

#define MARK	0x6d61726b0000ULL	/* as in guest-images/linux/traffic.c */

struct block {
	struct block *next;
	uint64_t address, times;
	uint32_t instructions;
	bool guest, vmrun, mark;
};

static struct block *blocks;
static uint64_t behind_vmrun;
static bool in_guest, counting;
static unsigned int marks;
static FILE *out;

static void mark(void)
{
	counting = !counting;
	if (!counting)
		fprintf(out, "mark %u\n", marks++);
	for (struct block *b = blocks; b; b = b->next) {
		if (!counting && b->times)
			fprintf(out, "%s %016" PRIx64 " %u %" PRIu64 "\n",
				b->guest ? "guest" : "host", b->address,
				b->instructions, b->times);
		b->times = 0;
	}
	fflush(out);
}

static void ran(unsigned int vcpu, void *data)
{
	struct block *b = data;

	(void)vcpu;
	b->times++;
	in_guest = b->guest || b->vmrun;
	if (b->mark)
		mark();
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
	struct block *b = calloc(1, sizeof(*b));
	char *text;

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->instructions = n;
	b->guest = in_guest && b->address != behind_vmrun;
	if (!b->guest) {
		text = qemu_plugin_insn_disas(last);
		b->vmrun = text && !strncmp(text, "vmrun", 5);
		free(text);
		b->mark = b->address == MARK;
	}
	if (b->vmrun)
		behind_vmrun = qemu_plugin_insn_vaddr(last) +
			       qemu_plugin_insn_size(last);
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, QEMU_PLUGIN_CB_NO_REGS,
					     b);
}

int qemu_plugin_install(plugin_id id, const struct qemu_info_t *info,
			int argc, char **argv)
{
	(void)info;
	out = argc == 1 && !strncmp(argv[0], "out=", 4) ?
	      fopen(argv[0] + 4, "we") : NULL;
	if (!out) {
		fprintf(stderr, "bench-plugin: out=FILE is needed\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
