/* SPDX-License-Identifier: Apache-2.0
 *
 * Which answers to HostOpen let a pass begin, and the exit code and words of those that do not.
 */
#include "primary/compare/opening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "primary/compare/options.h"
#include "storage/ledger.h"
#include "wire/message.h"

struct fixture {
	struct options options;
	struct msg_host_open_reply reply;
	char why[OPENING_WHY_BYTES];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->options = (struct options){ .form = FORM_DEVICE, .device = "web1", .jobs = 8, .digest = DIGEST_XXH3_128 };
	f->reply = (struct msg_host_open_reply){ .status = STATUS_OK, .track_bytes = 65536, .digests = DIGESTS_KNOWN,
		.local = { .size_bytes = MIB }, .remote = { .size_bytes = MIB } };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void expect(struct fixture *f, int exit_code, const char *words)
{
	int got = opening_judge(&f->options, &f->reply, f->why);

	if (got != exit_code || (exit_code != 0 && !strstr(f->why, words)))
		fail_msg("exit code %d, not %d: %s", got, exit_code, f->why);
}

static void good_volumes_let_a_pass_begin(void **state)
{
	expect(*state, 0, "");
}

static void each_status_has_its_exit_code_and_words(void **state)
{
	static const struct {
		enum status status;
		enum side side;
		const char *detail;
		int exit_code;
		const char *words;
	} cases[] = {
		{ STATUS_BUSY, SIDE_REMOTE, "reserved by ra-compare[7] on c", 6, "busy: reserved by ra-compare[7] on c" },
		{ STATUS_BUSY, SIDE_LOCAL, "reserved by me", 6, "busy: reserved by me" },
		{ STATUS_NO_SUCH_DEVICE, SIDE_UNSET, "", 2, "the primary has no device web1: its configuration" },
		{ STATUS_NO_SUCH_DEVICE, SIDE_LOCAL, "", 2, "the primary has no device web1: its configuration" },
		{ STATUS_NO_SUCH_DEVICE, SIDE_REMOTE, "", 2, "the secondary has no device web1 for this primary" },
		{ STATUS_NOT_PERMITTED, SIDE_REMOTE, "no", 2, "not permitted by the secondary: no" },
		{ STATUS_BAD_REQUEST, SIDE_UNSET, "the track size is 1 and 2", 2, "the track size is 1 and 2" },
		{ STATUS_LINK_LOST, SIDE_REMOTE, "b.example refuses", 4, "b.example refuses" },
		{ STATUS_LINK_LOST, SIDE_UNSET, "", 4, "LINK_LOST" },
		{ STATUS_VERSION, SIDE_UNSET, "", 4, "VERSION" },
		{ STATUS_VOLUME_CHANGED, SIDE_REMOTE, "another size", 3, "another size" },
		{ STATUS_VOLUME_ERROR, SIDE_REMOTE, "it burns", 5, "remote volume of web1: it burns" },
		{ STATUS_TIMEOUT, SIDE_LOCAL, "", 5, "local volume of web1: TIMEOUT" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->reply = (struct msg_host_open_reply){ .status = cases[i].status, .failed_side = cases[i].side };
		snprintf(f->reply.detail, sizeof(f->reply.detail), "%s", cases[i].detail);
		expect(f, cases[i].exit_code, cases[i].words);
	}
}

static void a_volume_that_was_typed_is_named_so(void **state)
{
	struct fixture *f = *state;

	f->options = (struct options){ .form = FORM_SSH, .path_local = "a", .path_remote = "/v", .name_remote = "h:/v",
		.host = "h", .jobs = 8, .run_tracks = 16, .track_bytes = 65536 };
	f->reply = (struct msg_host_open_reply){ .status = STATUS_VOLUME_ERROR, .failed_side = SIDE_REMOTE };
	strcpy(f->reply.detail, "Permission denied");
	expect(f, 5, "volume B: cannot open h:/v: Permission denied");
	strcpy(f->reply.detail, "/v is a directory");
	expect(f, 5, "volume B on h: /v is a directory");
	f->reply.failed_side = SIDE_LOCAL;
	strcpy(f->reply.detail, "cannot open a: No");
	expect(f, 5, "volume A: cannot open a: No");
}

static void a_secondary_that_gives_digests_only_is_asked_for_no_data(void **state)
{
	struct fixture *f = *state;

	f->reply.digest_only = true;
	expect(f, 0, "");
	f->options.digest = DIGEST_NONE;
	expect(f, 2, "digests of web1 only (data = never): --by data is not possible");
}

static void a_digest_that_a_daemon_does_not_know_is_told_before_the_run(void **state)
{
	struct fixture *f = *state;

	f->reply.digests = 1u << DIGEST_XXH3_128;
	expect(f, 0, "");
	f->options.digest = DIGEST_SHA256;
	expect(f, 2, "web1 cannot be compared by sha256: ra-primaryd or ra-secondaryd does not know it; --by data does");
	f->reply.digests = 0;
	f->options.digest = DIGEST_XXH3_128;
	expect(f, 2, "by xxh3-128: ");
	f->reply.digest_only = true;
	expect(f, 2, "data = never leaves nothing else");
	f->reply.digest_only = false;
	f->options.digest = DIGEST_NONE;
	expect(f, 0, "");
}

static void volumes_without_a_common_byte_prove_nothing(void **state)
{
	struct fixture *f = *state;

	f->options.common_size = true;
	f->reply.remote.size_bytes = 0;
	expect(f, 2, "nothing in common: the remote one has 0 bytes");
	f->reply.local.size_bytes = 0;
	expect(f, 0, ""); /* both are empty: so they are equal */
	f->options.common_size = false;
	f->reply.local.size_bytes = MIB;
	expect(f, 0, ""); /* all of it is a difference */
}

static void total_is_the_larger_size_or_what_both_have(void **state)
{
	struct fixture *f = *state;

	f->reply.remote.size_bytes = 5;
	assert_int_equal(opening_total_bytes(&f->options, &f->reply), MIB);
	f->reply.local.is_common = true;
	assert_int_equal(opening_total_bytes(&f->options, &f->reply), 5);
	f->reply.local.is_common = false;
	f->reply.remote.is_common = true;
	assert_int_equal(opening_total_bytes(&f->options, &f->reply), 5);
	f->reply.local.size_bytes = 4;
	assert_int_equal(opening_total_bytes(&f->options, &f->reply), 4);
	f->reply.remote.is_common = false;
	assert_int_equal(opening_total_bytes(&f->options, &f->reply), 5);
	f->options.common_size = true;
	assert_int_equal(opening_total_bytes(&f->options, &f->reply), 4);
}

static void tracks_that_do_not_fit_the_memory_are_refused(void **state)
{
	struct fixture *f = *state;

	f->options.jobs = 64;
	f->reply.track_bytes = MIB;
	expect(f, 2, "--jobs 64");
	expect(f, 2, "runs of 1 tracks of 1048576 bytes");
	f->options.run_tracks = 64;
	expect(f, 2, "runs of 1 tracks of"); /* digests of so many fit */
	f->options.jobs = 8;
	expect(f, 0, "");
	f->options.digest = DIGEST_NONE;
	expect(f, 2, "64 tracks of 1048576 bytes");
}

static void another_track_size_than_asked_for_is_refused(void **state)
{
	struct fixture *f = *state;

	f->options = (struct options){ .form = FORM_PAIR, .path_local = "a", .path_remote = "b", .name_remote = "b",
		.jobs = 8, .track_bytes = 4096 };
	expect(f, 2, "track size is 4096 here and 65536");
}

static void the_owner_is_a_process_of_this_host(void **state)
{
	struct fixture *f = *state;
	struct msg_host_open open;
	char wanted[OWNER_MAX + 1], host[64] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(wanted, sizeof(wanted), "ra-compare[%d] on %s", (int)getpid(), host);
	opening_request(&f->options, &open);
	assert_string_equal(open.owner, wanted);
	assert_string_equal(open.device, "web1");
	f->options.device = NULL;
	opening_request(&f->options, &open);
	assert_string_equal(open.device, "volume");
}

static void a_reservation_goes_with_the_open(void **state)
{
	static const enum reserve_mode modes[] = { RESERVE_NONE, RESERVE_RA, RESERVE_EXCLUSIVE };
	struct fixture *f = *state;
	struct msg_host_open open;

	for (unsigned i = 0; i < 3; i++) {
		f->options.reserve = modes[i];
		opening_request(&f->options, &open);
		assert_int_equal(open.reserve, i > 0);
		assert_int_equal(open.exclusive, i > 1);
	}
}

static void a_ledger_is_bound_to_what_is_known_of_the_volumes(void **state)
{
	struct fixture *f = *state;
	struct msg_host_open_reply reply = { .status = STATUS_OK, .track_bytes = 4096,
		.local = { .identity = "dm LVM-x", .path = "/dev/a" },
		.remote = { .path = "/dev/b", .device_id = 5, .inode = 77 } };
	struct ledger_binding binding;

	f->options.digest = DIGEST_NONE;
	opening_binding(&f->options, &reply, &binding);
	assert_string_equal(binding.local_identity, "dm LVM-x");
	assert_string_equal(binding.remote_identity, "/dev/b, device 5, inode 77"); /* it does not say its identity */
	assert_string_equal(binding.digest, "data");
}

static void a_ledger_is_bound_to_what_is_compared(void **state)
{
	struct fixture *f = *state;
	struct ledger_binding binding;

	opening_binding(&f->options, &f->reply, &binding);
	assert_string_equal(binding.digest, "xxh3-128");
	f->options.digest = DIGEST_SHA256;
	opening_binding(&f->options, &f->reply, &binding);
	assert_string_equal(binding.digest, "sha256");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_volumes_let_a_pass_begin),
		TEST(each_status_has_its_exit_code_and_words),
		TEST(a_volume_that_was_typed_is_named_so),
		TEST(a_secondary_that_gives_digests_only_is_asked_for_no_data),
		TEST(a_digest_that_a_daemon_does_not_know_is_told_before_the_run),
		TEST(volumes_without_a_common_byte_prove_nothing),
		TEST(total_is_the_larger_size_or_what_both_have),
		TEST(tracks_that_do_not_fit_the_memory_are_refused),
		TEST(another_track_size_than_asked_for_is_refused),
		TEST(the_owner_is_a_process_of_this_host),
		TEST(a_reservation_goes_with_the_open),
		TEST(a_ledger_is_bound_to_what_is_known_of_the_volumes),
		TEST(a_ledger_is_bound_to_what_is_compared),
	};

	return cmocka_run_group_tests_name("opening", tests, NULL, NULL);
}
