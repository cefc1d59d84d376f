/* SPDX-License-Identifier: Apache-2.0
 *
 * What ra-ctl is shown: errors, limits and volumes with what is unset left out, bytes that are no UTF-8, and answers
 * that are cut to a size.
 */
#include "local/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/post.h"
#include "base/rate.h"

/* Takes over json. */
static void expect(json_t *json, const char *text)
{
	char *found = show_dump(json, 1000);

	assert_non_null(found);
	assert_string_equal(found, text);
	free(found);
	json_decref(json);
}

static void errors_are_shown_newest_first(void **state)
{
	struct post *post = post_new();
	const struct post_where nowhere = { 0 };
	const struct post_where place = { .device = "web1", .peer = "a", .first_track = 7, .track_count = 2,
		.link_id = 0x0001000200000003 };
	json_t *json, *list, *error;
	int64_t wall_s = time(NULL);
	struct tm tm;

	(void)state;
	log_level_max = LOG_LEVEL_ERROR;
	expect(show_errors(post), "{\"errors\":[]}");
	post_error(post, STATUS_TIMEOUT, &nowhere, "one");
	post_error(post, STATUS_VOLUME_ERROR, &place, "two \xff %d", 2);
	json = show_errors(post);
	list = json_object_get(json, "errors");
	assert_int_equal(json_array_size(list), 2);
	for (size_t i = 0; i < 2; i++) {
		error = json_array_get(list, i);
		const char *text = json_string_value(json_object_get(error, "time"));

		assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
		assert_in_range(timegm(&tm), wall_s, wall_s + 10);
		json_object_del(error, "time");
	}
	expect(json, "{\"errors\":[{\"number\":2,\"status\":\"VOLUME_ERROR\",\"device\":\"web1\",\"peer\":\"a\","
		"\"first_track\":7,\"tracks\":2,\"link_id\":\"0x0001000200000003\",\"text\":\"two ? 2\"},"
		"{\"number\":1,\"status\":\"TIMEOUT\",\"text\":\"one\"}]}");
	post_free(post);
}

static void errors_are_counted_by_status(void **state)
{
	struct post *post = post_new();
	const struct post_where nowhere = { 0 };

	(void)state;
	expect(show_error_counts(post), "{}");
	for (unsigned i = 0; i < 3; i++)
		post_error(post, STATUS_TIMEOUT, &nowhere, "-");
	post_error(post, STATUS_VOLUME_CHANGED, &nowhere, "-");
	expect(show_error_counts(post), "{\"TIMEOUT\":3,\"VOLUME_CHANGED\":1}");
	post_free(post);
}

static void on_rate(void *arg)
{
	(void)arg;
}

static void limits_are_shown_with_the_time_they_cost(void **state)
{
	struct clock *clock = clock_new_virtual();
	struct throttle *throttle = throttle_new(clock);
	const struct rate_limit limit = { .bytes_per_s = 1000000 };
	struct rate *rate = rate_new(throttle, &limit);
	struct rate *const rates[RATES_MAX] = { rate };
	struct rate_waiter waiter = { 0 };

	(void)state;
	expect(show_rate(rate), "{\"bytes_per_second\":1000000,\"reads_per_second\":0,\"throttled_seconds\":0.0}");
	assert_true(rate_enter(throttle, &waiter, rates, NULL, 1000000, on_rate, NULL));
	assert_false(rate_enter(throttle, &waiter, rates, NULL, 1000, on_rate, NULL));
	while (waiter.is_waiting)
		clock_advance(clock, 1);
	assert_true(waiter.waited_ms >= 500);
	json_t *json = show_rate(rate);

	assert_int_equal(json_real_value(json_object_get(json, "throttled_seconds")) * 1000 + 0.5, waiter.waited_ms);
	json_decref(json);
	expect(show_rate(NULL), "{\"bytes_per_second\":0,\"reads_per_second\":0,\"throttled_seconds\":0.0}");
	rate_free(rate);
	throttle_free(throttle);
	clock_free(clock);
}

static void volumes_are_shown_with_their_part(void **state)
{
	struct volume_info info = { .kind = VOLUME_KIND_BLOCK, .io = IO_MODE_DIRECT, .size_bytes = 1000,
		.whole_bytes = 1500, .offset_bytes = 500, .path = "/dev/drbd3" };

	(void)state;
	expect(show_volume(&info), "{\"path\":\"/dev/drbd3\",\"kind\":\"block device\",\"io\":\"direct\",\"bytes\":1000,"
		"\"whole_bytes\":1500,\"offset_bytes\":500,\"length\":\"all\"}");
	info.whole_bytes = 1501;
	strcpy(info.path, "/srv/\xe9t\xe9");
	expect(show_volume(&info), "{\"path\":\"/srv/?t?\",\"kind\":\"block device\",\"io\":\"direct\",\"bytes\":1000,"
		"\"whole_bytes\":1501,\"offset_bytes\":500,\"length\":\"bytes\"}");
	info.is_common = true;
	info.whole_bytes = 0;
	strcpy(info.path, "/srv/\xc3\xa9");
	expect(show_volume(&info), "{\"path\":\"/srv/\xc3\xa9\",\"kind\":\"block device\",\"io\":\"direct\","
		"\"bytes\":1000,\"offset_bytes\":500,\"length\":\"common\"}");
}

static json_t *numbers(unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_integer((json_int_t)(1000 + i)));
	return list;
}

static void expect_dump(json_t *json, size_t bytes_max, const char *text)
{
	char *found = show_dump(json, bytes_max);

	assert_non_null(found);
	assert_true(strlen(found) <= bytes_max);
	assert_string_equal(found, text);
	free(found);
	json_decref(json);
}

static void what_fits_exactly_is_not_cut(void **state)
{
	(void)state;
	expect_dump(json_pack("{s:o}", "a", numbers(4)), 27, "{\"a\":[1000,1001,1002,1003]}");
	expect_dump(json_pack("{s:o}", "a", numbers(8)), 46, "{\"a\":[1000,1001,1002,1003],\"a_left_out\":4}");
}

static void lists_are_cut_to_one_length_wherever_they_are(void **state)
{
	(void)state;
	expect_dump(json_pack("{s:[{s:s,s:o},{s:s,s:o}]}", "devices", "name", "x", "jobs", numbers(2), "name", "y", "jobs",
		numbers(32)), 120, "{\"devices\":[{\"name\":\"x\",\"jobs\":[1000,1001]},"
		"{\"name\":\"y\",\"jobs\":[1000,1001,1002,1003],\"jobs_left_out\":28}]}");
	expect_dump(json_pack("{s:o,s:o}", "a", numbers(16), "b", numbers(12)), 65,
		"{\"a\":[1000,1001],\"b\":[1000,1001],\"a_left_out\":14,\"b_left_out\":10}");
}

static void lists_may_be_cut_to_nothing(void **state)
{
	(void)state;
	expect_dump(json_pack("{s:o}", "a", numbers(5)), 23, "{\"a\":[],\"a_left_out\":5}");
}

static void what_cannot_be_cut_is_not_text(void **state)
{
	json_t *json = json_pack("{s:o}", "a", numbers(5));

	(void)state;
	assert_null(show_dump(json, 22));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_shown_newest_first),
		cmocka_unit_test(errors_are_counted_by_status),
		cmocka_unit_test(limits_are_shown_with_the_time_they_cost),
		cmocka_unit_test(volumes_are_shown_with_their_part),
		cmocka_unit_test(what_fits_exactly_is_not_cut),
		cmocka_unit_test(lists_are_cut_to_one_length_wherever_they_are),
		cmocka_unit_test(lists_may_be_cut_to_nothing),
		cmocka_unit_test(what_cannot_be_cut_is_not_text),
	};

	return cmocka_run_group_tests_name("show", tests, NULL, NULL);
}
