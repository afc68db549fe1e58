/* SPDX-License-Identifier: MIT */
/*
 * BPF programs of two or three instructions; see bpf.h and, for the encoding,
 * Documentation/bpf/standardization/instruction-set.rst.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/conformance/bpf.h"
#include "tests/conformance/links.h"
#include "tests/conformance/suite.h"

#define INSN(op, dst, src, value) \
	{ .code = (op), .dst_reg = (dst), .src_reg = (src), .imm = (value) }
#define MOV(dst, value)	INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, value)
#define COPY(dst, src)	INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0)
#define CALL(function)	INSN(BPF_JMP | BPF_CALL, 0, 0, function)
#define EXIT		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0)
/* The frame's byte at @offset into register 0; register 6 has the frame. */
#define LOAD(offset)	INSN(BPF_LD | BPF_ABS | BPF_B, 0, 0, offset)

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(enum bpf_prog_type type, const struct bpf_insn *insns,
		unsigned int count)
{
	char log[4096] = "";
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = count;
	attr.license = (uintptr_t)"Dual MIT/GPL";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("bpf(2): %s", strerror(errno));
	REQUIRE(fd >= 0, "BPF_PROG_LOAD: %s: %s", strerror(errno), log);
	return fd;
}

int xdp_program(uint32_t action, int index)
{
	const struct bpf_insn answer[] = { MOV(0, action), EXIT };
	const struct bpf_insn redirect[] = {
		MOV(1, index), MOV(2, 0), CALL(BPF_FUNC_redirect), EXIT,
	};

	return action == XDP_REDIRECT ? load(BPF_PROG_TYPE_XDP, redirect, 4) :
					load(BPF_PROG_TYPE_XDP, answer, 2);
}

int xdp_attach(int prog, const char *name)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = prog;
	attr.link_create.target_ifindex = link_index(name);
	attr.link_create.attach_type = BPF_XDP;
	fd = bpf(BPF_LINK_CREATE, &attr);
	REQUIRE(fd >= 0, "XDP on %s: %s", name, strerror(errno));
	close(prog);
	return fd;
}

int steering_program(int32_t offset)
{
	const struct bpf_insn insns[] = { COPY(6, 1), LOAD(offset), EXIT };

	return load(BPF_PROG_TYPE_SOCKET_FILTER, insns, 3);
}
