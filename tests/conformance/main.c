/* SPDX-License-Identifier: MIT */
/*
 * vhost-conformance - what /dev/vhost-net does, checked without a guest
 *
 * Options, and the report: KTAP version 1, a line for each scenario with what
 * it said before it, each line of that after a "# ".  A failure that known.c
 * explains is "ok ... # XFAIL" and the explanation.
 *
 * Exit status: 0 all passed, 1 some failed, 2 usage, 4 nothing can run here.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/runner.h"

/* In the order in which they run: each may rely on what is above it. */
static const struct scenario *const groups[] = {
	control, rings, hostile, lifecycle, dirty_log, iotlb, offloads,
	backends, workers, efficiency,
};

#define NR_GROUPS (sizeof(groups) / sizeof(groups[0]))
#define MANY	1000000000U

static const char usage[] =
"usage: vhost-conformance [OPTION]...\n"
"\n"
"  --list            the scenarios: identifier and title\n"
"  --run WHAT[,...]  only these: an identifier, as R4, or a group, as R\n"
"  --skip WHAT[,...] all but these\n"
"  --repeat N        each so often, until it fails\n"
"  --scale F         counts of the long ones, 0.01 for a hundredth; default 1\n"
"  --seed N          of what is random; default 1; each repetition adds 1\n"
"  --time-limit S    seconds for a scenario; longer ones get more in\n"
"                    proportion; default 30\n"
"\n"
"Needs root, /dev/vhost-net and /dev/net/tun; touches nothing but namespaces and\n"
"devices that it makes and, in group W, cgroups: conformance-PID, and the\n"
"controllers they need, which the root cgroup has meanwhile.\n";

/* Is @id in @list, or its group? */
static bool listed(const char *list, const char *id)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if ((n == 1 && list[0] == id[0]) ||
		    (n == strlen(id) && strncmp(list, id, n) == 0))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* Every word of @list must mean something: a typo would pass as success. */
static void check_list(const char *option, const char *list)
{
	for (const char *word = list; *word;) {
		size_t n = strcspn(word, ",");
		bool found = false;
		char one[16];

		snprintf(one, sizeof(one), "%.*s", (int)n, word);
		for (unsigned int g = 0; g < NR_GROUPS; g++)
			for (const struct scenario *s = groups[g]; s->run; s++)
				found |= listed(one, s->id);
		if (!found)
			errx(2, "--%s %s: no such scenario or group", option,
			     one);
		word += n + (word[n] == ',');
	}
}

static void show_log(const char *log)
{
	while (log && *log) {
		size_t n = strcspn(log, "\n");

		printf("# %.*s\n", (int)n, log);
		log += n + (log[n] == '\n');
	}
}

/* Run @s, up to @repeat times, each with a seed of its own; is it in order? */
static bool report(const struct scenario *s, unsigned int number,
		   unsigned int repeat)
{
	uint32_t seed = run_options.seed;
	struct outcome o;
	unsigned int n = 1;

	for (;; n++, run_options.seed++) {
		o = run_scenario(s);
		if (n == repeat || o.verdict != PASSED)
			break;
		free(o.log);
	}
	show_log(o.log);
	free(o.log);
	if (repeat > 1)
		printf("# time %u of %u, --seed %u\n", n, repeat,
		       run_options.seed);
	run_options.seed = seed;
	if (o.verdict == PASSED && known_to_fail(s->id))
		printf("# it was expected to fail with this kernel\n");
	printf("# %s: %.1f s\n", s->id, o.seconds);
	printf("%s %u %s %s", o.verdict == FAILED ? "not ok" : "ok", number,
	       s->id, s->title);
	if (o.verdict == SKIPPED)
		printf(" # SKIP %s", o.reason);
	if (o.verdict == KNOWN)
		printf(" # XFAIL %s", o.reason);
	printf("\n");
	fflush(stdout);
	return o.verdict != FAILED;
}

static unsigned int number(const char *option, const char *s,
			   unsigned int max)
{
	char *end;
	unsigned long n = strtoul(s, &end, 0);

	if (end == s || *end || n > max)
		errx(2, "--%s %s: not a number from 0 to %u", option, s, max);
	return n;
}

int main(int argc, char **argv)
{
	enum { LIST, RUN, SKIP, REPEAT, SCALE, SEED, TIME_LIMIT, HELP };
	static const struct option options[] = {
		{ "list",	no_argument,	   NULL, LIST },
		{ "run",	required_argument, NULL, RUN },
		{ "skip",	required_argument, NULL, SKIP },
		{ "repeat",	required_argument, NULL, REPEAT },
		{ "scale",	required_argument, NULL, SCALE },
		{ "seed",	required_argument, NULL, SEED },
		{ "time-limit", required_argument, NULL, TIME_LIMIT },
		{ "help",	no_argument,	   NULL, HELP },
		{ 0 }
	};
	const char *run = NULL, *skipped = "";
	unsigned int count = 0, done = 0, bad = 0, repeat = 1;
	bool list = false;
	char why[128], *end;
	const char *splat;
	int c, which;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		const char *name = c < 0 || c == '?' ? "" : options[which].name;

		switch (c) {
		case LIST:	list = true; break;
		case RUN:	run = optarg; break;
		case SKIP:	skipped = optarg; break;
		case REPEAT:	repeat = number(name, optarg, MANY); break;
		case SEED:	run_options.seed = number(name, optarg, MANY);
				break;
		case TIME_LIMIT: run_options.seconds = number(name, optarg, 3600);
				break;
		case SCALE:
			run_options.scale = strtod(optarg, &end);
			/* So put, it is false for what is no number, too. */
			if (end == optarg || *end ||
			    !(run_options.scale > 0 && run_options.scale <= 100))
				errx(2, "--scale %s: not a number up to 100",
				     optarg);
			break;
		case HELP:	fputs(usage, stdout); return 0;
		default:	fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc || !repeat || !run_options.seconds || (run && !*run)) {
		fputs(usage, stderr);
		return 2;
	}
	check_list("run", run ? run : "");
	check_list("skip", skipped);

#define WANTED(s) ((!run || listed(run, (s)->id)) && !listed(skipped, (s)->id))
	for (unsigned int g = 0; g < NR_GROUPS; g++)
		for (const struct scenario *s = groups[g]; s->run; s++) {
			if (!WANTED(s))
				continue;
			count++;
			if (list)
				printf("%-4s %s\n", s->id, s->title);
		}
	if (list)
		return 0;

	printf("KTAP version 1\n");
	if (!run_prepare(why, sizeof(why))) {
		printf("1..0 # SKIP %s\n", why);
		return 4;
	}
	printf("# Linux %s\n# --seed %u --scale %g --time-limit %u\n",
	       kernel_build(), run_options.seed, run_options.scale,
	       run_options.seconds);
	printf("1..%u\n", count);
	for (unsigned int g = 0; g < NR_GROUPS; g++)
		for (const struct scenario *s = groups[g]; s->run; s++)
			if (WANTED(s) && !report(s, ++done, repeat))
				bad++;
	printf("# %u of %u failed\n", bad, count);
	splat = kernel_log_splat();
	if (splat)	/* which no scenario is there to fail for */
		printf("Bail out! the kernel's log, after the last: %s\n", splat);
	return bad != 0 || splat;
}
