/* SPDX-License-Identifier: MIT */
/*
 * The transcript: how its lines look, and what values are called.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "machine/trace.h"
#include "machine/uapi.h"
#include "tests/unit/check.h"
#include "virtio/names.h"
#include "virtio/net.h"

#define TEXT		(&(struct text){ 0 })

static bool same(const char *got, const char *want)
{
	if (strcmp(got, want) == 0)
		return true;
	printf("# got:    %s\n# wanted: %s\n", got, want);
	return false;
}

/*
 * ---- text ----
 */

static void test_text(void)
{
	static const char *const name[] = { "ONE", NULL, "THREE" };
	struct text t = { 0 };

	CHECK(same(text_bits(TEXT, 0, name, 3), "0"), "no bits are 0");
	CHECK(same(text_bits(TEXT, 5, name, 3), "0x5 ONE THREE"),
	      "bits have names");
	CHECK(same(text_bits(TEXT, 1ULL << 63 | 10, name, 3),
		   "0x800000000000000a bit 1 bit 3 bit 63"),
	      "or numbers, inside the table and behind it");

	for (unsigned int i = 0; i < 300; i++)
		text_add(&t, "%s", "seven..");
	CHECK(t.len == sizeof(t.s) - 1 && strlen(t.s) == t.len,
	      "a text ends where it is full");
	text_add(&t, "more");
	CHECK(t.len == sizeof(t.s) - 1 && strlen(t.s) == t.len,
	      "and stays so");
}

/*
 * ---- names ----
 */

/* By the kernel's macros, where names.c has numbers. */
#define NET(name)	{ VIRTIO_NET_F_##name, #name }
#define RING(name)	{ VIRTIO_RING_F_##name, #name }
#define F(name)		{ VIRTIO_F_##name, #name }

static const struct { unsigned int bit; const char *name; } feature[] = {
	NET(CSUM), NET(GUEST_CSUM), NET(CTRL_GUEST_OFFLOADS), NET(MTU),
	NET(MAC), NET(GSO), NET(GUEST_TSO4), NET(GUEST_TSO6), NET(GUEST_ECN),
	NET(GUEST_UFO), NET(HOST_TSO4), NET(HOST_TSO6), NET(HOST_ECN),
	NET(HOST_UFO), NET(MRG_RXBUF), NET(STATUS), NET(CTRL_VQ), NET(CTRL_RX),
	NET(CTRL_VLAN), NET(CTRL_RX_EXTRA), NET(GUEST_ANNOUNCE), NET(MQ),
	NET(CTRL_MAC_ADDR), NET(GUEST_USO4), NET(GUEST_USO6), NET(HOST_USO),
	NET(HASH_REPORT), NET(RSS), NET(RSC_EXT), NET(STANDBY),
	NET(SPEED_DUPLEX), RING(INDIRECT_DESC), RING(EVENT_IDX),
	F(NOTIFY_ON_EMPTY), F(ANY_LAYOUT), F(VERSION_1), F(ACCESS_PLATFORM),
	F(RING_PACKED), F(IN_ORDER), F(ORDER_PLATFORM), F(SR_IOV),
	{ 26, "LOG_ALL" }, { 38, "NOTIFICATION_DATA" }, { 40, "RING_RESET" },
	{ 4, "bit 4" }, { 25, "bit 25" }, { 42, "bit 42" }, { 58, "bit 58" },
};

static void test_features(void)
{
	for (unsigned int i = 0; i < sizeof(feature) / sizeof(feature[0]);
	     i++) {
		const char *got = names_features(TEXT,
						 FEATURE(feature[i].bit));

		got = strchr(got, ' ') + 1;
		CHECK(same(got, feature[i].name), "feature %u is %s",
		      feature[i].bit, feature[i].name);
	}
	CHECK(same(names_features(TEXT, 0x130008001),
		   "0x130008001 CSUM MRG_RXBUF INDIRECT_DESC EVENT_IDX "
		   "VERSION_1"), "several, lowest first");
	CHECK(same(names_status(TEXT, 0xff), "0xff ACKNOWLEDGE DRIVER "
		   "DRIVER_OK FEATURES_OK bit 4 bit 5 NEEDS_RESET FAILED"),
	      "the bits of Status");
}

static const struct {
	uint32_t offset, val;
	const char *says;
} writes[] = {
	{ VIRTIO_MMIO_STATUS, 0, "Status = 0" },
	{ VIRTIO_MMIO_STATUS, 0xb,
	  "Status = 0xb ACKNOWLEDGE DRIVER FEATURES_OK" },
	{ VIRTIO_MMIO_STATUS, 0x101, "Status = 0x101 ACKNOWLEDGE bit 8" },
	{ VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1, "DeviceFeaturesSel = 1" },
	{ VIRTIO_MMIO_DRIVER_FEATURES, 9,
	  "DriverFeatures[1] = 0x900000000 VERSION_1 IN_ORDER" },
	{ VIRTIO_MMIO_QUEUE_SEL, ~0u, "QueueSel = 4294967295" },
	{ VIRTIO_MMIO_QUEUE_NUM, 256, "QueueSize[7] = 256" },
	{ VIRTIO_MMIO_QUEUE_READY, 1, "QueueReady[7] = 1" },
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000, "QueueDescLow[7] = 0x1000" },
	{ VIRTIO_MMIO_QUEUE_USED_HIGH, 1, "QueueDeviceHigh[7] = 0x1" },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, 1, "QueueNotify = 1" },
	{ VIRTIO_MMIO_INTERRUPT_ACK, 3,
	  "InterruptACK = 0x3 used buffer configuration" },
	{ VIRTIO_MMIO_MAGIC_VALUE, 0x10, "MagicValue = 0x10" },
	{ 0x54, 2, "register 0x54 = 0x2" },
	{ 0x104, 1, "Config+0x4 = 0x1" },
	{ 0x1fc, 1, "Config+0xfc = 0x1" },
};

static void test_writes(void)
{
	struct mmio m = { .driver_features_sel = 1, .queue_sel = 7 };

	for (unsigned int i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		CHECK(same(names_write(TEXT, &m, writes[i].offset,
				       writes[i].val), writes[i].says),
		      "a write: %s", writes[i].says);

	m.driver_features_sel = 0;
	CHECK(same(names_write(TEXT, &m, VIRTIO_MMIO_DRIVER_FEATURES, 9),
		   "DriverFeatures[0] = 0x9 CSUM MTU"), "the lower half");
	m.driver_features_sel = 64;
	CHECK(same(names_write(TEXT, &m, VIRTIO_MMIO_DRIVER_FEATURES, 9),
		   "DriverFeatures[64] = 0x9"), "a half that is not there");
}

/*
 * ---- lines ----
 */

static char file[] = "/tmp/trace.XXXXXX";
static char why[WHY_MAX];
static unsigned int evaluated;

/* What has been written, without the times, since the last call. */
static const char *written(void)
{
	static char got[4096];
	static off_t at;
	char raw[4096], *to = got;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, raw, sizeof(raw) - 1, at);
	char *save, *line;

	close(fd);
	raw[n < 0 ? 0 : n] = '\0';
	at += n < 0 ? 0 : n;
	*to = '\0';
	for (line = strtok_r(raw, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		unsigned int s, us;
		int skip = 0;

		if (sscanf(line, "%u.%6u %n", &s, &us, &skip) != 2 ||
		    line[skip - 8] != '.')
			return "a line without its time";
		to += sprintf(to, "%s\n", line + skip);
	}
	return got;
}

static int count(void)
{
	return ++evaluated;
}

static void show_two(struct text *t, unsigned long arg)
{
	text_add(t, "%d and %d", ((int *)arg)[0], ((int *)arg)[1]);
}

/* Linux's FIONREAD will do: it is in no table of ours. */
#define ASK	0x541b

static const struct trace_call table[] = {
	{ 1, "ONE", show_two, show_two },
	{ ASK, "ASK", NULL, show_two },
	{ 0 }
};

static void test_ioctl(void)
{
	int pipes[2], two[2] = { 1, 2 }, err;

	if (pipe(pipes) < 0)
		exit(1);
	if (write(pipes[1], "xyz", 3) != 3)
		exit(1);
	trace_on = TRACE_VHOST;
	CHECK(trace_ioctl(TRACE_VHOST, table, pipes[0], ASK,
			  (unsigned long)two) == 0 && two[0] == 3,
	      "an ioctl is done");
	dup2(pipes[0], 99);
	written();
	trace_ioctl(TRACE_VHOST, table, 99, ASK, (unsigned long)two);
	CHECK(same(written(), "vhost fd 99 ASK = 0: 3 and 2\n"),
	      "and said, with what came out");
	close(99);
	errno = 0;
	err = trace_ioctl(TRACE_VHOST, table, 99, 1, (unsigned long)two);
	CHECK(err == -1 && errno == EBADF, "one that fails has its errno");
	CHECK(same(written(), "vhost fd 99 ONE 3 and 2 = -1: "
		   "Bad file descriptor\n"), "and a line without an outcome");
	trace_ioctl(TRACE_VHOST, table, 99, 0x1234, 5);
	CHECK(same(written(), "vhost fd 99 ioctl 0x1234 0x5 = -1: "
		   "Bad file descriptor\n"), "one nobody knows has its number");
	trace_ioctl(TRACE_KVM, table, 99, 1, 0);
	trace_on = 0;
	trace_ioctl(TRACE_VHOST, table, 99, 1, 0);
	CHECK(same(written(), ""), "what is not selected says nothing");
	close(pipes[0]);
	close(pipes[1]);
}

static void test_lines(void)
{
	char *argv[] = { "./launcher", "-a", "two words\nand more", "", "k",
			 NULL };
	char longest[2000];
	int fd = mkstemp(file);

	close(fd);
	trace(TRACE_ALL, "%d", count());
	CHECK(evaluated == 0, "off, no argument is evaluated");

	CHECK(trace_start(TRACE_RUN | TRACE_CARD, file, argv, why) &&
	      trace_on == (TRACE_RUN | TRACE_CARD), "on");
	CHECK(strstr(written(),
		     ": ./launcher -a 'two words and more' '' k\n"),
	      "the first line is the command line");
	trace(TRACE_CARD, "%d", count());
	trace(TRACE_REGS, "%d", count());
	CHECK(same(written(), "card  1\n") && evaluated == 1,
	      "a line of a kind that is on, none of one that is off");

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	trace(TRACE_RUN, "%s", longest);
	trace(TRACE_RUN, "next");
	CHECK(strstr(written(), "xxx\nrun   next\n"),
	      "one that is too long is cut, and ends");
	test_ioctl();
	unlink(file);
}

static void test_trouble(void)
{
	char *argv[] = { "launcher", NULL };
	int err = dup(STDERR_FILENO);

	CHECK(!trace_start(TRACE_ALL, "/nowhere/x", argv, why) &&
	      same(why, "--trace: /nowhere/x: No such file or directory"),
	      "a file that cannot be is refused");
	trace_on = 0;

	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
	trace_start(TRACE_ALL, "/dev/full", argv, why);
	dup2(err, STDERR_FILENO);
	close(err);
	CHECK(trace_on == 0, "a full disk ends the transcript");
}

int main(void)
{
	test_text();
	test_features();
	test_writes();
	test_lines();
	test_trouble();
	return done();
}
