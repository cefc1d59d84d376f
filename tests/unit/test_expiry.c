/* SPDX-License-Identifier: Apache-2.0
 *
 * A certificate near its end is spoken of each day, in virtual time; its dates are those of the calendar.
 */
#include "local/expiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/support/authority.h"
#include "tests/support/pair.h"

#define DAY_MS (24 * 3600 * 1000)

/* The lines of so many days with a certificate that ends in end_days. */
static unsigned lines_of(int days, long end_days)
{
	struct clock *wall = clock_new_virtual();
	struct tls_identity *root = authority_root();
	struct expiry *expiry = expiry_new(wall, authority_make(&(struct authority_wish){ .issuer = root,
		.begin_s = -AUTHORITY_DAY_S, .end_s = end_days * AUTHORITY_DAY_S }), "/etc/ra/identity.pem", "");
	unsigned lines = 0;
	char *log;

	log_level_max = LOG_LEVEL_WARNING;
	capture_start();
	clock_advance(wall, (int64_t)days * DAY_MS);
	log = capture_end();
	for (const char *at = log; (at = strstr(at, "/etc/ra/identity.pem: its certificate end")) != NULL; at++)
		lines++;
	free(log);
	expiry_free(expiry);
	tls_identity_free(root);
	clock_free(wall);
	return lines;
}

static void end_that_is_near_is_warned_of_each_day(void **state)
{
	(void)state;
	assert_int_equal(lines_of(1, 7), 1);
	assert_int_equal(lines_of(10, 7), 10);
}

static void end_that_is_far_is_not_spoken_of(void **state)
{
	(void)state;
	assert_int_equal(lines_of(3, 300), 0);
}

/* The CA signed itself, as most do: its dates matter all the same. */
static void end_of_a_ca_is_warned_of_now_and_each_day(void **state)
{
	char path[] = "/tmp/ra-test-expiry-XXXXXX";
	struct tls_identity *root = authority_root(), *near = authority_make(&(struct authority_wish){ .is_ca = true,
		.begin_s = -AUTHORITY_DAY_S, .end_s = 7 * AUTHORITY_DAY_S }); /* root is good for a year */
	int fd = mkstemp(path);
	struct clock *wall = clock_new_virtual();
	struct expiry *expiry;
	unsigned lines = 0;
	char *log;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	authority_write(path, root, false);
	authority_write(path, near, false);
	log_level_max = LOG_LEVEL_WARNING;
	capture_start();
	expiry = expiry_new(wall, root, "x", path);
	clock_advance(wall, 2 * DAY_MS);
	log = capture_end();
	for (const char *at = log; (at = strstr(at, ": the CA /CN=ca ")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 3);
	free(log);
	unlink(path);
	capture_start();
	clock_advance(wall, DAY_MS);
	log = capture_end();
	assert_non_null(strstr(log, path)); /* it is not to be found any more */
	free(log);
	expiry_free(expiry);
	tls_identity_free(near);
	clock_free(wall);
}

static void end_is_told_of_a_certificate_of_a_ca_only(void **state)
{
	struct clock *wall = clock_new_virtual();
	struct tls_identity *root = authority_root();
	int64_t from = (int64_t)time(NULL) + 7 * AUTHORITY_DAY_S;
	struct expiry *expiry = expiry_new(wall, authority_make(&(struct authority_wish){ .issuer = root,
		.begin_s = -AUTHORITY_DAY_S, .end_s = 7 * AUTHORITY_DAY_S }), "x", "");

	(void)state;
	assert_in_range(expiry_ends_s(expiry), from - 1, (int64_t)time(NULL) + 7 * AUTHORITY_DAY_S);
	expiry_free(expiry);
	expiry = expiry_new(wall, root, "x", ""); /* signed itself */
	assert_int_equal(expiry_ends_s(expiry), 0);
	expiry_free(expiry);
	clock_free(wall);
}

static void nothing_is_freed_without_harm(void **state)
{
	(void)state;
	expiry_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_that_is_near_is_warned_of_each_day),
		cmocka_unit_test(end_that_is_far_is_not_spoken_of),
		cmocka_unit_test(end_of_a_ca_is_warned_of_now_and_each_day),
		cmocka_unit_test(end_is_told_of_a_certificate_of_a_ca_only),
		cmocka_unit_test(nothing_is_freed_without_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
