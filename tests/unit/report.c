/* SPDX-License-Identifier: MIT */
/*
 * The two ways to write a report, byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "machine/report.h"
#include "tests/unit/check.h"

static const char *const two[] = { "reads", "writes" };
static const struct report_columns pair = { .nr = 2, .name = two };
static const struct report_columns one = { .nr = 1 };
static const struct report_columns ratios = {
	.nr = 2, .name = two, .thousandths = true,
};

static char *text;
static size_t length;

/* What @fill writes into a report, without its first and last lines. */
static const char *written(void (*fill)(struct report *r), bool json)
{
	static const char *const head[] = {
		"statistics (exit) after 1.002 s\n",
		"{\"when\":\"exit\",\"time\":1700000000.004,\"seconds\":1.002",
	};
	static const char *const tail[] = { "stats end\n", "}\n" };
	FILE *out;
	struct report r;

	free(text);
	text = NULL;
	out = open_memstream(&text, &length);
	report_begin(&r, out, json, "exit", 1700000000004, 1002);
	fill(&r);
	report_end(&r);
	fclose(out);
	if (strncmp(text, head[json], strlen(head[json])) != 0 ||
	    length < strlen(tail[json]) ||
	    strcmp(text + length - strlen(tail[json]), tail[json]) != 0)
		return "(no head or no tail)";
	text[length - strlen(tail[json])] = '\0';
	return text + strlen(head[json]);
}

static void nothing(struct report *r)
{
	(void)r;
}

static void two_columns(struct report *r)
{
	report_section(r, "card", &pair, "registers of %s", "tap0");
	report_row(r, "Status", (uint64_t []){ 7, 12345678901 });
	report_row_if_any(r, "Config", (uint64_t []){ 0, 0 });
	report_row_if_any(r, "Version", (uint64_t []){ 0, 1 });
	report_close(r);
}

static void one_column(struct report *r)
{
	report_section(r, "vm", &one, "KVM");
	report_row(r, "pages_4k", (uint64_t []){ 3 });
	report_row_if_any(r, "pages_1g", (uint64_t []){ 0 });
	report_close(r);
	report_number(r, "broken", 4, "times");
}

static void long_title(struct report *r)
{
	report_section(r, "a", &pair, "a title of thirty bytes, as it is");
	report_row(r, "x", (uint64_t []){ 1, 2 });
	report_close(r);
}

static void none(struct report *r)
{
	report_none(r, "kvm", "KVM: not before %s", "5.14");
	report_section(r, "threads", &pair, "threads");
	report_row(r, "main", (uint64_t []){ REPORT_NONE, 1 });
	report_row_none(r, "vhost0", "out of sight");
	report_close(r);
}

static void thousandths(struct report *r)
{
	report_section(r, "per", &ratios, "per");
	report_row(r, "exits", (uint64_t []){ 2104, REPORT_NONE });
	report_row(r, "few", (uint64_t []){ 7, 0 });
	report_close(r);
}

static void nested(struct report *r)
{
	report_open(r, "card0");
	report_text(r, "name", "tap0");
	two_columns(r);
	report_close(r);
	report_open(r, "empty");
	report_close(r);
	report_text(r, "after", "x");
}

static void strange_name(struct report *r)
{
	report_text(r, "n\"", "a\"b\\c\n\x01 d/\x7f\xc3\xa9~");
}

static void test(const char *what, void (*fill)(struct report *r),
		 const char *table, const char *json)
{
	const char *got = written(fill, false);

	if (!CHECK(strcmp(got, table) == 0, "%s: table", what))
		printf("# got: %s\n", got);
	got = written(fill, true);
	if (!CHECK(strcmp(got, json) == 0, "%s: JSON", what))
		printf("# got: %s\n", got);
}

int main(void)
{
	test("nothing", nothing, "", "");
	test("two columns", two_columns,
"registers of tap0                    reads      writes\n"
"  Status                                 7 12345678901\n"
"  Version                                0           1\n",
",\"card\":{\"Status\":{\"reads\":7,\"writes\":12345678901},"
"\"Config\":{\"reads\":0,\"writes\":0},\"Version\":{\"reads\":0,\"writes\":1}}");
	test("one column", one_column,
"KVM\n"
"  pages_4k                               3\n"
"times: 4\n",
",\"vm\":{\"pages_4k\":3,\"pages_1g\":0},\"broken\":4");
	test("a long title", long_title,
"a title of thirty bytes, as it is\n"
"                                     reads      writes\n"
"  x                                      1           2\n",
",\"a\":{\"x\":{\"reads\":1,\"writes\":2}}");
	test("no numbers", none,
"KVM: not before 5.14\n"
"threads                              reads      writes\n"
"  main                                   -           1\n"
"  vhost0                        out of sight\n",
",\"kvm\":null,\"threads\":{\"main\":{\"reads\":null,\"writes\":1},"
"\"vhost0\":null}");
	test("thousandths", thousandths,
"per                                  reads      writes\n"
"  exits                              2.104           -\n"
"  few                                0.007       0.000\n",
",\"per\":{\"exits\":{\"reads\":2.104,\"writes\":null},"
"\"few\":{\"reads\":0.007,\"writes\":0.000}}");
	test("an object in an object", nested,
"registers of tap0                    reads      writes\n"
"  Status                                 7 12345678901\n"
"  Version                                0           1\n",
",\"card0\":{\"name\":\"tap0\",\"card\":{"
"\"Status\":{\"reads\":7,\"writes\":12345678901},"
"\"Config\":{\"reads\":0,\"writes\":0},\"Version\":{\"reads\":0,\"writes\":1}}},"
"\"empty\":{},\"after\":\"x\"");
	test("a name that JSON escapes", strange_name, "",
",\"n\\\"\":\"a\\\"b\\\\c\\u000a\\u0001 d/\\u007f\\u00c3\\u00a9~\"");
	free(text);
	return done();
}
