/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of tracks as people write them, on a command line and in a file: what is taken, and the words when it is not.
 */
#include "primary/ctl/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/track_set.h"

static char why[CTL_WHY_BYTES];

/* What is printed of it; "" when it is refused. To be freed. */
static char *taken(const char *text)
{
	struct track_set *set = track_set_new();
	char *out = NULL;
	size_t bytes;
	FILE *file = open_memstream(&out, &bytes);

	if (ctl_ranges_take(set, text, why))
		ctl_ranges_print(set, "", file);
	fclose(file);
	track_set_free(set);
	return out;
}

static void assert_taken(const char *text, const char *expected)
{
	char *out = taken(text);

	assert_string_equal(out, expected);
	free(out);
}

static void assert_refused(const char *text, const char *words)
{
	char *out;

	why[0] = '\0';
	out = taken(text);
	assert_string_equal(out, "");
	if (strstr(why, words) == NULL)
		fail_msg("%s", why);
	free(out);
}

static void ranges_are_numbers_and_pairs_with_commas(void **state)
{
	(void)state;
	assert_taken("5", "5\n");
	assert_taken("0-99", "0-99\n");
	assert_taken("0-99,200,300-301", "0-99\n200\n300-301\n");
	assert_taken("200,0-99,100", "0-100\n200\n");
	assert_taken("007", "7\n");
	assert_taken("2251799813685247", "2251799813685247\n");
}

static void what_is_no_range_is_named(void **state)
{
	static const char *const texts[] = { "", ",", "5,", ",5", "5,,6", "x", "5x", "-5", "5-", "5--6", "6-5", "5-6-7",
		" 5", "5 ", "0x5", "+5", "5.5", "2251799813685248", "0-2251799813685248", "99999999999999999999", "all" };

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_refused(texts[i], "is no range of tracks: expected A or A-B, counted from 0");
	assert_refused("1,2-x,3", "'2-x' is no range");
	assert_refused("5,", "'' is no range");
}

/* "" when it is refused. To be freed. */
static char *read_text(const char *text, size_t bytes)
{
	struct track_set *set = track_set_new();
	FILE *in = fmemopen((void *)(uintptr_t)text, bytes, "r"), *file;
	char *out = NULL;
	size_t out_bytes;

	assert_non_null(in);
	file = open_memstream(&out, &out_bytes);
	if (ctl_ranges_read(set, in, "list.txt", why))
		ctl_ranges_print(set, "", file);
	fclose(file);
	fclose(in);
	track_set_free(set);
	return out;
}

static void assert_read(const char *text, const char *expected)
{
	char *out = read_text(text, strlen(text));

	assert_string_equal(out, expected);
	free(out);
}

static void assert_not_read(const char *text, size_t bytes, const char *words)
{
	char *out = read_text(text, bytes);

	assert_string_equal(out, "");
	assert_string_equal(why, words);
	free(out);
}

static void file_has_one_range_a_line_and_comments(void **state)
{
	(void)state;
	assert_read("# of web1\n\n0-99\n  200 # bad\t\n300-301\r\n203,204", "0-99\n200\n203-204\n300-301\n");
	assert_read("1\n", "1\n");
	assert_read("#", "");
}

static void error_in_a_file_names_its_line(void **state)
{
	(void)state;
	assert_not_read("1\n#\n2 3\n4\n", 10, "list.txt, line 3: '2 3' is no range of tracks: expected A or A-B, counted "
		"from 0, with commas between several");
	assert_not_read("1\n2\0003\n", 6, "list.txt, line 2: a NUL in it");
}

static void file_that_cannot_be_read_is_named(void **state)
{
	struct track_set *set = track_set_new();
	FILE *folder = fopen("/", "r");

	(void)state;
	assert_false(ctl_ranges_read(set, folder, "/", why));
	assert_string_equal(why, "/: Is a directory");
	fclose(folder);
	track_set_free(set);
}

static void file_has_so_many_ranges_at_most(void **state)
{
	struct track_set *set = track_set_new();
	char *text = NULL;
	size_t bytes;
	FILE *file = open_memstream(&text, &bytes);

	(void)state;
	for (unsigned i = 0; i < TRACK_SET_RANGES_MAX; i++)
		fprintf(file, "%u\n", 2 * i);
	fflush(file);
	FILE *in = fmemopen(text, bytes, "r");
	assert_true(ctl_ranges_read(set, in, "list.txt", why));
	assert_int_equal(track_set_ranges(set), TRACK_SET_RANGES_MAX);
	fclose(in);
	fprintf(file, "%u\n", 2 * TRACK_SET_RANGES_MAX);
	fflush(file);
	in = fmemopen(text, bytes, "r");
	assert_false(ctl_ranges_read(set, in, "list.txt", why));
	assert_string_equal(why, "list.txt, line 131073: more than 131072 ranges");
	fclose(in);
	fclose(file);
	free(text);
	track_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_numbers_and_pairs_with_commas),
		cmocka_unit_test(what_is_no_range_is_named),
		cmocka_unit_test(file_has_one_range_a_line_and_comments),
		cmocka_unit_test(error_in_a_file_names_its_line),
		cmocka_unit_test(file_that_cannot_be_read_is_named),
		cmocka_unit_test(file_has_so_many_ranges_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
