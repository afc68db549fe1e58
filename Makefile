# SPDX-License-Identifier: MIT
#
#   make             ./launcher
#                    and guest-images/tiny/tiny.bzImage, a guest to try it on
#   make static      ./launcher-static, for an initramfs
#   make test        unit tests, under ASan and UBSan; no KVM, no root
#   make fuzz        libFuzzer, T=20 seconds for each target; needs clang
#   make prove-tests breaks the code on purpose, and sees the tests notice
#   make coverage    what the tests reach, a table per file
#   make conformance what a kernel's /dev/vhost-net does, without a guest:
#                    HOST=6.12 or so in an emulated host; -all: several kernels
#   make findings    programs that each show one thing real kernels do wrong
#   make mutants     breaks vhost_net on purpose, and sees the bench notice
#   make tsan-test   two vCPUs under traffic, with ThreadSanitizer
#   make lint        compilers' and checkers' warnings; all of it must be clean
#   make clean
#
# scripts/check runs all of these and more.

BUILD	 ?= build
# Small, since no packet passes here with vhost.  No unwind tables: nothing
# unwinds, and -g brings its own for gdb.
CFLAGS	 ?= -Os -g -fno-asynchronous-unwind-tables
WARN	 := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	    -Wvla -Wundef
override CPPFLAGS += -D_GNU_SOURCE -I. -MMD -MP
override CFLAGS	 += -std=gnu11 -pthread $(WARN)

PARTS	 := $(sort $(wildcard machine/*.c virtio/*.c vhost/*.c))
OBJS	 := $(patsubst %.c,$(BUILD)/%.o,launcher.c $(PARTS))

TINY	 := guest-images/tiny/tiny.bzImage

all: launcher $(TINY)

launcher: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

static: launcher-static
launcher-static: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^

# ---- guests of our own: no libc, no floating point, loaded at 1 MiB ----

GUEST_CFLAGS ?= -Os -g
GUEST	 := $(CC) -std=gnu11 $(GUEST_CFLAGS) $(WARN) -MMD -MP -m64 \
	    -ffreestanding -fno-pic -mcmodel=small -mno-red-zone \
	    -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	    -fno-asynchronous-unwind-tables -I guest-images/tiny
GUEST_LD := $(CC) -nostdlib -static -no-pie -Wl,--build-id=none \
	    -Wl,-T,guest-images/tiny/link.ld -Wl,-z,noexecstack
GUEST_PARTS := head.o start.o serial.o acpi.o apic.o virtio.o net.o
GUEST_PARTS := $(addprefix $(BUILD)/guest-images/tiny/,$(GUEST_PARTS))

$(BUILD)/guest-images/%.o: guest-images/%.c
	@mkdir -p $(@D)
	$(GUEST) -c -o $@ $<

$(BUILD)/guest-images/%.o: guest-images/%.S
	@mkdir -p $(@D)
	$(GUEST) -c -o $@ $<

$(BUILD)/guest-images/tiny/tiny.elf: $(GUEST_PARTS) \
		$(BUILD)/guest-images/tiny/main.o guest-images/tiny/link.ld
	$(GUEST_LD) -o $@ $(filter %.o,$^)

$(TINY): $(BUILD)/guest-images/tiny/tiny.elf
	objcopy -O binary $< $@

tiny: $(TINY)

GUEST_OBJS := $(GUEST_PARTS) $(BUILD)/guest-images/tiny/main.o \
	    $(patsubst %.c,$(BUILD)/%.o,$(wildcard guest-images/hostile/*.c))

# One image for each misdeed; tests/hostile/run.t starts them.
HOSTILE	 := $(filter-out %/steps.c,$(wildcard guest-images/hostile/*.c))
HOSTILE	 := $(patsubst %.c,$(BUILD)/%.bzImage,$(HOSTILE))
STEPS	 := $(BUILD)/guest-images/hostile/steps.o

$(BUILD)/guest-images/hostile/%.elf: $(BUILD)/guest-images/hostile/%.o \
		$(STEPS) $(GUEST_PARTS) guest-images/tiny/link.ld
	$(GUEST_LD) -o $@ $(filter %.o,$^)

$(BUILD)/guest-images/hostile/%.bzImage: $(BUILD)/guest-images/hostile/%.elf
	objcopy -O binary $< $@

hostile: $(HOSTILE) $(BUILD)/san/launcher

# The traffic of the demo and the tests, as built into the guest, for the host.
$(BUILD)/traffic: guest-images/linux/traffic.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -Wall -Wextra -static -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# ---- tests: every part built once more with the sanitizers on ----

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_OBJS := $(patsubst %.c,$(BUILD)/san/%.o,$(PARTS))
UNITS	 := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/*.c)))

$(BUILD)/san/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O1 $(SANITIZE) -c -o $@ $<

$(BUILD)/san/launcher: $(BUILD)/san/launcher.o $(SAN_OBJS)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^

$(BUILD)/tests/unit/%: tests/unit/%.c $(SAN_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O1 $(SANITIZE) -o $@ $< $(SAN_OBJS)

$(BUILD)/tests/integration/%: tests/integration/%.c $(SAN_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O1 $(SANITIZE) -o $@ $< $(SAN_OBJS)

# What scripts/check runs on a host with vhost_net, besides scripts.
integration: $(patsubst %.c,$(BUILD)/%,$(wildcard tests/integration/*.c))

test: $(UNITS)
	prove --comments $(UNITS)

# ---- fuzzers: clang's libFuzzer, for T seconds each ----

FUZZERS	 := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/fuzz/*.c)))
FUZZ_CC	 := clang -Wno-gnu-variable-sized-type-not-at-end $(SANITIZE)
FUZZ_OBJS := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(PARTS))
T	 ?= 20

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(CFLAGS) -O1 -fsanitize=fuzzer-no-link -c \
		-o $@ $<

$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJS)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) $(CFLAGS) -O1 -fsanitize=fuzzer -o $@ $< \
		$(FUZZ_OBJS)

fuzzers: $(FUZZERS)
fuzz:
	scripts/fuzz $(T)

# Break the code on purpose, and see the tests notice.
prove-tests:
	scripts/prove-tests

# ---- what the tests reach: another build of all of it, with counters ----

coverage-build:
	$(MAKE) BUILD=$(BUILD)/coverage \
		CFLAGS="-O0 -g --coverage -fprofile-update=atomic" \
		SANITIZE="-O0" coverage-parts
coverage-parts: $(BUILD)/launcher $(UNITS) integration
$(BUILD)/launcher: $(OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

coverage:
	scripts/coverage

# ---- the launcher under ThreadSanitizer ----
# GCC's does not know fences; what they order is shared with the guest alone.

TSAN_OBJS := $(patsubst %.c,$(BUILD)/tsan/%.o,launcher.c $(PARTS))

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O1 -fsanitize=thread -Wno-tsan -c -o $@ $<

tsan: $(BUILD)/tsan/launcher
$(BUILD)/tsan/launcher: $(TSAN_OBJS)
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=thread -o $@ $^

tsan-test:
	scripts/tsan-test

# ---- the conformance bench: static, to be run on any host ----

# What runs scenarios and what they stand on; and the scenarios.
BENCH	 := $(addprefix tests/conformance/,main.c suite.c known.c rig.c wire.c) \
	    $(addprefix machine/,memory.c refuse.c trace.c) \
	    vhost/vhost.c virtio/mmio.c virtio/names.c
SCENARIOS := $(filter-out $(BENCH),$(wildcard tests/conformance/*.c))

$(BUILD)/tests/conformance/vhost-conformance: \
		$(patsubst %.c,$(BUILD)/%.o,$(BENCH) $(SCENARIOS))
	$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^

# Scenarios that go wrong, for self.t.
$(BUILD)/tests/conformance/self/bench: \
		$(patsubst %.c,$(BUILD)/%.o,$(BENCH) \
		$(wildcard tests/conformance/self/*.c))
	$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^

vhost-conformance: $(BUILD)/tests/conformance/vhost-conformance \
		$(BUILD)/tests/conformance/self/bench

# What is wrong in real kernels, each by a program that stands alone, static, for
# root: scripts/emulated-host --kernel 6.1 -- build/tests/conformance/findings/F1
FINDINGS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/conformance/findings/*.c))

$(FINDINGS): %: %.o
	$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $<

findings: $(FINDINGS)

# HOST=6.1, 6.12, 7.2, or a bzImage and MODULES=DIR; ARGS="--run R4 --repeat 9"
conformance:
	scripts/conformance $(if $(HOST),--host $(HOST)) \
		$(if $(MODULES),--modules $(MODULES)) $(ARGS)

conformance-all:
	scripts/conformance --all $(ARGS)

# ARGS="NAME...", --groups, --all, --write: see scripts/mutants.
mutants:
	scripts/mutants $(ARGS)

# Everything compiled and nothing linked: scripts/lint does this with each
# compiler, in a BUILD of its own.
CHECKED	 := launcher.c $(PARTS) \
	    $(wildcard tests/unit/*.c tests/integration/*.c tests/fuzz/*.c \
	    tests/conformance/*.c tests/conformance/self/*.c \
	    tests/conformance/findings/*.c)
objects: $(patsubst %.c,$(BUILD)/%.o,$(CHECKED)) $(GUEST_OBJS)

lint:
	scripts/lint

clean:
	rm -rf $(BUILD) launcher launcher-static $(TINY)

.PHONY: all tiny hostile static objects integration test fuzzers fuzz \
	prove-tests coverage-build coverage-parts coverage tsan tsan-test lint \
	vhost-conformance findings conformance conformance-all mutants clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
