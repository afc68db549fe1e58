/* SPDX-License-Identifier: MIT */
/*
 * The command line: a row per line that is accepted, with what it must mean,
 * and a row per line that is refused, with what must be said.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/options.h"
#include "machine/trace.h"
#include "tests/unit/check.h"

#define M	(1ULL << 20)
#define G	(1ULL << 30)
#define WORDS	48

/* A command line.  getopt moves its words, so each is used once. */
#define LINE(...)	{ "launcher", __VA_ARGS__ }

static struct options opt;
static char why[WHY_MAX];

static enum options_result parse(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(&opt, 0x55, sizeof(opt));
	strcpy(why, "(nothing was said)");
	return options_parse(&opt, argc, argv, why);
}

/* The words, for the description of a check. */
static const char *text(char *const *argv)
{
	static char buf[1024];
	size_t n = 0;

	for (argv++; *argv && n < sizeof(buf) - 1; argv++)
		n += snprintf(buf + n, sizeof(buf) - n, "%s%.60s",
			      n ? " " : "", *argv);
	return buf;
}

/*
 * ---- accepted ----
 */

static bool defaults(const struct options *o)
{
	return strcmp(o->kernel, "k") == 0 && !o->initrd &&
	       strcmp(o->append, "") == 0 && o->memory == 256 * M &&
	       o->cpus == 1 && o->nr_taps == 0 && !o->stats && !o->probe &&
	       !o->stats_file && !o->stats_interval && !o->trap_registers &&
	       !o->trace;
}

static bool initrd(const struct options *o)
{
	return o->initrd && strcmp(o->initrd, "i.gz") == 0;
}

static bool append(const struct options *o)
{
	return strcmp(o->append, "a b=c") == 0;
}

static bool kernel(const struct options *o)
{
	return o->kernel && strcmp(o->kernel, "k") == 0;
}

static bool dashed(const struct options *o)
{
	return strcmp(o->kernel, "-k") == 0;
}

static bool m4k(const struct options *o)  { return o->memory == 4096; }
static bool m512k(const struct options *o) { return o->memory == 512 << 10; }
static bool m1m(const struct options *o)  { return o->memory == M; }
static bool m512m(const struct options *o) { return o->memory == 512 * M; }
static bool m5g(const struct options *o)  { return o->memory == 5 * G; }
static bool m4e(const struct options *o)  { return o->memory == 1ULL << 62; }
static bool cpus1(const struct options *o) { return o->cpus == 1; }
static bool cpus254(const struct options *o) { return o->cpus == 254; }
static bool stats(const struct options *o)
{
	return o->stats && !o->stats_file && !o->stats_interval;
}

static bool stats_to(const struct options *o)
{
	return o->stats && o->stats_file && !strcmp(o->stats_file, "s.json");
}

static bool stats_day(const struct options *o)
{
	return o->stats && !o->stats_file && o->stats_interval == 86400;
}

static bool stats_both(const struct options *o)
{
	return stats_to(o) && o->stats_interval == 1;
}

static bool trap(const struct options *o) { return o->trap_registers; }
static bool page(const struct options *o) { return !o->trap_registers; }
static bool relay(const struct options *o) { return o->relay_interrupts; }
static bool direct(const struct options *o) { return !o->relay_interrupts; }
static bool probe(const struct options *o) { return o->probe; }
static bool knobs(const struct options *o)
{
	return o->tap[0].sndbuf == 4096 && o->tap[0].busy == 50 &&
	       !o->tap[0].batch;
}
static bool batch(const struct options *o)
{
	return o->tap[0].batch && !o->tap[1].batch;
}
static bool without(const struct options *o)
{
	return o->tap[0].without == (1 << 15 | 1ULL << 29 | 1ULL << 35) &&
	       o->tap[0].sndbuf == 1;
}
static bool in_order(const struct options *o) { return !o->tap[0].without; }

static bool delay0(const struct options *o)
{
	return o->tap[0].tx_delay == 0;
}

static bool delay2000(const struct options *o)
{
	return o->tap[0].tx_delay == 2000;
}

static bool traced(const struct options *o, unsigned int what,
		   const char *file)
{
	return o->trace == what && strcmp(o->trace_file, file) == 0;
}

static bool trace_all(const struct options *o)
{
	return traced(o, TRACE_ALL, "");
}

static bool trace_each(const struct options *o)
{
	return traced(o, TRACE_RUN | TRACE_KVM | TRACE_TAP | TRACE_VHOST |
			 TRACE_REGS | TRACE_CARD, "");
}

static bool trace_two(const struct options *o)
{
	return traced(o, TRACE_VHOST | TRACE_REGS, "");
}

static bool trace_path(const struct options *o)
{
	return traced(o, TRACE_ALL, "/tmp/x");
}

static bool trace_dot(const struct options *o)
{
	return traced(o, TRACE_ALL, "x.log");
}

static bool trace_mixed(const struct options *o)
{
	return traced(o, TRACE_VHOST | TRACE_REGS, "./vhost");
}

/* One tap with nothing said of it. */
static bool plain_tap(const struct options *o)
{
	const struct tap_option *t = &o->tap[0];

	return o->nr_taps == 1 && strcmp(t->name, "tap0") == 0 &&
	       t->fd == -1 && !t->has_mac && t->mtu == 0 && t->ring == 256 &&
	       t->tx_delay == TX_DELAY && t->vhost == 0 && t->vhostfd == -1;
}

static bool longest_name(const struct options *o)
{
	return strcmp(o->tap[0].name, "abcdefghijklmno") == 0;
}

static bool fd3(const struct options *o)
{
	return o->nr_taps == 1 && o->tap[0].fd == 3 && !o->tap[0].name[0];
}

static bool fd0(const struct options *o) { return o->tap[0].fd == 0; }

static bool whole_tap(const struct options *o)
{
	static const uint8_t mac[6] = { 0x0a, 0xBC, 0xde, 0x0f, 0x12, 0xff };
	const struct tap_option *t = &o->tap[0];

	return o->nr_taps == 1 && strcmp(t->name, "tap0") == 0 &&
	       t->has_mac && memcmp(t->mac, mac, 6) == 0 && t->mtu == 9000 &&
	       t->ring == 1024 && t->vhost == 1 && t->vhostfd == 7;
}

static bool mtu68(const struct options *o) { return o->tap[0].mtu == 68; }
static bool mtu64k(const struct options *o) { return o->tap[0].mtu == 65535; }
static bool ring32(const struct options *o) { return o->tap[0].ring == 32; }

static bool vhost_on(const struct options *o)
{
	return o->nr_taps == 1 && o->tap[0].vhost == 1 &&
	       o->tap[0].vhostfd == -1;
}

static bool vhost_off(const struct options *o)
{
	return o->nr_taps == 1 && o->tap[0].vhost == 0 &&
	       o->tap[0].vhostfd == -1;
}

static bool vhost_fd4(const struct options *o)
{
	return o->nr_taps == 1 && o->tap[0].vhost == 1 &&
	       o->tap[0].vhostfd == 4;
}

static bool off_on_on(const struct options *o)
{
	return o->nr_taps == 3 && o->tap[0].vhost == 0 &&
	       o->tap[1].vhost == 1 && o->tap[2].vhost == 1 &&
	       strcmp(o->tap[0].name, "a") == 0 &&
	       strcmp(o->tap[1].name, "b") == 0 &&
	       strcmp(o->tap[2].name, "c") == 0;
}

static bool off_off_on(const struct options *o)
{
	return o->nr_taps == 3 && o->tap[0].vhost == 0 &&
	       o->tap[1].vhost == 0 && o->tap[2].vhost == 1;
}

static bool fds_of_both(const struct options *o)
{
	return o->nr_taps == 2 && o->tap[0].fd == 3 &&
	       o->tap[0].vhostfd == 4 && o->tap[1].fd == 5 &&
	       o->tap[1].vhostfd == 6 && o->tap[0].vhost && o->tap[1].vhost;
}

static struct {
	char *argv[WORDS];
	bool (*means)(const struct options *o);
} accepted[] = {
	{ LINE("k"),				defaults },
	{ LINE("--initrd", "i.gz", "k"),	initrd },
	{ LINE("--initrd=i.gz", "k"),		initrd },
	{ LINE("-i", "i.gz", "k"),		initrd },
	{ LINE("k", "-ii.gz"),			initrd },
	{ LINE("--append", "a b=c", "k"),	append },
	{ LINE("k", "-a", "a b=c"),		append },
	{ LINE("-a", "x", "k", "-a", "a b=c"),	append },
	{ LINE("-a", "x", "k", "-c", "2"),	kernel },
	{ LINE("-c", "2", "--", "k"),		kernel },
	{ LINE("--", "-k"),			dashed },
	{ LINE("--memory", "4096", "k"),	m4k },
	{ LINE("--memory", "4k", "k"),		m4k },
	{ LINE("-m", "512K", "k"),		m512k },
	{ LINE("-m", "1024k", "k"),		m1m },
	{ LINE("-m", "1m", "k"),		m1m },
	{ LINE("-m512M", "k"),			m512m },
	{ LINE("-m", "5G", "k"),		m5g },
	{ LINE("-m", "5g", "k"),		m5g },
	{ LINE("-m", "5120M", "k"),		m5g },
	{ LINE("-m", "4294967296G", "k"),	m4e },
	{ LINE("--cpus", "1", "k"),		cpus1 },
	{ LINE("-c", "254", "k"),		cpus254 },
	{ LINE("--stats", "k"),			stats },
	{ LINE("--stats=s.json", "k"),		stats_to },
	{ LINE("--stats-interval", "86400", "k"), stats_day },
	{ LINE("--stats-interval=1", "--stats=s.json", "k"), stats_both },
	{ LINE("--stats=s.json", "--stats-interval=1", "k"), stats_both },
	{ LINE("--registers", "trap", "k"),	trap },
	{ LINE("--registers", "page", "k"),	page },
	{ LINE("--registers", "trap", "--registers", "page", "k"), page },
	{ LINE("--irq", "relay", "k"),		relay },
	{ LINE("--irq", "direct", "k"),		direct },
	{ LINE("k"),				direct },
	{ LINE("--irq", "relay", "--irq", "direct", "k"), direct },
	{ LINE("-n", "t,tx-delay=2000", "k"),	delay2000 },
	{ LINE("-n", "t,tx-delay=0", "k"),	delay0 },
	{ LINE("-n", "t,features=-MRG_RXBUF,-csum,+Csum,-event_idx,sndbuf=1",
	       "k"),				without },
	{ LINE("-n", "t,features=+in_order", "k"), in_order },
	{ LINE("-n", "t,sndbuf=4096,vhost=on,busy=50", "k"), knobs },
	{ LINE("--vhost", "-n", "t,worker=batch", "-n", "u,worker=normal",
	       "k"), batch },
	{ LINE("--trace", "k"),			trace_all },
	{ LINE("--trace=run,kvm,tap,vhost,regs,card", "k"), trace_each },
	{ LINE("--trace=regs,vhost", "k"),	trace_two },
	{ LINE("--trace=vhost", "--trace=regs", "k"), trace_two },
	{ LINE("--trace=vhost,vhost,regs", "k"), trace_two },
	{ LINE("--trace=/tmp/x", "k"),		trace_path },
	{ LINE("--trace=x.log", "k"),		trace_dot },
	{ LINE("--trace=vhost,./vhost,regs", "k"), trace_mixed },
	{ LINE("--trace=./vhost", "--trace=vhost,regs", "k"), trace_mixed },
	{ LINE("--probe"),			probe },
	{ LINE("--probe", "k"),			probe },
	{ LINE("--probe", "--tap", "tap0", "--vhost"), probe },
	{ LINE("--tap", "tap0", "k"),		plain_tap },
	{ LINE("-n", "tap0", "k"),		plain_tap },
	{ LINE("-ntap0", "k"),			plain_tap },
	{ LINE("--tap", "abcdefghijklmno", "k"), longest_name },
	{ LINE("--tap", "fd=3", "k"),		fd3 },
	{ LINE("--tap", "fd=0", "k"),		fd0 },
	{ LINE("--tap", "tap0,mac=0a:BC:de:0F:12:ff,mtu=9000,ring=1024,"
	       "vhost=on,vhostfd=7", "k"),	whole_tap },
	{ LINE("--tap", "tap0,vhostfd=7,vhost=on,ring=1024,mtu=9000,"
	       "mac=0a:BC:de:0F:12:ff", "k"),	whole_tap },
	{ LINE("--tap", "tap0,mtu=68", "k"),	mtu68 },
	{ LINE("--tap", "tap0,mtu=65535", "k"),	mtu64k },
	{ LINE("--tap", "tap0,ring=32", "k"),	ring32 },

	/* Where --vhost stands does not matter; a card's own word counts. */
	{ LINE("--tap", "t", "--vhost", "k"),	vhost_on },
	{ LINE("--vhost", "--tap", "t", "k"),	vhost_on },
	{ LINE("--vhost", "--vhost", "-n", "t", "k"), vhost_on },
	{ LINE("--tap", "t,vhost=on", "k"),	vhost_on },
	{ LINE("--no-vhost", "--tap", "t,vhost=on", "k"), vhost_on },
	{ LINE("--tap", "t,vhost=on", "--no-vhost", "k"), vhost_on },
	{ LINE("--tap", "t", "--no-vhost", "k"), vhost_off },
	{ LINE("--no-vhost", "--tap", "t", "k"), vhost_off },
	{ LINE("--tap", "t,vhost=off", "--vhost", "k"), vhost_off },
	{ LINE("--vhost", "--tap", "t,vhost=off", "k"), vhost_off },
	{ LINE("--tap", "t,vhostfd=4", "k"),	vhost_fd4 },
	{ LINE("--tap", "t,vhostfd=4", "--no-vhost", "k"), vhost_fd4 },
	{ LINE("--tap", "t", "--vhostfd", "4", "k"), vhost_fd4 },
	{ LINE("--vhostfd", "4", "--tap", "t", "k"), vhost_fd4 },
	{ LINE("--vhostfd", "4", "--vhost", "--tap", "t,vhost=on", "k"),
	  vhost_fd4 },
	{ LINE("-n", "a,vhost=off", "-n", "b", "--vhost", "-n", "c", "k"),
	  off_on_on },
	{ LINE("-n", "a,vhost=off", "-n", "b", "-n", "c,vhost=on", "k"),
	  off_off_on },
	{ LINE("-n", "fd=3,vhostfd=4", "-n", "fd=5,vhostfd=6", "k"),
	  fds_of_both },
};

static void test_accepted(void)
{
	for (unsigned int i = 0; i < sizeof(accepted) / sizeof(accepted[0]);
	     i++) {
		char *line = strdup(text(accepted[i].argv));
		bool ok = parse(accepted[i].argv) == OPTIONS_RUN;

		if (CHECK(ok, "%s", line))
			CHECK(accepted[i].means(&opt), "and it means that");
		else
			printf("# %s\n", why);
		free(line);
	}
}

/*
 * ---- refused ----
 */

#define LONG64	"0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789abcdef"

static struct {
	char *argv[WORDS];
	const char *names;		/* what the sentence begins with */
	const char *says;
} refused[] = {
	{ LINE("--memory", "", "k"),	"--memory", "size is needed" },
	{ LINE("-m", "much", "k"),	"--memory much", "as in 512M" },
	{ LINE("-m", "-1", "k"),	"--memory -1", "size is needed" },
	{ LINE("-m", "-1M", "k"),	"--memory -1M", "size is needed" },
	{ LINE("-m", " -18446744073441116160", "k"), "--memory  -", "needed" },
	{ LINE("-m", " 1M", "k"),	"--memory  1M", "size is needed" },
	{ LINE("-m", "+1M", "k"),	"--memory +1M", "size is needed" },
	{ LINE("-m", "99999999999999999999", "k"), "--memory 9", "needed" },
	{ LINE("-m", "1T", "k"),	"--memory 1T", "K, M or G" },
	{ LINE("-m", "1MB", "k"),	"--memory 1MB", "K, M or G" },
	{ LINE("-m", "1M ", "k"),	"--memory 1M ", "K, M or G" },
	{ LINE("-m", "1 ", "k"),	"--memory 1 ", "K, M or G" },
	{ LINE("-m", "1.5G", "k"),	"--memory 1.5G", "K, M or G" },
	{ LINE("-m", "0x1000", "k"),	"--memory 0x1000", "K, M or G" },
	{ LINE("-m", "0", "k"),		"--memory 0", "not a size" },
	{ LINE("-m", "0G", "k"),	"--memory 0G", "not a size" },
	{ LINE("-m", "18446744073709551615", "k"), "--memory 1", "not a size" },
	{ LINE("-m", "18446744073709551615G", "k"), "--memory 1",
	  "not a size" },
	{ LINE("-m", "18014398509481985K", "k"), "--memory 18", "not a size" },
	{ LINE("-m", "17179869184G", "k"), "--memory 17", "not a size" },
	{ LINE("-m", "8589934592G", "k"), "--memory 85", "not a size" },
	{ LINE("-m", "1", "k"),		"--memory 1", "multiple of 4K" },
	{ LINE("-m", "1025K", "k"),	"--memory 1025K", "multiple of 4K" },

	{ LINE("--cpus", "0", "k"),	"--cpus 0", "1 to 254" },
	{ LINE("-c", "255", "k"),	"--cpus 255", "1 to 254" },
	{ LINE("-c", "-1", "k"),	"--cpus -1", "1 to 254" },
	{ LINE("-c", "", "k"),		"--cpus ", "1 to 254" },
	{ LINE("-c", " 2", "k"),	"--cpus  2", "1 to 254" },
	{ LINE("-c", "+2", "k"),	"--cpus +2", "1 to 254" },
	{ LINE("-c", "2x", "k"),	"--cpus 2x", "1 to 254" },
	{ LINE("-c", "9999999999999999999999", "k"), "--cpus 9", "1 to 254" },

	{ LINE("--registers", "", "k"),	"--registers ", "page or trap" },
	{ LINE("--registers", "none", "k"), "--registers none",
	  "page or trap" },

	{ LINE("--irq", "", "k"),	"--irq ", "direct or relay" },
	{ LINE("--irq", "msi", "k"),	"--irq msi", "direct or relay" },
	{ LINE("-n", "t,tx-delay=", "k"), "--tap", "tx-delay=: microseconds" },
	{ LINE("-n", "t,tx-delay=-1", "k"), "--tap", "microseconds" },
	{ LINE("-n", "t,tx-delay=100001", "k"), "--tap", "0 to 100000" },
	{ LINE("-n", "t,busy=100001,vhost=on", "k"), "--tap", "0 to 100000" },
	{ LINE("-n", "t,busy=1", "k"),	"--tap", "add vhost=on" },
	{ LINE("-n", "t,worker=batch", "k"), "--tap", "add vhost=on" },
	{ LINE("-n", "t,worker=fifo,vhost=on", "k"), "--tap",
	  "normal or batch" },
	{ LINE("-n", "t,features=", "k"), "--tap", "-NAME or +NAME" },
	{ LINE("-n", "t,features=csum", "k"), "--tap", "-NAME or +NAME" },
	{ LINE("-n", "t,features=-csum,-mq", "k"), "--tap", "no such feature" },
	{ LINE("-n", "t,features=-", "k"), "--tap", "no such feature" },
	{ LINE("-n", "t,features=-version_1", "k"), "--tap", "version 2" },
	{ LINE("-n", "t,sndbuf=0", "k"), "--tap", "sndbuf=0: bytes, 1 to" },
	{ LINE("--trace=", "k"),	"--trace", "\"\" is none of run" },
	{ LINE("--trace=vhots", "k"),	"--trace", "a file has a / or a ." },
	{ LINE("--trace=vhots", "k"),	"--trace", "as ./vhots" },
	{ LINE("--trace=vhost,", "k"),	"--trace", "\"\" is none of run" },
	{ LINE("--trace=vhost,rx", "k"), "--trace", "\"rx\" is none of run" },
	{ LINE("--trace=VHOST", "k"),	"--trace", "\"VHOST\" is none of" },
	{ LINE("--trace=a.x,b.x", "k"),	"--trace", "\"b.x\" is left over" },
	{ LINE("--trace=a.x", "--trace=a.x", "k"), "--trace", "one file is" },
	{ LINE("--trace=" LONG64 LONG64, "k"), "--trace", "is none of run" },
	{ LINE("--trace", "vhost", "k"), "one KERNEL", "--trace=" },
	{ LINE("--trace", "x.log", "k"), "one KERNEL", "--trace=" },
	{ LINE("--tap", "", "k"),	"--tap ", "tap's name" },
	{ LINE("--tap", ",mtu=68", "k"), "--tap ,mtu=68", "tap's name" },
	{ LINE("--tap", "abcdefghijklmnop", "k"), "--tap abc", "15 char" },
	{ LINE("--tap", "/dev/tap0", "k"), "--tap /dev/tap0", "tap's name" },
	{ LINE("--tap", "mtu=1500", "k"), "--tap mtu=1500", "tap's name" },
	{ LINE("--tap", "my tap", "k"),	"--tap my tap", "tap's name" },
	{ LINE("--tap", LONG64 LONG64 LONG64 LONG64, "k"), "--tap",
	  "256 characters" },
	{ LINE("--tap", "fd=", "k"),	"--tap fd=", "as in fd=3" },
	{ LINE("--tap", "fd=x", "k"),	"--tap fd=x", "as in fd=3" },
	{ LINE("--tap", "fd=-1", "k"),	"--tap fd=-1", "as in fd=3" },
	{ LINE("--tap", "fd=2147483648", "k"), "--tap fd=2", "as in fd=3" },
	{ LINE("--tap", "t,", "k"),	"--tap", "NAME=VALUE" },
	{ LINE("--tap", "t,vhost", "k"), "--tap", "\"vhost\" is not NAME=" },
	{ LINE("--tap", "t,speed=9", "k"), "--tap", "speed= is not known" },
	{ LINE("--tap", "t,=9", "k"),	"--tap", "= is not known" },

	{ LINE("-n", "t,mac=", "k"),		 "--tap", "six bytes" },
	{ LINE("-n", "t,mac=02:00:00:00:00", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=02:00:00:00:00:1", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=02:00:00:00:00:0g", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=02-00-00-00-00-01", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=02:00:00:00:00:011", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=2:00:00:00:00:001", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac= 2:00:00:00:00:01", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=-2:00:00:00:00:01", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=0x:00:00:00:00:01", "k"), "--tap", "six bytes" },
	{ LINE("-n", "t,mac=01:00:00:00:00:00", "k"), "--tap", "multicast" },
	{ LINE("-n", "t,mac=ff:ff:ff:ff:ff:ff", "k"), "--tap", "multicast" },
	{ LINE("-n", "t,mac=00:00:00:00:00:00", "k"), "--tap", "no address" },

	{ LINE("-n", "t,mtu=", "k"),	"--tap", "mtu=: 68 to 65535" },
	{ LINE("-n", "t,mtu=67", "k"),	"--tap", "mtu=67: 68 to 65535" },
	{ LINE("-n", "t,mtu=65536", "k"), "--tap", "mtu=65536: 68 to" },
	{ LINE("-n", "t,mtu=1k", "k"),	"--tap", "mtu=1k: 68 to 65535" },
	{ LINE("-n", "t,ring=0", "k"),	"--tap", "ring=0: a power of 2" },
	{ LINE("-n", "t,ring=16", "k"), "--tap", "ring=16: a power of 2" },
	{ LINE("-n", "t,ring=3", "k"),	"--tap", "ring=3: a power of 2" },
	{ LINE("-n", "t,ring=2048", "k"), "--tap", "from 32 to 1024" },
	{ LINE("-n", "t,ring=", "k"),	"--tap", "ring=: a power of 2" },
	{ LINE("-n", "t,vhost=", "k"),	"--tap", "on or off" },
	{ LINE("-n", "t,vhost=1", "k"),	"--tap", "vhost=1: on or off" },
	{ LINE("-n", "t,vhostfd=", "k"), "--tap", "open descriptor" },
	{ LINE("-n", "t,vhostfd=-1", "k"), "--tap", "open descriptor" },
	{ LINE("-n", "t,vhostfd=x", "k"), "--tap", "vhostfd=x" },
	{ LINE("-n", "t,vhost=off,vhostfd=3", "k"), "--tap t", "contradict" },
	{ LINE("-n", "t,vhostfd=3,vhost=off", "k"), "--tap t", "contradict" },

	{ LINE("--vhost", "--no-vhost", "k"), "--vhost", "contradict" },
	{ LINE("--no-vhost", "--vhost", "k"), "--vhost", "contradict" },
	{ LINE("--vhostfd", "x", "-n", "t", "k"), "--vhostfd x", "descriptor" },
	{ LINE("--vhostfd", "-1", "-n", "t", "k"), "--vhostfd -1",
	  "descriptor" },
	{ LINE("--vhostfd", "3", "--no-vhost", "-n", "t", "k"), "--vhostfd",
	  "leave out --no-vhost" },
	{ LINE("--no-vhost", "-n", "t", "--vhostfd", "3", "k"), "--vhostfd",
	  "leave out --no-vhost" },
	{ LINE("--vhostfd", "3", "k"),	"--vhostfd", "there are 0" },
	{ LINE("--vhostfd", "3", "-n", "t", "-n", "u", "k"), "--vhostfd",
	  "there are 2" },
	{ LINE("--vhostfd", "3", "-n", "t,vhostfd=4", "k"), "--vhostfd",
	  "twice" },
	{ LINE("--vhostfd", "3", "-n", "t,vhost=off", "k"), "--vhostfd",
	  "vhost=off contradict" },
	{ LINE("-n", "t,vhost=off", "--vhostfd", "3", "k"), "--vhostfd",
	  "vhost=off contradict" },

	{ LINE("-n", "t", "-n", "u", "-n", "t,ring=64", "k"), "--tap t",
	  "is given twice" },
	{ LINE("-n", "fd=3", "-n", "fd=3", "k"), "--tap", "3 is given twice" },
	{ LINE("-n", "fd=3,vhostfd=3", "k"), "--tap", "3 is given twice" },
	{ LINE("-n", "fd=0", "-n", "t,vhostfd=0", "k"), "--tap",
	  "0 is given twice" },
	{ LINE("-n", "t,vhostfd=5", "-n", "u,vhostfd=5", "k"), "--tap",
	  "5 is given twice" },
	{ LINE("-n", "fd=7", "--vhostfd", "7", "k"), "--tap",
	  "7 is given twice" },
	{ LINE("--probe", "-n", "fd=3,vhostfd=3"), "--tap", "given twice" },

	{ LINE("-m"),			"-m ", "needs a value" },
	{ LINE("k", "--memory"),	"--memory ", "needs a value" },
	{ LINE("k", "--cpus"),		"--cpus ", "needs a value" },
	{ LINE("k", "--initrd"),	"--initrd ", "needs a value" },
	{ LINE("k", "--append"),	"--append ", "needs a value" },
	{ LINE("k", "--tap"),		"--tap ", "needs a value" },
	{ LINE("k", "--vhostfd"),	"--vhostfd ", "needs a value" },
	{ LINE("k", "--registers"),	"--registers ", "needs a value" },
	{ LINE("--net", "t", "k"),	"--net ", "not an option" },
	{ LINE("k", "--net"),		"--net ", "not an option" },
	{ LINE("--vhost=on", "k"),	"--vhost=on ", "not an option" },
	{ LINE("-x", "k"),		"-x ", "not an option" },
	{ LINE("k", "-xh"),		"-x", "not an option" },

	{ LINE(NULL),			"which KERNEL", "make tiny" },
	{ LINE("--stats"),		"which KERNEL", "bzImage" },
	{ LINE("--stats=", "k"),	"--stats=", "a file's name" },
	{ LINE("--stats-interval", "0", "k"), "--stats-interval 0", "1 to 86400" },
	{ LINE("--stats-interval", "86401", "k"), "--stats-interval 86401",
						"1 to 86400" },
	{ LINE("--stats-interval", "0.5", "k"), "--stats-interval 0.5",
						"whole seconds" },
	{ LINE("--stats-interval", "-1", "k"), "--stats-interval -1",
						"whole seconds" },
	{ LINE("--stats-interval", "1s", "k"), "--stats-interval 1s",
						"whole seconds" },
	{ LINE("--stats-interval", "", "k"), "--stats-interval ",
						"whole seconds" },
	{ LINE("k", "--stats-interval"), "--stats-interval", "needs a value" },
	{ LINE("k", "quiet"),		"one KERNEL", "\"quiet\" is left" },
	{ LINE("k", "-c", "2", "quiet"), "one KERNEL", "go in --append" },
};

/* Refused as @names and @says want it, in one line that is not cut short? */
static void check_refusal(char **argv, const char *names, const char *says)
{
	char *line = strdup(text(argv));
	bool no = parse(argv) == OPTIONS_WRONG;

	if (!CHECK(no && strncmp(why, names, strlen(names)) == 0 &&
		   strstr(why, says), "refused: %s", line))
		printf("# %s\n", no ? why : "it was not");
	else
		CHECK(!strpbrk(why, "\n\r") && why[strlen(why) - 1] != '.' &&
		      strlen(why) < WHY_MAX - 1, "in one sentence");
	free(line);
}

static void test_refused(void)
{
	for (unsigned int i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		check_refusal(refused[i].argv, refused[i].names,
			      refused[i].says);
}

/* A card has a pin of the IOAPIC to itself, so there are only so many. */
static void test_many_taps(void)
{
	char word[19][32], *argv[2 * 19 + 3];
	bool right = true;

	for (unsigned int taps = 18; taps <= 19; taps++) {
		unsigned int n = 0;

		argv[n++] = "launcher";
		for (unsigned int i = 0; i < taps; i++) {
			snprintf(word[i], sizeof(word[i]), "tap%u,vhostfd=%u",
				 i, 10 + i);
			argv[n++] = "--tap";
			argv[n++] = word[i];
		}
		argv[n++] = "k";
		argv[n] = NULL;
		if (taps == 19) {
			check_refusal(argv, "--tap tap18", "one too many");
			break;
		}
		CHECK(parse(argv) == OPTIONS_RUN && opt.nr_taps == 18,
		      "18 cards");
		for (unsigned int i = 0; i < 18; i++)
			right &= opt.tap[i].vhostfd == 10 + (int)i &&
				 strcmp(opt.tap[i].name, strtok(word[i], ","))
				 == 0;
		CHECK(right, "each with its own name and descriptor");
	}
}

/*
 * ---- --help and --version ----
 */

static char printed[8192];

/* Parse with standard output in a file, and that read into printed[]. */
static enum options_result parse_aside(char **argv)
{
	enum options_result result;
	FILE *f = tmpfile();
	int out = dup(STDOUT_FILENO);
	ssize_t n;

	if (!f || out < 0)
		exit(1);
	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	result = parse(argv);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	n = pread(fileno(f), printed, sizeof(printed) - 1, 0);
	printed[n < 0 ? 0 : n] = '\0';
	close(out);
	fclose(f);
	return result;
}

static void test_printed(void)
{
	static const char *const options[] = {
		"-i, --initrd", "-a, --append", "-m, --memory", "-c, --cpus",
		"-n, --tap", "mac=", "mtu=", "ring=", "vhost=on|off",
		"vhostfd=", "--vhost ", "--no-vhost", "--vhostfd N",
		"--registers page|trap", "--irq direct|relay", "tx-delay=",
		"worker=normal|batch",
		"--stats[=FILE]", "--stats-interval SECONDS", "--probe",
		"-h, --help",
		"--registers page|trap", "--stats", "--probe", "--trace[", "-h, --help",
		"--version", "Exit status",
	};
	unsigned int column = 0, widest = 0;

	CHECK(parse_aside((char *[]) LINE("--help", NULL)) == OPTIONS_DONE,
	      "--help ends there");
	for (unsigned int i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		CHECK(strstr(printed, options[i]), "help has %s", options[i]);
	for (const char *p = printed; *p; p++) {
		column = *p == '\n' ? 0 : column + 1;
		widest = column > widest ? column : widest;
	}
	CHECK(widest < 80, "within 80 columns");

	CHECK(parse_aside((char *[]) LINE("-h", "-m", "x", NULL)) ==
	      OPTIONS_DONE && strstr(printed, "usage: launcher"),
	      "-h ends there, whatever follows");
	CHECK(parse_aside((char *[]) LINE("k", "--version", NULL)) ==
	      OPTIONS_DONE &&
	      strcmp(printed, "launcher " LAUNCHER_VERSION "\n") == 0,
	      "--version is one line");
}

int main(void)
{
	test_accepted();
	test_refused();
	test_many_taps();
	test_printed();
	return done();
}
