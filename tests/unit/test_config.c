/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration files: what is taken, and that whatever is not is refused in words that name file, line, value and what
 * was expected. Above all what inih would swallow in silence.
 * check-style: long because every rule of the format has its test.
 */
#include "base/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/config_bed.h"

static const char *const sections[] = { "peer", "device", NULL };
static const char *const examples[] = { "b", "web1" };
static const char *const ways[] = { "fast", "slow", "never", NULL };

static const struct config_key keys[] = {
	{ "main", "count", CONFIG_NUMBER, 2, 64, NULL, "4", "A count.", NULL },
	{ "main", "size", CONFIG_SIZE, 4096, 1048576, NULL, "64K", "A size.", NULL },
	{ "main", "wait", CONFIG_TIME, 1, 3600000, NULL, "4s", "A time.", NULL },
	{ "main", "rate", CONFIG_RATE, 0, 0, NULL, "none", "A rate.", NULL },
	{ "main", "mode", CONFIG_MODE, 0, 0, NULL, "0660", "A mode.", NULL },
	{ "main", "way", CONFIG_CHOICE, 0, 0, ways, "slow", "A way.", NULL },
	{ "main", "file", CONFIG_PATH, 0, 20, NULL, "/a", "A file.", NULL },
	{ "main", "group", CONFIG_NAME, 0, 0, NULL, "", "A group.", NULL },
	{ "main", "listen", CONFIG_ADDRESSES, 0, 0, NULL, "0.0.0.0:7447", "Addresses.", NULL },
	{ "peer", "address", CONFIG_ADDRESS, 0, 0, NULL, NULL, "An address.", "b.example:1" },
	{ "peer", "key", CONFIG_KEYS, 0, 0, NULL, "", "Keys.", NULL },
	{ "peer", "devices", CONFIG_NAMES, 0, 0, NULL, "", "Devices.", NULL },
	{ "device", "volume", CONFIG_PATH, 0, 0, NULL, NULL, "A volume.", "/dev/x" },
	{ "device", "length", CONFIG_LENGTH, 0, 0, NULL, "all", "A length.", NULL },
};

static const struct config_table table = {
	.main_section = "main",
	.named_sections = sections,
	.example_names = examples,
	.keys = keys,
	.key_count = sizeof(keys) / sizeof(keys[0]),
};

static struct config *config;
static char why[CONFIG_WHY_BYTES];

static int set_up(void **state)
{
	(void)state;
	config_bed_new();
	config = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_free(config);
	config_bed_free();
	return 0;
}

static int load_path(const char *path)
{
	config_free(config);
	config = NULL;
	strcpy(why, "untouched");
	return config_load(&table, path, &config, why);
}

static int load(const char *text)
{
	return load_path(config_bed_write("main.conf", text));
}

static void assert_good(const char *text)
{
	int rc = load(text);

	if (rc != 0)
		fail_msg("refused: %s", why);
	assert_string_equal(why, "");
}

/* expected: what follows the file's name. */
static void assert_refused(const char *text, const char *expected)
{
	char *whole = xasprintf("%s%s", config_bed_path("main.conf"), expected);

	assert_int_equal(load(text), -EINVAL);
	assert_string_equal(why, whole);
	assert_null(config);
	free(whole);
}

static void an_empty_file_has_all_defaults(void **state)
{
	static const char *const texts[] = { "", "\n", "# words\n", "[main]", "\xef\xbb\xbf[main]\n", "\xef\xbb\xbf" };

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_good(texts[i]);
		assert_int_equal(config_number(config, "main", NULL, "count"), 4);
		assert_int_equal(config_number(config, "main", NULL, "size"), 65536);
		assert_int_equal(config_number(config, "main", NULL, "wait"), 4000);
		assert_int_equal(config_number(config, "main", NULL, "rate"), 0);
		assert_int_equal(config_number(config, "main", NULL, "mode"), 0660);
		assert_int_equal(config_number(config, "main", NULL, "way"), 1);
		assert_string_equal(config_text(config, "main", NULL, "file"), "/a");
		assert_string_equal(config_text(config, "main", NULL, "group"), "");
		assert_string_equal(config_list(config, "main", NULL, "listen")[0], "0.0.0.0:7447");
		assert_null(config_list(config, "main", NULL, "listen")[1]);
		assert_false(config_is_set(config, "main", NULL, "count"));
		assert_null(config_section(config, "peer", 0));
	}
}

static void values_of_each_kind_are_taken(void **state)
{
	(void)state;
	assert_good("[main]\ncount = 64\nsize=1M\nwait = 15m\nrate = 100M\nmode = 600\nway = never\nfile = /b c\n"
		    "group = ra\nlisten = [::]:1, 127.0.0.1:65535\n[peer b]\naddress = [::1]:7447\n[device web1]\n"
		    "volume = /dev/x=y;z#\nlength = common\n[device web2]\nvolume = /v\nlength = 10G\n");
	assert_int_equal(config_number(config, "main", NULL, "count"), 64);
	assert_int_equal(config_number(config, "main", NULL, "size"), 1048576);
	assert_int_equal(config_number(config, "main", NULL, "wait"), 900000);
	assert_int_equal(config_number(config, "main", NULL, "rate"), 100 << 20);
	assert_int_equal(config_number(config, "main", NULL, "mode"), 0600);
	assert_int_equal(config_number(config, "main", NULL, "way"), 2);
	assert_string_equal(config_text(config, "main", NULL, "file"), "/b c");
	assert_string_equal(config_list(config, "main", NULL, "listen")[1], "127.0.0.1:65535");
	assert_string_equal(config_text(config, "peer", "b", "address"), "[::1]:7447");
	assert_string_equal(config_text(config, "device", "web1", "volume"), "/dev/x=y;z#");
	assert_true(config_number(config, "device", "web1", "length") == CONFIG_COMMON);
	assert_int_equal(config_number(config, "device", "web2", "length"), 10ull << 30);
	assert_true(config_is_set(config, "main", NULL, "count"));
}

static void sections_keep_their_order_and_their_place(void **state)
{
	char *line = xasprintf("%s:3", config_bed_path("main.conf"));

	(void)state;
	assert_good("[device z]\n\nvolume = /z\n[device a]\nvolume = /a\n");
	assert_string_equal(config_section(config, "device", 0), "z");
	assert_string_equal(config_section(config, "device", 1), "a");
	assert_null(config_section(config, "device", 2));
	assert_string_equal(config_where(config, "device", "z", "volume"), line);
	line[strlen(line) - 1] = '1';
	assert_string_equal(config_where(config, "device", "z", "length"), line);
	assert_string_equal(config_where(config, "device", "z", NULL), line);
	assert_string_equal(config_where(config, "main", NULL, "count"), config_bed_path("main.conf"));
	assert_string_equal(config_path(config), config_bed_path("main.conf"));
	assert_int_equal(config_refuse(config, "device", "z", "volume", why, "expected %d", 7), -EINVAL);
	assert_non_null(strstr(why, "main.conf:3: volume = /z: expected 7"));
	config_refuse(config, "device", "z", NULL, why, "no");
	assert_non_null(strstr(why, "main.conf:1: [device z]: no"));
	free(line);
}

static void blanks_and_line_ends_do_not_matter(void **state)
{
	(void)state;
	assert_good("  [ main ]  \r\n\tcount =\t7\r\n    size = 8K   \r\n ; words\r\n\t# words\r\n [device\tweb1] \n"
		    "\tvolume=/v");
	assert_int_equal(config_number(config, "main", NULL, "count"), 7);
	assert_int_equal(config_number(config, "main", NULL, "size"), 8192);
	assert_string_equal(config_text(config, "device", "web1", "volume"), "/v");
}

static void a_long_list_goes_on_in_indented_lines(void **state)
{
	char text[8192] = "[peer b]\naddress = b:1\ndevices = d0\n";
	char name[16];

	(void)state;
	for (unsigned i = 1; i < 256; i++)
		sprintf(text + strlen(text), "%s d%u%s", i % 2 ? "\t" : "", i, i % 2 ? ",\n" : "\n # words\n\n");
	strcat(text, "  key =\n");
	assert_good(text);
	for (unsigned i = 0; i < 256; i++) {
		sprintf(name, "d%u", i);
		assert_string_equal(config_list(config, "peer", "b", "devices")[i], name);
	}
	assert_null(config_list(config, "peer", "b", "devices")[256]);
	assert_good("[main]\nlisten = 0.0.0.0:1\n  [::]:1\n [::1]:2 [::2]:0\n [device web1]\n volume = /v\n");
	assert_string_equal(config_list(config, "main", NULL, "listen")[3], "[::2]:0");
	assert_string_equal(config_section(config, "device", 0), "web1");
}

/* inih alone would take these as more of the value above. */
static void other_values_do_not_go_on(void **state)
{
	(void)state;
	assert_refused("[main]\nfile = /a\n  /b\n", ":3: expected [SECTION] or KEY = VALUE");
	assert_refused("[main]\nlisten = 0.0.0.0:1\n[peer b]\n  c\n", ":4: expected [SECTION] or KEY = VALUE");
	assert_refused("[peer b]\ndevices = a\nb\n", ":3: expected [SECTION] or KEY = VALUE");
	assert_refused("[main]\nwords\ncolour = 3\n", ":2: expected [SECTION] or KEY = VALUE");
}

static void a_line_that_inih_would_cut_is_refused(void **state)
{
	char text[512] = "[device web1]\nvolume = /", name[128] = "";

	(void)state;
	memset(text + strlen(text), 'x', 189);
	assert_good(text); /* 199 bytes */
	assert_int_equal(strlen(config_text(config, "device", "web1", "volume")), 190);
	strcat(text, "x");
	assert_refused(text, ":2: the line is longer than 199 bytes");
	strcpy(text, "# ");
	memset(text + 2, 'x', 300);
	assert_good(text);

	memset(name, 'n', 63);
	sprintf(text, "[device %s]\nvolume = /v\n", name);
	assert_good(text);
	assert_string_equal(config_section(config, "device", 0), name);
	name[63] = 'n';
	sprintf(text, "[device %s]\nvolume = /v\n", name);
	assert_int_equal(load(text), -EINVAL);
	assert_non_null(strstr(why, ":1: [device nnn"));
}

static void a_comment_behind_a_value_is_refused(void **state)
{
	(void)state;
	assert_refused("[main]\nfile = /a ; words\n", ":2: file = /a ; words: a comment must stand on a line of its own");
	assert_refused("[main]\ncount = 4\t# words\n", ":2: count = 4\t# words: a comment must stand on a line of its own");
	assert_refused("[main] ; words\n", ":1: [main] ; words: a comment must stand on a line of its own");
}

static void unknown_sections_are_refused(void **state)
{
	(void)state;
	assert_refused("\n[colour]\n", ":2: [colour]: unknown section; expected [main], [peer NAME] or [device NAME]");
	assert_refused("[main x]\n", ":1: [main x]: unknown section; expected [main], [peer NAME] or [device NAME]");
	assert_refused("[]\n", ":1: []: unknown section; expected [main], [peer NAME] or [device NAME]");
	assert_refused("[peer]\n", ":1: [peer]: expected [peer NAME], NAME 1 to 63 of A-Z a-z 0-9 . _ -, beginning with "
		"none of . -");
	assert_refused("[peer \"b\"]\n", ":1: [peer \"b\"]: expected [peer NAME], NAME 1 to 63 of A-Z a-z 0-9 . _ -, "
		"beginning with none of . -");
	assert_refused("[peer a b]\n", ":1: [peer a b]: expected [peer NAME], NAME 1 to 63 of A-Z a-z 0-9 . _ -, "
		"beginning with none of . -");
	assert_refused("[peer -b]\n", ":1: [peer -b]: expected [peer NAME], NAME 1 to 63 of A-Z a-z 0-9 . _ -, "
		"beginning with none of . -");
	assert_refused("[main\n", ":1: [main: expected ']' at its end");
	assert_refused("[main]]\n", ":1: [main]]: nothing may stand behind ']'");
}

static void unknown_keys_are_refused(void **state)
{
	(void)state;
	assert_refused("count = 3\n", ":1: count: stands before the first section, [main] for example");
	assert_refused("[main]\nvolume = /v\n", ":2: volume: no key of [main]; it belongs in [device NAME]");
	assert_refused("[device x]\nvolume = /v\ncount = 3\n", ":3: count: no key of [device]; it belongs in [main]");
	assert_refused("[device x]\ncolour = 3\n", ":2: colour: unknown key; [device] has volume, length");
	assert_refused("[device x]\nVolume = /v\n", ":2: Volume: unknown key; [device] has volume, length");
	assert_refused("[device x]\n= 3\n", ":2: : unknown key; [device] has volume, length");
}

static void what_stands_twice_is_refused_with_both_places(void **state)
{
	char *twice = xasprintf(":3: count = 5: stands at %s:2 already", config_bed_path("main.conf"));
	char *section = xasprintf(":3: [device x]: stands at %s:1 already", config_bed_path("main.conf"));
	char *main_section = xasprintf(":2: [main]: stands at %s:1 already", config_bed_path("main.conf"));

	(void)state;
	assert_refused("[main]\ncount = 4\ncount = 5\n", twice);
	assert_refused("[device x]\nvolume = /v\n[device x]\n", section);
	assert_refused("[main]\n[main]\n", main_section);
	assert_good("[device x]\nvolume = /v\n[device X]\nvolume = /v\n[peer x]\naddress = x:1\n");
	free(twice);
	free(section);
	free(main_section);
}

static void a_key_that_must_be_given_is_missed(void **state)
{
	(void)state;
	assert_refused("[main]\n[device x]\nlength = all\n",
		":2: [device x]: needs volume, an absolute path of at most 4095 bytes");
	assert_refused("[peer x]", ":1: [peer x]: needs address, HOST:PORT or [IPV6]:PORT");
	assert_refused("[device x]\nvolume =\n", ":2: volume = : expected an absolute path of at most 4095 bytes");
}

static void bad_values_are_refused_with_what_was_expected(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "count = 1", "a number from 2 to 64" },
		{ "count = 65", "a number from 2 to 64" },
		{ "count = +4", "a number from 2 to 64" },
		{ "count = 4x", "a number from 2 to 64" },
		{ "count = 99999999999999999999", "a number from 2 to 64" },
		{ "count = ", "a number from 2 to 64" },
		{ "size = 2K", "a size from 4K to 1M" },
		{ "size = 64KB", "a size from 4K to 1M" },
		{ "size = -64K", "a size from 4K to 1M" },
		{ "size = 18014398509481984K", "a size from 4K to 1M" }, /* 2^64 */
		{ "wait = 4", "a time from 1ms to 3600s, such as 100ms, 4s or 15m" },
		{ "wait = 2h", "a time from 1ms to 3600s, such as 100ms, 4s or 15m" },
		{ "wait = 0s", "a time from 1ms to 3600s, such as 100ms, 4s or 15m" },
		{ "rate = fast", "bytes per second up to 1T, such as 100M, or none" },
		{ "rate = 2T", "bytes per second up to 1T, such as 100M, or none" },
		{ "mode = 0888", "octal permissions, such as 0660" },
		{ "mode = 1777", "octal permissions, such as 0660" },
		{ "mode = 00660", "octal permissions, such as 0660" },
		{ "way = Fast", "fast, slow or never" },
		{ "file = a", "an absolute path of at most 20 bytes" },
		{ "file = /23456789012345678901", "an absolute path of at most 20 bytes" },
		{ "group = a b", "a name, 1 to 63 of A-Z a-z 0-9 . _ -" },
		{ "listen = b.example:7447", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
		{ "listen = 0.0.0.0", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
		{ "listen = 0.0.0.0:65536", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
		{ "listen = :::7447", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
		{ "listen = []:7447", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
		{ "listen = ,", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
		{ "listen =", "numeric IPV4:PORT or [IPV6]:PORT, also several" },
	};
	char text[256], expected[512];

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "[main]\n%s\n", rows[i].text);
		snprintf(expected, sizeof(expected), ":2: %s%s: expected %s", rows[i].text,
			strcmp(rows[i].text, "listen =") == 0 ? " " : "", rows[i].expected);
		assert_refused(text, expected);
	}
	assert_refused("[peer b]\naddress = ::1:7447\n", ":2: address = ::1:7447: expected HOST:PORT or [IPV6]:PORT");
	assert_refused("[peer b]\naddress = b:0\n", ":2: address = b:0: expected HOST:PORT or [IPV6]:PORT");
	assert_refused("[peer b]\naddress = b\n", ":2: address = b: expected HOST:PORT or [IPV6]:PORT");
	assert_refused("[peer b]\naddress = :7\n", ":2: address = :7: expected HOST:PORT or [IPV6]:PORT");
	assert_refused("[peer b]\naddress = b:1\nkey = sha256:12\n",
		":3: key = sha256:12: expected \"sha256:\" and 64 lower-case hex digits, also several");
	assert_refused("[peer b]\naddress = b:1\ndevices = a b/c\n",
		":3: devices = a b/c: expected names, each 1 to 63 of A-Z a-z 0-9 . _ -");
	assert_refused("[device b]\nvolume = /v\nlength = 0\n",
		":3: length = 0: expected a size in bytes, such as 10G, or all or common");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	static const char nul[] = "[main]\ncount = 4\0000\n";
	static const char *const no_utf8[] = { "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82", "\xf4\x90\x80\x80", "\x80" };
	char text[64];

	(void)state;
	config_bed_write_bytes("main.conf", nul, sizeof(nul) - 1);
	assert_int_equal(load_path(config_bed_path("main.conf")), -EINVAL);
	assert_non_null(strstr(why, "main.conf:2: control character 0x00"));
	for (unsigned i = 0; i < sizeof(no_utf8) / sizeof(no_utf8[0]); i++) {
		sprintf(text, "[main]\n\n# %s\n", no_utf8[i]);
		assert_int_equal(load(text), -EINVAL);
		assert_non_null(strstr(why, "main.conf:3: byte 0x"));
		assert_non_null(strstr(why, " is no UTF-8"));
	}
	assert_refused("[main]\nfile = /\x1b[1m\n", ":2: control character 0x1b");
	assert_refused("[main]\rcount = 3\r", ":1: control character 0x0d");
	assert_good("# \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\n[main]\nfile = /\xc3\xa4\n");
}

static void what_is_no_readable_file_is_refused(void **state)
{
	char *big;

	(void)state;
	assert_int_equal(load_path(config_bed_path("none.conf")), -ENOENT);
	assert_non_null(strstr(why, "none.conf: No such file or directory"));
	assert_int_equal(load_path(config_bed_path("")), -EINVAL);
	assert_non_null(strstr(why, ": is a directory, expected a file"));
	assert_int_equal(mkfifo(config_bed_path("fifo"), 0600), 0);
	assert_int_equal(load_path(config_bed_path("fifo")), -EINVAL);
	assert_non_null(strstr(why, "fifo: is no regular file"));
	big = xcalloc((1u << 20) + 1, 1);
	config_bed_write_bytes("big.conf", big, (1u << 20) + 1);
	free(big);
	assert_int_equal(load_path(config_bed_path("big.conf")), -EINVAL);
	assert_non_null(strstr(why, "big.conf: has 1048577 bytes, at most 1048576 are read"));
	assert_int_equal(symlink("/nowhere/at/all", config_bed_path("link.conf")), 0);
	assert_int_equal(load_path(config_bed_path("link.conf")), -ENOENT);
}

static void the_files_of_conf_d_are_read_in_the_order_of_their_names(void **state)
{
	(void)state;
	config_bed_write("conf.d/20-b.conf", "[device b]\nvolume = /b\n");
	config_bed_write("conf.d/10-c.conf", "[device c]\nvolume = /c\n");
	config_bed_write("conf.d/B.conf", "[device d]\nvolume = /d\n");
	config_bed_write("conf.d/.hidden.conf", "nonsense\n");
	config_bed_write("conf.d/old.conf~", "nonsense\n");
	config_bed_write("conf.d/.conf", "nonsense\n");
	assert_good("[device a]\nvolume = /a\n");
	assert_string_equal(config_section(config, "device", 0), "a");
	assert_string_equal(config_section(config, "device", 1), "c");
	assert_string_equal(config_section(config, "device", 2), "b");
	assert_string_equal(config_section(config, "device", 3), "d");
	assert_non_null(strstr(config_where(config, "device", "c", "volume"), "/conf.d/10-c.conf:2"));
}

static void a_fault_in_conf_d_names_its_file(void **state)
{
	(void)state;
	config_bed_write("conf.d/a.conf", "[device a]\nvolume = /a\n[main]\ncount = 99\n");
	assert_int_equal(load("# words\n"), -EINVAL);
	assert_non_null(strstr(why, "/conf.d/a.conf:4: count = 99: expected a number from 2 to 64"));
	config_bed_write("conf.d/a.conf", "[device a]\nvolume = /a\n");
	assert_int_equal(load("\n[device a]\nvolume = /b\n"), -EINVAL);
	assert_non_null(strstr(why, "/conf.d/a.conf:1: [device a]: stands at "));
	assert_non_null(strstr(why, "main.conf:2 already"));
	assert_int_equal(mkdir(config_bed_path("conf.d/b.conf"), 0700), 0);
	assert_int_equal(load(""), -EINVAL);
	assert_non_null(strstr(why, "/conf.d/b.conf: is a directory"));
}

static void conf_d_must_be_a_folder(void **state)
{
	(void)state;
	config_bed_write("conf.d", "");
	assert_int_equal(load(""), -ENOTDIR);
	assert_non_null(strstr(why, "/conf.d: Not a directory"));
}

static void too_many_sections_are_refused(void **state)
{
	char *text = xcalloc(1, 65536), *end = text;

	(void)state;
	for (unsigned i = 0; i < 1025; i++)
		end += sprintf(end, "[device d%u]\nvolume = /v\n", i);
	assert_refused(text, ":2049: more than 1024 sections");
	free(text);
}

/* What config_dump says, or config_sample when there is no configuration; the caller's. */
static char *printed(const struct config *shown)
{
	const char *path = config_bed_path("printed");
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	if (shown != NULL)
		config_dump(shown, out);
	else
		config_sample(&table, out);
	assert_int_equal(fclose(out), 0);
	return config_bed_read(path);
}

static void values_are_compared_not_their_words(void **state)
{
	static const struct {
		const char *one, *other, *key;
		bool is_same;
	} pairs[] = {
		{ "size = 64K", "size = 65536", "size", true },
		{ "", "size = 64K", "size", true }, /* its default */
		{ "size = 32K", "", "size", false },
		{ "way = fast", "way = slow", "way", false },
		{ "file = /a", "", "file", true },
		{ "file = /b", "file = /a", "file", false },
		{ "group = x", "", "group", false },
		{ "listen = 1.2.3.4:5, 6.7.8.9:5", "listen = 1.2.3.4:5\n\t6.7.8.9:5", "listen", true },
		{ "listen = 1.2.3.4:5 6.7.8.9:5", "listen = 1.2.3.4:5", "listen", false },
		{ "listen = 1.2.3.4:5", "listen = 1.2.3.4:5 6.7.8.9:5", "listen", false },
		{ "listen = 1.2.3.4:5 6.7.8.9:5", "listen = 6.7.8.9:5 1.2.3.4:5", "listen", false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char *one = xasprintf("[main]\n%s\n", pairs[i].one), *other = xasprintf("[main]\n%s\n", pairs[i].other);
		struct config *before;

		assert_good(one);
		before = config;
		config = NULL;
		assert_good(other);
		if (config_is_same(before, config, "main", NULL, pairs[i].key) != pairs[i].is_same)
			fail_msg("%s and %s", pairs[i].one, pairs[i].other);
		config_free(before);
		free(one);
		free(other);
	}
}

static void a_dump_has_every_value_and_can_be_loaded(void **state)
{
	char *first, *second;
	const char *main_section;

	(void)state;
	assert_good("[main]\ncount = 9\nlisten = [::]:1, 0.0.0.0:1\n[peer b]\naddress = b:1\n[device web1]\nvolume = /v\n");
	first = printed(config);
	assert_non_null(strstr(first, "\ncount = 9\n"));
	assert_non_null(strstr(first, "\n#size = 64K\n"));
	assert_non_null(strstr(first, "\n#group =\n"));
	assert_non_null(strstr(first, "\nlisten = [::]:1\n\t0.0.0.0:1\n"));
	assert_non_null(strstr(first, "main.conf:6\n[device web1]\nvolume = /v\n#length = all\n"));
	assert_good(first);
	assert_int_equal(config_number(config, "main", NULL, "count"), 9);
	assert_string_equal(config_list(config, "main", NULL, "listen")[1], "0.0.0.0:1");
	second = printed(config);
	/* Only the lines that say where differ: the dump has more lines than its source. */
	main_section = strstr(first, "[main]");
	assert_memory_equal(strstr(second, "[main]"), main_section, (size_t)(strstr(main_section, "\n\n") - main_section));
	assert_string_equal(strstr(second, "\n[device"), strstr(first, "\n[device"));
	free(first);
	free(second);
}

static void another_default_is_in_force_and_shown_as_one(void **state)
{
	char *shown;

	(void)state;
	assert_good("[main]\ncount = 9\n");
	config_set_default(config, "main", NULL, "size", "32K");
	assert_int_equal(config_number(config, "main", NULL, "size"), 32 << 10);
	assert_false(config_is_set(config, "main", NULL, "size"));
	shown = printed(config);
	assert_non_null(strstr(shown, "\n#size = 32K\n"));
	free(shown);
}

static void a_sample_has_every_key_and_loads_without_its_hashes(void **state)
{
	char *text = printed(NULL), *bare;

	(void)state;
	assert_good(text);
	assert_null(config_section(config, "device", 0));
	assert_non_null(strstr(text, "[main]\n\n# A count.\n# Takes: a number from 2 to 64.\n#count = 4\n"));
	assert_non_null(strstr(text, "#[device web1]\n\n# A volume.\n# Must be given: an absolute path"));
	bare = config_bed_uncomment(text);
	assert_good(bare);
	assert_string_equal(config_text(config, "device", "web1", "volume"), "/dev/x");
	assert_true(config_is_set(config, "main", NULL, "count"));
	free(bare);
	free(text);
}

static void the_parsers_for_command_lines_take_units(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_true(config_parse_size("0", &value) && value == 0);
	assert_true(config_parse_size("3t", &value) && value == 3ull << 40);
	assert_true(config_parse_size("16777215T", &value) && value == 16777215ull << 40);
	assert_false(config_parse_size("16777216T", &value) || config_parse_size("", &value) ||
		config_parse_size("K", &value) || config_parse_size("1P", &value) || config_parse_size(" 1", &value));
	assert_true(config_parse_rate("none", &value) && value == 0);
	assert_true(config_parse_rate("1T", &value) && value == 1ull << 40);
	assert_true(config_parse_time("100ms", &value) && value == 100);
	assert_true(config_parse_time("1h", &value) && value == 3600000);
	assert_true(config_parse_time("15m", &value) && value == 900000);
	value = 7;
	assert_false(config_parse_time("1", &value) || config_parse_time("1 s", &value) ||
		config_parse_time("s", &value) || config_parse_time("18446744073709551615h", &value) ||
		config_parse_rate("1025G", &value));
	assert_int_equal(value, 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_file_has_all_defaults),
		TEST(values_of_each_kind_are_taken),
		TEST(sections_keep_their_order_and_their_place),
		TEST(blanks_and_line_ends_do_not_matter),
		TEST(a_long_list_goes_on_in_indented_lines),
		TEST(other_values_do_not_go_on),
		TEST(a_line_that_inih_would_cut_is_refused),
		TEST(a_comment_behind_a_value_is_refused),
		TEST(unknown_sections_are_refused),
		TEST(unknown_keys_are_refused),
		TEST(what_stands_twice_is_refused_with_both_places),
		TEST(a_key_that_must_be_given_is_missed),
		TEST(bad_values_are_refused_with_what_was_expected),
		TEST(bytes_that_are_no_text_are_refused),
		TEST(what_is_no_readable_file_is_refused),
		TEST(the_files_of_conf_d_are_read_in_the_order_of_their_names),
		TEST(a_fault_in_conf_d_names_its_file),
		TEST(conf_d_must_be_a_folder),
		TEST(too_many_sections_are_refused),
		TEST(a_dump_has_every_value_and_can_be_loaded),
		TEST(values_are_compared_not_their_words),
		TEST(another_default_is_in_force_and_shown_as_one),
		TEST(a_sample_has_every_key_and_loads_without_its_hashes),
		TEST(the_parsers_for_command_lines_take_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
