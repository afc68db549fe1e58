/* SPDX-License-Identifier: MIT */
/*
 * Scenarios that go wrong, each in a way of its own: tests/conformance/self.t
 * sees that the bench says so, and goes on.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/conformance/rig.h"

/* A condition that does not hold, and a compiler that has no opinion on it. */
static bool no(void)
{
	return false;
}

static void hangs(void)
{
	struct rig r;

	rig_make(&r, FEATURE(VIRTIO_F_VERSION_1), 256);
	rig_start(&r);
	rig_offer_rx(&r, 100);
	ring_kick(&r.ring[RX]);
	for (;;)
		pause();
}

static void hangs_hard(void)
{
	signal(SIGABRT, SIG_IGN);
	for (;;)
		pause();
}

static void crashes(void)
{
	raise(SIGSEGV);
}

static void exits(void)
{
	exit(77);
}

static void fails_twice(void)
{
	EXPECT(no(), "the first");
	EXPECT(no(), "the second");
}

static void gives_up(void)
{
	REQUIRE(no(), "without this");
	EXPECT(no(), "not reached");
}

static void fails_in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		EXPECT(no(), "in the child");
		_exit(0);
	}
	usleep(200000);
}

static void lacks(void)
{
	skip("no %s", "such thing");
}

static void leaves_a_child(void)
{
	if (fork() == 0)
		for (;;)
			pause();
}

/* As the kernel would, only that this one says who it is. */
static void splats(void)
{
	static const char text[] = "<4>WARNING: a test of the bench\n";
	int fd = open("/dev/kmsg", O_WRONLY);

	REQUIRE(fd >= 0 && write(fd, text, strlen(text)) > 0, "/dev/kmsg");
}

static void shows_a_shift(void)
{
	uint8_t frame[200];

	frame_fill(frame, sizeof(frame), 5);
	memmove(frame + 12, frame + 14, sizeof(frame) - 14);
	frame_check(frame, sizeof(frame), 5);
}

/* Passes once, then not: the namespace is new each time, a file is not. */
static void fails_the_second_time(void)
{
	int fd = open("/run/conformance-self", O_CREAT | O_EXCL, 0600);

	EXPECT(fd >= 0, "the second time");
	if (fd < 0)
		unlink("/run/conformance-self");
}

static void passes(void)
{
	unsigned int r1 = rnd(), r2 = rnd();

	note("rnd %u %u, scaled %u %u", r1, r2, scaled(1000, 1),
	     scaled(1000, 900));
	EXPECT(r1 != r2, "rnd() says %u twice", r1);
}

const struct scenario control[] = {
	{ "C1", "hangs", hangs, 0 },
	{ "C2", "hangs hard", hangs_hard, 0 },
	{ "C3", "crashes", crashes, 0 },
	{ "C4", "exits", exits, 0 },
	{ "C5", "fails twice", fails_twice, 0 },
	{ "C6", "gives up", gives_up, 0 },
	{ "C7", "fails in a child", fails_in_child, 0 },
	{ "C8", "lacks something", lacks, 0 },
	{ "C9", "leaves a child", leaves_a_child, 0 },
	{ "C10", "splats", splats, 0 },
	{ "C11", "shows a shift", shows_a_shift, 0 },
	{ "C12", "fails the second time", fails_the_second_time, 0 },
	{ 0 }
};

const struct scenario rings[] = {
	{ "R1", "passes", passes, 0 },
	{ 0 }
};

const struct scenario hostile[1], lifecycle[1], dirty_log[1], iotlb[1],
	offloads[1], backends[1], workers[1], efficiency[1];
