/* SPDX-License-Identifier: MIT */
/*
 * What real kernels are known to do wrong: a scenario that fails with such a
 * message, and no other, is reported as an expected failure, with the reason.
 * What was seen, and how to see it with a few lines, is in the scenario's head;
 * findings/ has a program for each that does nothing else.
 */
#include <string.h>

#include "tests/conformance/runner.h"

#define F1	"F1: a TX descriptor that vhost_net_build_xdp() refuses is put back " \
		"and tried again for ever: the worker spins, TX stands still"

static const struct known known[] = {
	{ "R5", 0, VERSION(6, 14, 0), "without MRG_RXBUF num_buffers is",
	  "num_buffers is left as it was without MRG_RXBUF, until a3b9c053d82a "
	  "(6.14)" },
	{ "H6", VERSION(4, 20, 0), 0, "F1:", F1 },
	{ "H11", VERSION(4, 20, 0), 0, "F1:", F1 },
	{ "H11", 0, VERSION(6, 4, 0), "F6:",
	  "F6: a worker that waits for a page cannot be killed while it is "
	  "a thread of the kernel, until 6.4" },
	{ "D3", 0, 0, "written pages are lost",
	  "F2: LOG_ALL without a log that can be written is accepted, and "
	  "nothing tells that bits are lost" },
	{ "D9", VERSION(6, 17, 0), 0, "the end: page",
	  "F3: vhost_add_used_n_in_order() logs from where it ends, not from "
	  "where it began" },
	{ "I3", 0, 0, "F5:",
	  "F5: SET_BACKEND writes used->flags where only reads are allowed" },
	{ "I10", 0, VERSION(6, 12, 115), "the old addresses",
	  "CVE-2026-97988: addresses outlive ACCESS_PLATFORM, until 6.12.115" },
	{ "I10", VERSION(6, 13, 0), VERSION(7, 2, 7), "the old addresses",
	  "CVE-2026-97988: addresses outlive ACCESS_PLATFORM, until 7.2.7" },
	{ "I15", 0, VERSION(7, 3, 0), "outstanding misses of one ring",
	  "each kick asks once more, without limit, until 7.3" },
	{ "W3", 0, 0, "kernel thread: its owner's cgroup does not freeze",
	  "a kernel thread counts as a task of its cgroup but cannot freeze, "
	  "so cgroup.events never says frozen 1" },
	{ "O10", VERSION(6, 17, 0), 0, "drivers/net/tun_vnet.h",
	  "tun warns of a segment in a UDP tunnel that it can no longer pass "
	  "on, once TUNSETOFFLOAD took that back: a reset is enough" },
	{ "W4", VERSION(6, 18, 0), 0, "cpu.max does not limit it",
	  "a task is throttled as it returns to user mode, which a worker of "
	  "either kind never does" },
	{ 0 }
};

static bool applies(const struct known *k, const char *id)
{
	return strcmp(k->id, id) == 0 && kernel_version() >= k->from &&
	       (!k->before || kernel_version() < k->before);
}

const struct known *known_failure(const char *id, const char *message)
{
	for (const struct known *k = known; k->id; k++)
		if (applies(k, id) && strstr(message, k->says))
			return k;
	return NULL;
}

bool known_to_fail(const char *id)
{
	for (const struct known *k = known; k->id; k++)
		if (applies(k, id))
			return true;
	return false;
}
