/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is whose: peers by key and by proven name, and the devices that each may read. What a certificate proves is
 * decided here instead of by OpenSSL (test_tls has that).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "secondary/peer.h"
#include "wire/tls.h"

#define KEY_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY_C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct tls_proof {
	const char *name; /* NULL: none */
};

bool __wrap_tls_proof_has_name(const struct tls_proof *proof, const char *dns_name);
bool __wrap_tls_proof_has_name(const struct tls_proof *proof, const char *dns_name)
{
	return proof->name != NULL && strcmp(proof->name, dns_name) == 0;
}

static const struct tls_proof no_name = { NULL };
static struct clock *wall;
static struct throttle *throttle;
static struct peer_list *list;
static struct peer *a, *b;

static int setup(void **state)
{
	static const char *const keys_a[] = { KEY_A, KEY_C, NULL }, *const keys_b[] = { KEY_B, NULL };
	static const char *const names_b[] = { "b.example", "b2.example", NULL };
	static const char *const devices_a[] = { "web1", "mail", NULL };
	const struct peer_config config_a = { .name = "a", .keys = keys_a, .devices = devices_a, .links_max = 4,
		.jobs_max = 256, .limit = { .bytes_per_s = 1000 } };
	const struct peer_config config_b = { .name = "b", .keys = keys_b, .dns_names = names_b, .is_digest_only = true,
		.links_max = 1, .jobs_max = 2 };

	(void)state;
	wall = clock_new_virtual();
	throttle = throttle_new(wall);
	list = peer_list_new(throttle);
	a = peer_list_add(list, &config_a);
	b = peer_list_add(list, &config_b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	peer_list_free(list);
	throttle_free(throttle); /* asserts that each rate was freed */
	clock_free(wall);
	return 0;
}

static void peers_stand_in_order_with_what_was_configured(void **state)
{
	(void)state;
	assert_ptr_equal(peer_list_first(list), a);
	assert_ptr_equal(a->next, b);
	assert_null(b->next);
	assert_string_equal(a->name, "a");
	assert_int_equal(a->links_max, 4);
	assert_int_equal(a->jobs_max, 256);
	assert_int_equal(rate_limit(a->rate).bytes_per_s, 1000);
	assert_false(a->is_digest_only);
	assert_true(b->is_digest_only);
	assert_int_equal(rate_limit(b->rate).bytes_per_s, 0);
	assert_ptr_equal(peer_list_find(list, "b"), b);
	assert_null(peer_list_find(list, "c"));
}

static void peer_is_known_by_each_of_its_keys(void **state)
{
	(void)state;
	assert_ptr_equal(peer_list_admit(list, KEY_A, &no_name), a);
	assert_ptr_equal(peer_list_admit(list, KEY_C, &no_name), a);
	assert_ptr_equal(peer_list_admit(list, KEY_B, &no_name), b);
}

static void unknown_key_is_nobodys(void **state)
{
	char cut[sizeof(KEY_A)];

	(void)state;
	assert_null(peer_list_admit(list, "sha256:dddd", &no_name));
	assert_null(peer_list_admit(list, "", &no_name));
	memcpy(cut, KEY_A, sizeof(cut));
	cut[sizeof(cut) - 2] = '\0';
	assert_null(peer_list_admit(list, cut, &no_name)); /* a part of a key is not the key */
}

static void peer_is_known_by_each_proven_name(void **state)
{
	const struct tls_proof first = { "b.example" }, second = { "b2.example" }, other = { "c.example" }, empty = { "" };

	(void)state;
	assert_ptr_equal(peer_list_admit(list, "sha256:dddd", &first), b);
	assert_ptr_equal(peer_list_admit(list, "sha256:dddd", &second), b);
	assert_null(peer_list_admit(list, "sha256:dddd", &other));
	assert_null(peer_list_admit(list, "sha256:dddd", &empty));
}

static void key_goes_before_name(void **state)
{
	const struct tls_proof proof = { "b.example" };

	(void)state;
	assert_ptr_equal(peer_list_admit(list, KEY_A, &proof), a);
}

static void peer_reads_only_the_devices_of_its_list(void **state)
{
	(void)state;
	assert_true(peer_may_read(a, "web1"));
	assert_true(peer_may_read(a, "mail"));
	assert_false(peer_may_read(a, "web"));
	assert_false(peer_may_read(a, "web12"));
	assert_false(peer_may_read(a, ""));
	assert_false(peer_may_read(b, "web1")); /* no list: nothing */
}

static void list_without_throttle_has_no_rates(void **state)
{
	const struct peer_config config = { .name = "x", .links_max = 1, .jobs_max = 1, .limit = { .reads_per_s = 3 } };
	struct peer_list *plain = peer_list_new(NULL);

	(void)state;
	assert_null(peer_list_first(plain));
	assert_null(peer_list_admit(plain, KEY_A, &no_name));
	assert_null(peer_list_add(plain, &config)->rate);
	peer_list_free(plain);
	peer_list_free(NULL);
}

static void change_takes_the_place_of_all_but_the_name(void **state)
{
	static const char *const keys[] = { KEY_B, NULL }, *const devices[] = { "web1", "mail", "db", NULL };
	const struct peer_config more = { .name = "a", .keys = keys, .devices = devices, .links_max = 9, .jobs_max = 7,
		.limit = { .bytes_per_s = 77 } };
	const struct peer_config none = { .name = "b", .links_max = 1, .jobs_max = 1, .is_digest_only = true };
	struct rate *rate = a->rate;

	(void)state;
	assert_false(peer_list_change(list, b, &none));
	assert_false(peer_list_change(list, a, &more));
	assert_ptr_equal(peer_list_admit(list, KEY_B, &no_name), a);
	assert_null(peer_list_admit(list, KEY_A, &no_name));
	assert_true(peer_may_read(a, "db"));
	assert_int_equal(a->links_max, 9);
	assert_int_equal(a->jobs_max, 7);
	assert_ptr_equal(a->rate, rate);
	assert_int_equal(rate_limit(a->rate).bytes_per_s, 77);
}

static void change_tells_whether_a_peer_may_do_less(void **state)
{
	static const char *const devices[] = { "web1", "mail", NULL }, *const fewer[] = { "mail", "db", NULL };
	struct peer_config config = { .name = "a", .devices = devices, .links_max = 1, .jobs_max = 1 };

	(void)state;
	assert_false(peer_list_change(list, a, &config));
	config.is_digest_only = true;
	assert_true(peer_list_change(list, a, &config));
	assert_false(peer_list_change(list, a, &config)); /* it was so before */
	config.devices = fewer;
	assert_true(peer_list_change(list, a, &config));
	config.is_digest_only = false;
	assert_false(peer_list_change(list, a, &config));
}

static void peer_that_is_removed_is_nobody(void **state)
{
	static const char *const keys[] = { KEY_A, NULL };
	const struct peer_config config = { .name = "c", .keys = keys, .links_max = 1, .jobs_max = 1 };
	uint32_t number = b->number;

	(void)state;
	peer_list_remove(list, a);
	assert_null(peer_list_admit(list, KEY_A, &no_name));
	assert_null(peer_list_find(list, "a"));
	assert_ptr_equal(peer_list_first(list), b);
	assert_true(peer_list_add(list, &config)->number > number); /* nobody had it */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { T(peers_stand_in_order_with_what_was_configured),
		T(change_takes_the_place_of_all_but_the_name),
		T(change_tells_whether_a_peer_may_do_less), T(peer_that_is_removed_is_nobody),
		T(peer_is_known_by_each_of_its_keys), T(unknown_key_is_nobodys), T(peer_is_known_by_each_proven_name),
		T(key_goes_before_name), T(peer_reads_only_the_devices_of_its_list), T(list_without_throttle_has_no_rates) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
