/* SPDX-License-Identifier: MIT */
/*
 * How a bzImage begins, and how the CPU gets from there into C.
 *
 * The first kilobyte of the file is the part that a loader reads: the setup
 * header (Documentation/arch/x86/boot.rst).  What follows is loaded at 1 MiB,
 * and entered 0x200 bytes further on in 64-bit mode, with memory mapped to
 * itself, interrupts off and RSI at boot_params.  There is no real-mode part:
 * who starts this image at its first byte is sent to sleep.
 */
#define LOADED_HIGH	1
#define XLF_KERNEL_64	1
#define CODE		0x10		/* boot.rst: __BOOT_CS */
#define DATA		0x18
#define STACK_BYTES	4096		/* of each CPU */

	.section .setup, "a"
	.code16
	hlt
	jmp	.-1

	.org	0x1f1
	.byte	1			/* setup_sects, after the first one */
	.word	0			/* root_flags */
	.long	image_paragraphs	/* syssize: link.ld counted them */
	.word	0, 0, 0			/* ram_size, vid_mode, root_dev */
	.word	0xaa55			/* boot_flag */
	.byte	0xeb, header_end - 1f	/* jump; its length ends the header */
1:	.ascii	"HdrS"
	.word	0x020c			/* version 2.12: XLF_KERNEL_64 */
	.long	0			/* realmode_swtch */
	.word	0			/* start_sys_seg */
	.word	version - setup - 0x200	/* kernel_version */
	.byte	0, LOADED_HIGH		/* type_of_loader, loadflags */
	.word	0			/* setup_move_size */
	.long	0x100000		/* code32_start */
	.long	0, 0			/* ramdisk_image, ramdisk_size */
	.long	0			/* bootsect_kludge */
	.word	0			/* heap_end_ptr */
	.byte	0, 0			/* ext_loader_ver, ext_loader_type */
	.long	0			/* cmd_line_ptr: the loader's */
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x1000			/* kernel_alignment */
	.byte	0, 12			/* not relocatable; min_alignment */
	.word	XLF_KERNEL_64		/* xloadflags */
	.long	1023			/* cmdline_size */
	.long	0			/* hardware_subarch */
	.quad	0			/* hardware_subarch_data */
	.long	0, 0			/* payload_offset, payload_length */
	.quad	0			/* setup_data */
	.quad	0x100000		/* pref_address */
	.long	image_memory		/* init_size: with all that is zero */
	.long	0			/* handover_offset */
header_end:
	hlt
	jmp	.-1
version:
	.asciz	"tiny (launcher)"
	.set	setup, header_end - 0x268
	.org	0x400

	.section .head, "ax"
	.code64
	.org	0x200			/* boot.rst: the 64-bit entry point */
	.globl	entry
entry:
	cli
	cld
	mov	%rsi, %rbx
	mov	$stacks + STACK_BYTES, %rsp
	mov	$bss_start, %rdi
	mov	$bss_quads, %rcx
	xor	%eax, %eax
	rep stosq
	lgdt	gdt_pointer
	mov	%rbx, %rdi
	call	start			/* start.c; does not return */

/*
 * Another CPU's way to here: it starts in real mode, at the first byte of a
 * page below 1 MiB (SDM 3A, "MP Initialization").  cpu_start() copies this to
 * TRAMPOLINE first.  From real mode straight into long mode: paging and
 * protection are switched on by the same store to CR0.
 */
#define THERE(symbol)	(TRAMPOLINE + (symbol) - trampoline)
#include "trampoline.h"

	.globl	trampoline
	.code16
trampoline:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	THERE(gdt_pointer_low)
	mov	$1 << 5, %eax			/* PAE */
	mov	%eax, %cr4
	mov	TRAMPOLINE + TRAMPOLINE_CR3, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER */
	mov	$1 << 8, %eax			/* LME */
	xor	%edx, %edx
	wrmsr
	mov	$0x80000011, %eax		/* PG, ET, PE */
	mov	%eax, %cr0
	ljmpl	$CODE, $another_cpu
gdt_pointer_low:
	.word	gdt_end - gdt - 1
	.long	gdt
	.org	trampoline + TRAMPOLINE_BYTES

	.code64
another_cpu:
	mov	$DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	cpu_next(%rip), %eax		/* one CPU starts at a time */
	inc	%eax
	imul	$STACK_BYTES, %rax, %rax
	lea	stacks(%rax), %rsp
	call	cpu_main			/* apic.c; does not return */

/*
 * The 256 vectors: each pushes what the CPU has not, so that all frames look
 * alike, then its number.  struct frame in tiny.h is what is on the stack.
 */
	.globl	vectors
	.balign	16
vectors:
	.set	vector, 0
	.rept	256
	.balign	16
	/* SDM 3A, 6.15: those with an error code of the CPU's own */
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || \
	      vector == 17 || vector == 21)
	push	$0
	.endif
	push	$vector
	jmp	save
	.set	vector, vector + 1
	.endr

save:
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	mov	%rsp, %rdi
	cld
	call	trap				/* apic.c */
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp
	iretq

	.section .rodata
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff		/* CODE: 64 bits */
	.quad	0x00cf93000000ffff		/* DATA */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt

	.section .bss
	.balign	16
stacks:	.skip	STACK_BYTES * CPUS_MAX

	.section .note.GNU-stack, "", @progbits
