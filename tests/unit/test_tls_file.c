/* SPDX-License-Identifier: Apache-2.0
 *
 * Identities in files: who may own and read them, what may stand in them, the warning before a certificate ends, and
 * that a new file is there whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tests/support/authority.h"
#include "tests/support/pair.h"
#include "wire/tls_identity.h"

struct fixture {
	char folder[64], path[96];
	struct tls_identity *identity;
	char key[PEER_KEY_CHARS + 1];
	unsigned descriptors;
};

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	fixture->descriptors = open_descriptor_count();
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/ra-identity.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/identity.pem", fixture->folder);
	assert_int_equal(tls_identity_generate(&fixture->identity), 0);
	tls_identity_key(fixture->identity, fixture->key);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	tls_identity_free(fixture->identity);
	unlink(fixture->path);
	assert_int_equal(rmdir(fixture->folder), 0);
	assert_int_equal(open_descriptor_count(), fixture->descriptors);
	free(fixture);
	return 0;
}

static void put_text(const char *path, const char *text, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, bytes), bytes);
	close(fd);
}

static void expect_refused(struct fixture *fixture, int error, const char *words)
{
	struct tls_identity *identity = NULL;
	char *expected = xasprintf("%s: %s", fixture->path, words), why[DETAIL_MAX + 1];

	assert_int_equal(tls_identity_from_file(fixture->path, &identity, why), error);
	assert_memory_equal(why, expected, strlen(expected)); /* the library's own words may follow */
	assert_null(identity);
	free(expected);
}

static void expect_loaded(struct fixture *fixture, const char *key)
{
	struct tls_identity *identity;
	char found[PEER_KEY_CHARS + 1], why[DETAIL_MAX + 1];

	assert_int_equal(tls_identity_from_file(fixture->path, &identity, why), 0);
	tls_identity_key(identity, found);
	assert_string_equal(found, key);
	tls_identity_free(identity);
}

/* ---- Writing ---- */

static void new_file_is_private_whatever_the_umask_and_can_be_read_back(void **state)
{
	static const mode_t masks[] = { 0, 0022, 0777 };
	struct fixture *fixture = *state;
	struct stat stat;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t before = umask(masks[i]);

		assert_int_equal(tls_identity_to_file(fixture->identity, fixture->path), 0);
		umask(before);
		assert_int_equal(lstat(fixture->path, &stat), 0);
		assert_int_equal(stat.st_mode, S_IFREG | 0600);
		expect_loaded(fixture, fixture->key);
		assert_int_equal(unlink(fixture->path), 0);
	}
}

static void file_that_is_there_is_kept(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *other;

	assert_int_equal(tls_identity_to_file(fixture->identity, fixture->path), 0);
	assert_int_equal(tls_identity_generate(&other), 0);
	assert_int_equal(tls_identity_to_file(other, fixture->path), -EEXIST);
	expect_loaded(fixture, fixture->key);
	tls_identity_free(other);
}

static void link_that_is_there_is_not_followed(void **state)
{
	struct fixture *fixture = *state;
	char *target = xasprintf("%s/target", fixture->folder);

	assert_int_equal(symlink(target, fixture->path), 0);
	assert_int_equal(tls_identity_to_file(fixture->identity, fixture->path), -EEXIST);
	assert_int_equal(access(target, F_OK), -1);
	free(target);
}

static void file_that_cannot_be_written_whole_is_removed(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before, small;
	int rc;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = tls_identity_to_file(fixture->identity, fixture->path);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(rc, -EFBIG);
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void folder_that_is_missing_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(tls_identity_to_file(fixture->identity, "/nonexistent/identity.pem"), -ENOENT);
}

/* ---- Who may read it ---- */

static void key_that_others_can_use_is_refused_with_what_to_do(void **state)
{
	static const struct {
		mode_t mode;
		const char *words;
	} cases[] = {
		{ 0644, "others can read it (mode 0644); chmod 600 it" },
		{ 0640, "others can read it (mode 0640); chmod 600 it" },
		{ 0604, "others can read it (mode 0604); chmod 600 it" },
		{ 0620, "others can change it (mode 0620); chmod 600 it" },
		{ 0602, "others can change it (mode 0602); chmod 600 it" },
		{ 0601, "others can use it (mode 0601); chmod 600 it" },
	};
	static const mode_t good[] = { 0600, 0400, 0700 };
	struct fixture *fixture = *state;

	assert_int_equal(tls_identity_to_file(fixture->identity, fixture->path), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(chmod(fixture->path, cases[i].mode), 0);
		expect_refused(fixture, -EACCES, cases[i].words);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(chmod(fixture->path, good[i]), 0);
		expect_loaded(fixture, fixture->key);
	}
}

static void key_of_another_user_is_refused(void **state)
{
	struct fixture *fixture = *state;

	if (getuid() != 0)
		skip();
	assert_int_equal(tls_identity_to_file(fixture->identity, fixture->path), 0);
	assert_int_equal(chown(fixture->path, 12345, 0), 0);
	expect_refused(fixture, -EACCES, "it belongs to uid 12345; only root may own it");
}

static void link_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char *target = xasprintf("%s/target", fixture->folder);

	assert_int_equal(tls_identity_to_file(fixture->identity, target), 0);
	assert_int_equal(symlink(target, fixture->path), 0);
	expect_refused(fixture, -ELOOP, "this is a symbolic link; give the file itself");
	unlink(target);
	free(target);
}

static void what_is_no_file_is_refused_and_not_waited_for(void **state)
{
	struct fixture *fixture = *state;

	expect_refused(fixture, -ENOENT, "there is no such file; ra-ctl keygen makes one");
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	expect_refused(fixture, -EINVAL, "this is no regular file");
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	expect_refused(fixture, -EINVAL, "this is no regular file");
	assert_int_equal(rmdir(fixture->path), 0);
}

/* ---- What stands in it ---- */

static void file_of_unreasonable_size_is_refused(void **state)
{
	struct fixture *fixture = *state;

	put_text(fixture->path, "", 0);
	assert_int_equal(truncate(fixture->path, 256 * 1024 + 1), 0);
	expect_refused(fixture, -EFBIG, "it has more than 262144 bytes");
	assert_int_equal(truncate(fixture->path, 256 * 1024), 0);
	expect_refused(fixture, -EINVAL, "no usable private key: ");
}

static void file_without_an_identity_is_refused_by_name(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *other = authority_root();
	const struct tls_identity mixed = { .key = other->key, .certificate = fixture->identity->certificate };

	put_text(fixture->path, "", 0);
	expect_refused(fixture, -EINVAL, "no usable private key: ");
	authority_write(fixture->path, fixture->identity, false);
	expect_refused(fixture, -EINVAL, "no usable private key: ");
	assert_int_equal(unlink(fixture->path), 0);
	authority_write(fixture->path, &mixed, true);
	expect_refused(fixture, -EINVAL, "the private key and the certificate do not belong together");
	authority_write(fixture->path, other, false); /* the right one, but not first */
	expect_refused(fixture, -EINVAL, "the private key and the first certificate do not belong together");
	assert_int_equal(unlink(fixture->path), 0);
	put_text(fixture->path, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 78);
	expect_refused(fixture, -EINVAL, "the private key has a passphrase, and nobody is asked for it here");
	tls_identity_free(other);
}

static void certificate_that_is_cut_off_after_good_ones_is_refused(void **state)
{
	struct fixture *fixture = *state;

	authority_write(fixture->path, fixture->identity, true);
	put_text(fixture->path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59);
	expect_refused(fixture, -EINVAL, "no usable certificate: ");
}

static void words_around_the_pem_text_do_not_matter(void **state)
{
	struct fixture *fixture = *state;

	put_text(fixture->path, "key of host a\n", 14);
	authority_write(fixture->path, fixture->identity, true);
	put_text(fixture->path, "\nthe end\n", 9);
	expect_loaded(fixture, fixture->key);
}

static void further_certificates_are_kept_in_their_order(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *root = authority_root(), *identity;
	struct tls_identity *middle = authority_make(&(struct authority_wish){ .issuer = root, .is_ca = true });
	struct tls_identity *leaf = authority_make(&(struct authority_wish){ .issuer = middle, .names = "DNS:a.example" });
	char why[DETAIL_MAX + 1];

	authority_write(fixture->path, leaf, true);
	authority_write(fixture->path, middle, false);
	authority_write(fixture->path, root, false);
	assert_int_equal(tls_identity_from_file(fixture->path, &identity, why), 0);
	assert_int_equal(sk_X509_num(identity->chain), 2);
	assert_int_equal(X509_cmp(sk_X509_value(identity->chain, 0), middle->certificate), 0);
	assert_int_equal(X509_cmp(sk_X509_value(identity->chain, 1), root->certificate), 0);
	tls_identity_free(identity);
	tls_identity_free(leaf);
	tls_identity_free(middle);
	tls_identity_free(root);
}

/* ---- Dates ---- */

/* What is said when a certificate with these dates is loaded; to be freed. */
static char *words_for_dates(struct fixture *fixture, const struct tls_identity *issuer, long begin_s, long end_s)
{
	const struct authority_wish wish = { .issuer = issuer, .begin_s = begin_s, .end_s = end_s };
	struct tls_identity *identity = authority_make(&wish);
	char key[PEER_KEY_CHARS + 1], *log;

	unlink(fixture->path);
	authority_write(fixture->path, identity, true);
	tls_identity_key(identity, key);
	capture_start();
	expect_loaded(fixture, key);
	log = capture_end();
	tls_identity_free(identity);
	return log;
}

static void expect_words_for_dates(struct fixture *fixture, const struct tls_identity *issuer, long begin_days,
	long end_days, const char *words)
{
	/* An hour more, so that the second in which the test runs does not matter. */
	char *log = words_for_dates(fixture, issuer, begin_days * AUTHORITY_DAY_S, end_days * AUTHORITY_DAY_S + 3600);

	assert_int_equal(line_count(log), words ? 1 : 0);
	if (words)
		assert_non_null(strstr(log, words));
	free(log);
}

static void end_of_a_certificate_of_a_ca_is_warned_of(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *root = authority_root();

	log_level_max = LOG_LEVEL_WARNING;
	expect_words_for_dates(fixture, root, -1, 30, NULL);
	expect_words_for_dates(fixture, root, -1, 29, ", in 29 days");
	expect_words_for_dates(fixture, root, -1, 0, ", in 0 days");
	expect_words_for_dates(fixture, root, -20, -10, "names are not proven by it any more");
	expect_words_for_dates(fixture, root, 10, 400, "names are not proven by it until then");
	tls_identity_free(root);
}

static void dates_of_a_certificate_that_signed_itself_do_not_matter(void **state)
{
	struct fixture *fixture = *state;

	expect_words_for_dates(fixture, NULL, -20, -10, NULL);
	expect_words_for_dates(fixture, NULL, -1, 3, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_file_is_private_whatever_the_umask_and_can_be_read_back),
		TEST(file_that_is_there_is_kept),
		TEST(link_that_is_there_is_not_followed),
		TEST(file_that_cannot_be_written_whole_is_removed),
		TEST(folder_that_is_missing_is_an_error),
		TEST(key_that_others_can_use_is_refused_with_what_to_do),
		TEST(key_of_another_user_is_refused),
		TEST(link_is_refused),
		TEST(what_is_no_file_is_refused_and_not_waited_for),
		TEST(file_of_unreasonable_size_is_refused),
		TEST(file_without_an_identity_is_refused_by_name),
		TEST(certificate_that_is_cut_off_after_good_ones_is_refused),
		TEST(words_around_the_pem_text_do_not_matter),
		TEST(further_certificates_are_kept_in_their_order),
		TEST(end_of_a_certificate_of_a_ca_is_warned_of),
		TEST(dates_of_a_certificate_that_signed_itself_do_not_matter),
	};

	return cmocka_run_group_tests_name("tls_file", tests, NULL, NULL);
}
