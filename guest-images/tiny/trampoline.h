/* SPDX-License-Identifier: MIT */
/* What head.S and C both have to know. */
#define TRAMPOLINE	0x1000		/* SIPI names the page */
#define TRAMPOLINE_CR3	0x60		/* in there: the page tables to use */
#define TRAMPOLINE_BYTES 0x80
#define CPUS_MAX	4
