/* SPDX-License-Identifier: Apache-2.0
 *
 * HOST:PATH: what is remote, how it is taken apart, and what is refused before ssh sees it.
 */
#include "primary/compare/operand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char host[OPERAND_HOST_BYTES], why[512];
static const char *path;

static void a_colon_before_any_slash_makes_it_remote(void **state)
{
	static const char *const remote[] = { "h:p", "h:", ":p", "u@h:p", "[::1]:p", "u@[::1]:p", "a.b:/x:y", "-h:p",
		"h:/a/b", "a[1]:x" };
	static const char *const local[] = { "p", "", "/a:b", "./a:b", "a/b:c", "[::1]", "[::1]/x:y", "[a:b", "u@[::1]" };

	(void)state;
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if (!operand_is_remote(remote[i]))
			fail_msg("%s is remote", remote[i]);
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (operand_is_remote(local[i]))
			fail_msg("%s is local", local[i]);
}

static void host_and_path_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host, *path;
	} cases[] = {
		{ "h:p", "h", "p" },
		{ "u@h:/dev/x", "u@h", "/dev/x" },
		{ "h:a:b", "h", "a:b" },
		{ "[::1]:p", "::1", "p" },
		{ "u@[fe80::1%eth0]:p", "u@fe80::1%eth0", "p" },
		{ "[h]:p", "h", "p" },
		{ "a[1]:x", "a[1]", "x" },
		{ "h:-p", "h", "-p" },
		{ "h:$(id) 'x' \"y\"\n`z`", "h", "$(id) 'x' \"y\"\n`z`" },
		{ "u@d@h:p", "u@d@h", "p" },
		{ "\xc3\xa4.example:p", "\xc3\xa4.example", "p" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!operand_split(cases[i].text, host, &path, why, sizeof(why)))
			fail_msg("%s: %s", cases[i].text, why);
		assert_string_equal(host, cases[i].host);
		assert_string_equal(path, cases[i].path);
	}
}

static void hosts_that_are_no_names_are_refused_in_words(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ ":p", "host before the colon is empty" },
		{ "u@:p", "host before the colon is empty" },
		{ "[]:p", "host before the colon is empty" },
		{ "u@[]:p", "host before the colon is empty" },
		{ "@h:p", "user before the @ is empty" },
		{ "-h:p", "dash" },
		{ "-oProxyCommand=x:p", "dash" },
		{ "u@-h:p", "dash" },
		{ "[-h]:p", "dash" },
		{ "-u@h:p", "dash" },
		{ "a b:p", "character" },
		{ "a\tb:p", "character" },
		{ "a\nb:p", "character" },
		{ "a\x7f:p", "character" },
		{ "a;b:p", "character" },
		{ "$h:p", "character" },
		{ "`h`:p", "character" },
		{ "a'b:p", "character" },
		{ "a\"b:p", "character" },
		{ "a|b:p", "character" },
		{ "h:", "path after the colon is empty" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (operand_split(cases[i].text, host, &path, why, sizeof(why)) || !strstr(why, cases[i].words))
			fail_msg("%s: %s", cases[i].text, why);
}

static void a_host_that_does_not_fit_is_refused(void **state)
{
	char text[OPERAND_HOST_BYTES + 8];

	(void)state;
	memset(text, 'h', sizeof(text));
	strcpy(text + OPERAND_HOST_BYTES, ":p");
	assert_false(operand_split(text, host, &path, why, sizeof(why)));
	assert_non_null(strstr(why, "511"));
	strcpy(text + OPERAND_HOST_BYTES - 1, ":p");
	assert_true(operand_split(text, host, &path, why, sizeof(why)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_colon_before_any_slash_makes_it_remote),
		cmocka_unit_test(host_and_path_are_taken_apart),
		cmocka_unit_test(hosts_that_are_no_names_are_refused_in_words),
		cmocka_unit_test(a_host_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests_name("operand", tests, NULL, NULL);
}
