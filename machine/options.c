/* SPDX-License-Identifier: MIT */
/*
 * The options table and what each row does.  A mistake comes back as one
 * sentence that names the option and says what would be right.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/options.h"
#include "machine/trace.h"
#include "machine/uapi.h"
#include "virtio/names.h"
#include "virtio/net.h"

enum {	/* long options without a letter */
	OPT_VHOST = 256, OPT_NO_VHOST, OPT_VHOSTFD, OPT_REGISTERS, OPT_IRQ,
	OPT_STATS, OPT_STATS_INTERVAL, OPT_PROBE, OPT_TRACE, OPT_VERSION,
};

static const struct option longs[] = {
	{ "initrd",    required_argument, NULL, 'i' },
	{ "append",    required_argument, NULL, 'a' },
	{ "memory",    required_argument, NULL, 'm' },
	{ "cpus",      required_argument, NULL, 'c' },
	{ "tap",       required_argument, NULL, 'n' },
	{ "vhost",     no_argument,	  NULL, OPT_VHOST },
	{ "no-vhost",  no_argument,	  NULL, OPT_NO_VHOST },
	{ "vhostfd",   required_argument, NULL, OPT_VHOSTFD },
	{ "registers", required_argument, NULL, OPT_REGISTERS },
	{ "irq",       required_argument, NULL, OPT_IRQ },
	{ "stats",     optional_argument, NULL, OPT_STATS },
	{ "stats-interval", required_argument, NULL, OPT_STATS_INTERVAL },
	{ "probe",     no_argument,	  NULL, OPT_PROBE },
	{ "trace",     optional_argument, NULL, OPT_TRACE },
	{ "help",      no_argument,	  NULL, 'h' },
	{ "version",   no_argument,	  NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
"usage: launcher [options] KERNEL\n"
"Start a virtual machine whose network cards are driven by vhost_net, or here.\n"
"\n"
"The machine:\n"
"  -i, --initrd FILE     initial ramdisk\n"
"  -a, --append STRING   kernel command line, after \"console=ttyS0 pci=off\"\n"
"  -m, --memory SIZE     RAM, with K, M or G (256M)\n"
"  -c, --cpus N          vCPUs, 1 to 254 (1)\n"
"    launcher -m 1G -c 2 -i initrd.gz -a 'root=/dev/ram0 quiet' vmlinuz\n"
"\n"
"Network cards:\n"
"  -n, --tap NAME|fd=N[,mac=AA:BB:CC:DD:EE:FF][,mtu=N][,ring=N]\n"
"            [,vhost=on|off][,vhostfd=N]\n"
"            [,tx-delay=USEC][,busy=USEC][,worker=normal|batch]\n"
"            [,sndbuf=BYTES][,features=-NAME,+NAME...]\n"
"                        one card on this tap; may be repeated, 18 at most\n"
"      --vhost           rings go to /dev/vhost-net, for every card that does\n"
"                        not say vhost= itself\n"
"      --no-vhost        they stay in user space (as when nothing is said)\n"
"      --vhostfd N       an open /dev/vhost-net, for exactly one card; implies\n"
"                        --vhost\n"
"      --registers page|trap\n"
"                        registers are read from a page without an exit, or\n"
"                        every access goes to the launcher (page)\n"
"      --irq direct|relay\n"
"                        interrupts go from the backend into the guest, or by\n"
"                        way of the launcher, which keeps InterruptStatus as\n"
"                        the specification has it (direct)\n"
"    tx-delay: after a TX interrupt, none for so long (1000; 0: no limit)\n"
"    busy: vhost polls for so long before it sleeps (0)\n"
"    worker=batch: on a busy processor vhost waits for its turn (normal)\n"
"    sndbuf: so much may be under way in the tap (no limit)\n"
"    features: not to be offered, by name, as in features=-mrg_rxbuf,-csum;\n"
"        +in_order is only if asked for\n"
"    launcher --tap tap0,mtu=9000 --vhost vmlinuz\n"
"    launcher --tap fd=3 --vhostfd 4 vmlinuz 3<>/dev/tap7 4<>/dev/vhost-net\n"
"\n"
"Looking inside:\n"
"      --stats[=FILE]    what KVM, vhost, the tap and the scheduler counted, at\n"
"                        exit and on SIGUSR1: a table (stderr), or JSON, a line\n"
"                        each time, if FILE ends in .json\n"
"      --stats-interval SECONDS\n"
"                        and as often as this; implies --stats\n"
"      --probe           what this machine has and lacks for all this\n"
"      --trace[=[WHAT,...][FILE]]\n"
"                        a line per event, to FILE (standard error); FILE has\n"
"                        a / or a . in it.  WHAT is run, kvm, tap, vhost, regs\n"
"                        or card (all of them)\n"
"    launcher --tap tap0 --vhost --stats=s.json --stats-interval 10 vmlinuz\n"
"    launcher --probe\n"
"    launcher --trace=vhost,tap,./wiring.log --tap tap0 --vhost vmlinuz\n"
"\n"
"  -h, --help            this text\n"
"      --version         the version\n"
"\n"
"On the console: Ctrl-A x quits, Ctrl-A h lists what else there is.\n"
"Exit status: 0 powered off; 1 the host, 2 the command line; 3 the guest asked\n"
"for a reset; 4 it crashed; 128+N signal N.\n";

/* A whole decimal number within bounds; -1 if @s is anything else. */
static long number(const char *s, long least, long most)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || !isdigit((unsigned char)*s) || *end || n < least ||
	    n > most)
		return -1;
	return n;
}

static bool parse_memory(const char *s, uint64_t *bytes, char *why)
{
	static const char suffix[] = "KMG";
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || !isdigit((unsigned char)*s))
		return refuse(why, "--memory %s: a size is needed, as in 512M", s);
	if (*end) {
		const char *unit = strchr(suffix, toupper((unsigned char)*end));

		if (!unit || end[1])
			return refuse(why, "--memory %s: sizes end in K, M or G, "
				     "as in 512M", s);
		shift = 10 * (unit - suffix + 1);
	}
	if (n == 0 || n > UINT64_MAX >> shift >> 1)
		return refuse(why, "--memory %s: not a size a machine can have",
			     s);
	*bytes = n << shift;
	if (*bytes % 4096)
		return refuse(why, "--memory %s: must be a multiple of 4K", s);
	return true;
}

static bool parse_mac(const char *s, uint8_t mac[6], char *why)
{
	bool ok = strlen(s) == 17;

	/* sscanf() alone would take signs and spaces for digits. */
	for (unsigned int i = 0; ok && i < 17; i++)
		ok = i % 3 == 2 ? s[i] == ':' : isxdigit((unsigned char)s[i]);
	if (!ok || sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0],
			  &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
		return refuse(why, "--tap: mac=%s: six bytes are needed, as in "
			     "02:00:00:00:00:01", s);
	if (mac[0] & 1)
		return refuse(why, "--tap: mac=%s is a multicast address; clear "
			     "the lowest bit of its first byte", s);
	if (!(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]))
		return refuse(why, "--tap: mac=%s is no address, and Linux "
			      "would not use it", s);
	return true;
}

static bool parse_onoff(const char *s, int *on, char *why)
{
	*on = strcmp(s, "on") == 0;
	if (!*on && strcmp(s, "off") != 0)
		return refuse(why, "--tap: vhost=%s: on or off is needed", s);
	return true;
}

/* A word of --tap whose value is a number, and nothing more. */
struct number_word {
	const char *name;
	unsigned int *value;
	long least, most;
	const char *unit;
};

static bool parse_number(const struct number_word *w, const char *value,
			 char *why)
{
	long n = number(value, w->least, w->most);

	if (n < 0)
		return refuse(why, "--tap: %s=%s: %s%ld to %ld is needed",
			      w->name, value, w->unit, w->least, w->most);
	*w->value = n;
	return true;
}

/* -NAME or +NAME: do not offer this feature, or do, as if nothing was said. */
static bool parse_feature(struct tap_option *t, const char *word, char *why)
{
	int bit = *word ? names_feature_bit(word + 1) : -1;

	if (*word != '-' && *word != '+')
		return refuse(why, "--tap: features=%s: -NAME or +NAME is "
			      "needed, as in features=-mrg_rxbuf,-csum", word);
	if (bit < 0 || !(net_features() & FEATURE(bit)))
		return refuse(why, "--tap: features=%s: the card has no such "
			      "feature; --trace=card lists those it has", word);
	if (bit == VIRTIO_F_VERSION_1)
		return refuse(why, "--tap: features=%s: without it there is no "
			      "virtio-mmio version 2; leave it out", word);
	if (*word == '-')
		t->without |= FEATURE(bit);
	else
		t->without &= ~FEATURE(bit);
	return true;
}

/* One NAME=VALUE of a --tap. */
static bool parse_tap_word(struct tap_option *t, const char *name,
			  const char *value, char *why)
{
	const struct number_word words[] = {
		/* virtio 1.2, 5.1.4.1 */
		{ "mtu",      &t->mtu,	    68, 65535, "" },
		{ "tx-delay", &t->tx_delay, 0, TX_DELAY_MAX, "microseconds, " },
		{ "busy",     &t->busy,	    0, BUSY_MAX, "microseconds, " },
		{ "sndbuf",   &t->sndbuf,   1, INT32_MAX, "bytes, " },
	};

	if (strcmp(name, "mac") == 0) {
		t->has_mac = true;
		return parse_mac(value, t->mac, why);
	}
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(name, words[i].name) == 0)
			return parse_number(&words[i], value, why);
	if (strcmp(name, "ring") == 0) {
		long n = number(value, RING_MIN, RING_MAX);

		if (n < 0 || n & (n - 1))
			return refuse(why, "--tap: ring=%s: a power of 2 from "
				      "%d to %d is needed", value, RING_MIN,
				      RING_MAX);
		t->ring = n;
		return true;
	}
	if (strcmp(name, "features") == 0)
		return parse_feature(t, value, why);
	if (strcmp(name, "worker") == 0) {
		t->batch = strcmp(value, "batch") == 0;
		return t->batch || strcmp(value, "normal") == 0 ||
		       refuse(why, "--tap: worker=%s: normal or batch is "
			      "needed", value);
	}
	if (strcmp(name, "vhost") == 0)
		return parse_onoff(value, &t->vhost, why);
	if (strcmp(name, "vhostfd") == 0) {
		t->vhostfd = number(value, 0, INT32_MAX);
		if (t->vhostfd < 0)
			return refuse(why, "--tap: vhostfd=%s: the number of an "
				     "open descriptor is needed", value);
		return true;
	}
	return refuse(why, "--tap: %s= is not known; mac, mtu, ring, vhost, "
		     "vhostfd, tx-delay, busy, worker, sndbuf and features are",
		     name);
}

static bool parse_tap(struct options *opt, const char *arg, char *why)
{
	struct tap_option *t = &opt->tap[opt->nr_taps];
	char copy[256], *word, *rest = copy;

	if (opt->nr_taps == CARDS_MAX)
		return refuse(why, "--tap %s: one too many; the IOAPIC has pins "
			     "for %d cards", arg, CARDS_MAX);
	if (strlen(arg) >= sizeof(copy))
		return refuse(why, "--tap: %zu characters are too many",
			     strlen(arg));
	strcpy(copy, arg);
	*t = (struct tap_option) {
		.fd = -1, .vhost = -1, .vhostfd = -1, .ring = 256,
		.tx_delay = TX_DELAY,
		/* Not every vhost has it, and all cards are to be alike. */
		.without = FEATURE(VIRTIO_F_IN_ORDER),
	};

	word = strsep(&rest, ",");
	if (strncmp(word, "fd=", 3) == 0) {
		t->fd = number(word + 3, 0, INT32_MAX);
		if (t->fd < 0)
			return refuse(why, "--tap %s: the number of an open tap "
				     "descriptor is needed, as in fd=3", word);
	} else if (!*word || strlen(word) >= IFNAMSIZ || strpbrk(word, "/= ")) {
		return refuse(why, "--tap %s: the first word is a tap's name (up "
			     "to %d characters) or fd=N", arg, IFNAMSIZ - 1);
	} else {
		strcpy(t->name, word);
	}

	while ((word = strsep(&rest, ","))) {
		char *value = strchr(word, '=');

		if (*word == '-' || *word == '+') {	/* features= goes on */
			if (!parse_feature(t, word, why))
				return false;
			continue;
		}
		if (!value)
			return refuse(why, "--tap: \"%s\" is not NAME=VALUE", word);
		*value++ = '\0';
		if (!parse_tap_word(t, word, value, why))
			return false;
	}
	if (t->vhost == 0 && t->vhostfd >= 0)
		return refuse(why, "--tap %s: vhost=off and vhostfd= contradict "
			     "each other; leave one out", arg);
	opt->nr_taps++;
	return true;
}

/*
 * The words of a --trace.  A slip of the pen must not become a file of that
 * name, so a FILE has to look like one.  NULL: nothing was said.
 */
static bool parse_trace(struct options *opt, const char *arg, char *why)
{
	char copy[PATH_MAX], *word, *rest = copy;

	if (arg && strlen(arg) >= sizeof(copy))
		return refuse(why, "--trace: %zu characters are too many",
			     strlen(arg));
	strcpy(copy, arg ? arg : "");
	while (arg && (word = strsep(&rest, ","))) {
		unsigned int bit = trace_word(word);

		if (!bit && !strpbrk(word, "/."))
			return refuse(why, "--trace: \"%.64s\" is none of "
				      TRACE_WORDS "; a file has a / or a . in "
				      "its name, as ./%.64s", word, word);
		if (!bit && opt->trace_file[0])
			return refuse(why, "--trace: one file is enough; "
				      "\"%.64s\" is left over", word);
		if (!bit)
			strcpy(opt->trace_file, word);
		opt->trace |= bit;
	}
	return true;
}

/*
 * --vhost, --no-vhost and --vhostfd speak for the cards that do not say
 * themselves, wherever they stand on the line; so they are applied at the end.
 */
static bool apply_vhost(struct options *opt, int vhost, int vhostfd,
		       char *why)
{
	if (vhostfd >= 0) {
		if (vhost == 0)
			return refuse(why, "--vhostfd implies --vhost; leave out "
				     "--no-vhost");
		if (opt->nr_taps != 1)
			return refuse(why, "--vhostfd is for exactly one card, "
				     "and there are %u; say vhostfd=N in each "
				     "--tap", opt->nr_taps);
		if (opt->tap[0].vhostfd >= 0)
			return refuse(why, "--vhostfd and vhostfd= name the same "
				     "card's descriptor twice; leave one out");
		if (opt->tap[0].vhost == 0)
			return refuse(why, "--vhostfd and vhost=off contradict "
				     "each other; leave one out");
		opt->tap[0].vhostfd = vhostfd;
	}
	for (unsigned int i = 0; i < opt->nr_taps; i++) {
		struct tap_option *t = &opt->tap[i];

		if (t->vhostfd >= 0)
			t->vhost = 1;
		else if (t->vhost < 0)
			t->vhost = vhost == 1;
		if (t->busy && !t->vhost)
			return refuse(why, "--tap: busy=%u is for vhost; add "
				      "vhost=on", t->busy);
		if (t->batch && !t->vhost)
			return refuse(why, "--tap: worker=batch is for vhost; "
				      "add vhost=on");
	}
	return true;
}

/* Each tap and each descriptor is one card's. */
static bool check_twice(const struct options *opt, char *why)
{
	int seen[2 * CARDS_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < opt->nr_taps; i++)
		for (unsigned int j = 0; j < i; j++)
			if (opt->tap[i].name[0] &&
			    strcmp(opt->tap[i].name, opt->tap[j].name) == 0)
				return refuse(why, "--tap %s: is given twice; "
					      "each card needs a tap of its own",
					      opt->tap[i].name);
	for (unsigned int i = 0; i < opt->nr_taps; i++) {
		seen[n++] = opt->tap[i].fd;
		seen[n++] = opt->tap[i].vhostfd;
	}
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < i; j++)
			if (seen[i] >= 0 && seen[i] == seen[j])
				return refuse(why, "--tap: descriptor %d is given "
					     "twice; each has one use", seen[i]);
	return true;
}

/*
 * Fill @opt from the command line.  OPTIONS_WRONG leaves one sentence in @why,
 * without a newline.
 */
enum options_result options_parse(struct options *opt, int argc, char **argv,
				  char why[static WHY_MAX])
{
	int o, vhost = -1, vhostfd = -1;
	bool traced = false;
	long n;

	*opt = (struct options) {
		.append = "", .memory = 256ULL << 20, .cpus = 1,
	};
	optind = 0;			/* start anew: tests parse many lines */
	opterr = 0;
	while ((o = getopt_long(argc, argv, ":i:a:m:c:n:h", longs, NULL)) != -1)
		switch (o) {
		case 'i':
			opt->initrd = optarg;
			break;
		case 'a':
			opt->append = optarg;
			break;
		case 'm':
			if (!parse_memory(optarg, &opt->memory, why))
				return OPTIONS_WRONG;
			break;
		case 'c':
			n = number(optarg, 1, CPUS_MAX);
			if (n < 0) {
				refuse(why, "--cpus %s: 1 to %d is needed",
				      optarg, CPUS_MAX);
				return OPTIONS_WRONG;
			}
			opt->cpus = n;
			break;
		case 'n':
			if (!parse_tap(opt, optarg, why))
				return OPTIONS_WRONG;
			break;
		case OPT_VHOST:
		case OPT_NO_VHOST:
			if (vhost == (o == OPT_NO_VHOST)) {
				refuse(why, "--vhost and --no-vhost contradict "
				      "each other; leave one out");
				return OPTIONS_WRONG;
			}
			vhost = o == OPT_VHOST;
			break;
		case OPT_VHOSTFD:
			vhostfd = number(optarg, 0, INT32_MAX);
			if (vhostfd < 0) {
				refuse(why, "--vhostfd %s: the number of an open "
				      "descriptor is needed", optarg);
				return OPTIONS_WRONG;
			}
			break;
		case OPT_REGISTERS:
			opt->trap_registers = strcmp(optarg, "trap") == 0;
			if (!opt->trap_registers && strcmp(optarg, "page")) {
				refuse(why, "--registers %s: page or trap is "
				      "needed", optarg);
				return OPTIONS_WRONG;
			}
			break;
		case OPT_IRQ:
			opt->relay_interrupts = strcmp(optarg, "relay") == 0;
			if (!opt->relay_interrupts && strcmp(optarg, "direct")) {
				refuse(why, "--irq %s: direct or relay is needed",
				       optarg);
				return OPTIONS_WRONG;
			}
			break;
		case OPT_STATS:
			if (optarg && !*optarg) {
				refuse(why, "--stats=: a file's name is needed "
				      "after the =, or no =");
				return OPTIONS_WRONG;
			}
			opt->stats = true;
			opt->stats_file = optarg;
			break;
		case OPT_STATS_INTERVAL:
			n = number(optarg, 1, 86400);
			if (n < 0) {
				refuse(why, "--stats-interval %s: whole seconds, "
				      "1 to 86400, are needed", optarg);
				return OPTIONS_WRONG;
			}
			opt->stats = true;
			opt->stats_interval = n;
			break;
		case OPT_PROBE:
			opt->probe = true;
			break;
		case OPT_TRACE:
			if (!parse_trace(opt, optarg, why))
				return OPTIONS_WRONG;
			traced = true;
			break;
		case 'h':
			fputs(help, stdout);
			return OPTIONS_DONE;
		case OPT_VERSION:
			puts("launcher " LAUNCHER_VERSION);
			return OPTIONS_DONE;
		case ':':
			refuse(why, "%s needs a value; see --help",
			      argv[optind - 1]);
			return OPTIONS_WRONG;
		default:
			/* A letter may be one of several, as in -xh. */
			if (optopt && optopt != 'h' && optopt < 256)
				refuse(why, "-%c is not an option; see --help",
				       optopt);
			else
				refuse(why, "%s is not an option; see --help",
				       argv[optind - 1]);
			return OPTIONS_WRONG;
		}

	if (!apply_vhost(opt, vhost, vhostfd, why) ||
	    !check_twice(opt, why))
		return OPTIONS_WRONG;
	if (traced && !opt->trace)
		opt->trace = TRACE_ALL;
	if (opt->probe)
		return OPTIONS_RUN;
	if (optind == argc) {
		refuse(why, "which KERNEL? an x86-64 bzImage is needed, as in "
		      "/boot/vmlinuz-*, or guest-images/tiny/tiny.bzImage "
		      "from `make tiny`; see --help");
		return OPTIONS_WRONG;
	}
	if (optind + 1 < argc) {
		refuse(why, "one KERNEL is enough; \"%s\" is left over (%s)",
		      argv[optind + 1],
		      opt->trace ? "what and where to trace stand behind "
				   "--trace=, without a space" :
				   "words for the kernel go in --append");
		return OPTIONS_WRONG;
	}
	opt->kernel = argv[optind];
	return OPTIONS_RUN;
}
