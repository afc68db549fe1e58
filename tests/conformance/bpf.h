/* SPDX-License-Identifier: MIT */
/*
 * BPF programs of two or three instructions, assembled by hand: no compiler and
 * no library is needed to say "drop all".
 */
#ifndef CONFORMANCE_BPF_H
#define CONFORMANCE_BPF_H

#include <stdint.h>
#include <linux/bpf.h>

/* "return @action" for XDP; XDP_REDIRECT goes to interface @index. */
int xdp_program(uint32_t action, int index);
/* Run @prog, which is closed, on @name until the returned fd is closed. */
int xdp_attach(int prog, const char *name);
/* For TUNSETSTEERINGEBPF: the queue is the frame's byte at @offset. */
int steering_program(int32_t offset);

#endif
