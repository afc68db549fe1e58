/* SPDX-License-Identifier: MIT */
/*
 * Command lines of any words: one sentence says what is wrong, or else every
 * number is within the bounds that the rest of the program relies on.
 *
 * Input: the words, one per line.
 */
#include <unistd.h>

#include "machine/options.h"
#include "machine/trace.h"
#include "tests/fuzz/fuzz.h"
#include "virtio/net.h"

#define WORDS_MAX	64

static void check_tap(const struct tap_option *t)
{
	MUST((t->fd >= 0) == !t->name[0]);
	MUST(strnlen(t->name, IFNAMSIZ) < IFNAMSIZ && !strchr(t->name, '/'));
	MUST(!(t->mac[0] & 1));
	MUST(t->mtu == 0 || (t->mtu >= 68 && t->mtu <= 65535));
	MUST(t->ring >= RING_MIN && t->ring <= RING_MAX);
	MUST((t->ring & (t->ring - 1)) == 0);
	MUST(t->tx_delay <= TX_DELAY_MAX && t->busy <= BUSY_MAX);
	MUST(t->sndbuf <= INT32_MAX);
	MUST(!(t->without & ~net_features()));
	MUST(!(t->without & 1ULL << 32));	/* VERSION_1 */
	MUST(t->vhost == 0 || t->vhost == 1);
	MUST(t->vhost || (t->vhostfd < 0 && !t->busy));
}

static void check_cards(const struct options *opt)
{
	MUST(opt->nr_taps <= CARDS_MAX);
	for (unsigned int i = 0; i < opt->nr_taps; i++) {
		const struct tap_option *t = &opt->tap[i];

		check_tap(t);
		MUST(t->fd < 0 || t->fd != t->vhostfd);
		for (unsigned int j = 0; j < i; j++) {
			const struct tap_option *o = &opt->tap[j];

			MUST(!t->name[0] || strcmp(t->name, o->name) != 0);
			MUST(t->fd < 0 || t->fd != o->fd);
			MUST(t->vhostfd < 0 || t->vhostfd != o->vhostfd);
		}
	}
}

static void check_run(const struct options *opt)
{
	MUST(opt->probe || opt->kernel);
	MUST(opt->append);
	MUST(opt->memory && opt->memory % 4096 == 0);
	MUST(opt->memory <= 1ULL << 63);
	MUST(opt->cpus >= 1 && opt->cpus <= CPUS_MAX);
	MUST(!(opt->trace & ~TRACE_ALL));
	MUST(!opt->trace_file[0] || opt->trace);
	MUST(opt->stats || (!opt->stats_file && !opt->stats_interval));
	check_cards(opt);
}

/* --help and --version print, and nobody reads it here. */
static void quiet(void)
{
	static bool done;

	if (!done)
		MUST(freopen("/dev/null", "w", stdout));
	done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *argv[WORDS_MAX + 2] = { (char []){ "launcher" } };
	char *words = malloc(size + 1), *rest = words, why[WHY_MAX] = "";
	static struct options opt;
	int argc = 1;

	quiet();
	if (size)
		memcpy(words, bytes, size);
	words[size] = '\0';
	while (rest && argc <= WORDS_MAX)
		argv[argc++] = strsep(&rest, "\n");
	if (argc > 1 && !*argv[argc - 1])
		argc--;			/* behind the last line's end */
	argv[argc] = NULL;

	switch (options_parse(&opt, argc, argv, why)) {
	case OPTIONS_RUN:
		check_run(&opt);
		break;
	case OPTIONS_DONE:
		break;
	case OPTIONS_WRONG:
		MUST(*why && memchr(why, '\0', sizeof(why)));
		MUST(!strchr(why, '\n'));
		break;
	}
	free(words);
	return 0;
}
