/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers that are known by a name of a CA: which certificates prove one, which do not, and what each side is told. The
 * certificates are made here; their dates are real, so none is near its limit.
 * check-style: long because each way to prove nothing is a test.
 */
#include "wire/tls_trust.h"

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
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/support/authority.h"
#include "tests/support/pair.h"

struct party {
	struct tls_identity *identity;
	char key[PEER_KEY_CHARS + 1];
	const char *admitted_key, *admitted_name; /* NULL: none */
	bool trusts;                              /* the CA of the fixture */
	struct tls *tls;
	int fd, rc; /* of the handshake */
};

struct fixture {
	struct tls_identity *root;
	char folder[64], ca_path[96], path[96];
	struct party client, server;
	unsigned descriptors;
};

static struct tls_identity *issue(const struct tls_identity *issuer, const char *names)
{
	return authority_make(&(struct authority_wish){ .issuer = issuer, .names = names });
}

static void take_identity(struct party *party, struct tls_identity *identity)
{
	tls_identity_free(party->identity);
	party->identity = identity;
	tls_identity_key(identity, party->key);
}

/* Both sides have certificates of the CA and know each other by name. */
static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	fixture->descriptors = open_descriptor_count();
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/ra-trust.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->ca_path, sizeof(fixture->ca_path), "%s/ca.pem", fixture->folder);
	snprintf(fixture->path, sizeof(fixture->path), "%s/other.pem", fixture->folder);
	fixture->root = authority_root();
	authority_write(fixture->ca_path, fixture->root, false);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	take_identity(&fixture->client, issue(fixture->root, "DNS:a.example"));
	take_identity(&fixture->server, issue(fixture->root, "DNS:b.example,DNS:b2.example"));
	fixture->client.fd = fds[0];
	fixture->server.fd = fds[1];
	fixture->client.admitted_name = "b.example";
	fixture->server.admitted_name = "a.example";
	fixture->client.trusts = fixture->server.trusts = true;
	*state = fixture;
	return 0;
}

static void free_party(struct party *party)
{
	tls_free(party->tls);
	tls_identity_free(party->identity);
	close(party->fd);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	free_party(&fixture->client);
	free_party(&fixture->server);
	tls_identity_free(fixture->root);
	unlink(fixture->ca_path);
	unlink(fixture->path);
	assert_int_equal(rmdir(fixture->folder), 0);
	assert_int_equal(open_descriptor_count(), fixture->descriptors);
	free(fixture);
	return 0;
}

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct party *party = arg;

	if (party->admitted_key && strcmp(key, party->admitted_key) == 0)
		return party;
	return party->admitted_name && tls_proof_has_name(proof, party->admitted_name) ? party : NULL;
}

static void start(struct fixture *fixture, struct party *party, enum tls_role role)
{
	struct tls_context *context = tls_context_new(party->identity, role, admit, party);
	char why[DETAIL_MAX + 1];

	assert_non_null(context);
	if (party->trusts)
		assert_int_equal(tls_context_trust(context, fixture->ca_path, why), 0);
	party->tls = tls_new(context, party->fd, party->fd);
	party->rc = -EAGAIN;
	tls_context_free(context);
}

static void handshake(struct fixture *fixture)
{
	struct party *client = &fixture->client, *server = &fixture->server;
	char byte;

	start(fixture, client, TLS_CLIENT);
	start(fixture, server, TLS_SERVER);
	for (int i = 0; i < 10; i++) {
		if (client->rc == -EAGAIN)
			client->rc = tls_handshake(client->tls);
		if (server->rc == -EAGAIN)
			server->rc = tls_handshake(server->tls);
	}
	/* What the server thinks of the client's certificate comes with the first read. */
	if (client->rc == 0 && server->rc != 0)
		client->rc = (int)tls_read(client->tls, &byte, 1);
}

static void expect_up(struct fixture *fixture)
{
	handshake(fixture);
	assert_int_equal(fixture->client.rc, 0);
	assert_int_equal(fixture->server.rc, 0);
	assert_ptr_equal(tls_peer(fixture->client.tls), &fixture->client); /* what its admit returned */
	assert_ptr_equal(tls_peer(fixture->server.tls), &fixture->server);
	assert_string_equal(tls_peer_key(fixture->client.tls), fixture->server.key);
}

/* The refusing side says "the peer's key … is not known here" and why, the refused one what told. */
static void expect_refused(struct fixture *fixture, struct party *by, const char *why, const char *told)
{
	struct party *other = by == &fixture->client ? &fixture->server : &fixture->client;
	char *expected = xasprintf("the peer's key %s is not known here%s", other->key, why);

	handshake(fixture);
	assert_int_equal(by->rc, -EACCES);
	assert_string_equal(tls_error(by->tls), expected);
	assert_null(tls_peer(by->tls));
	assert_int_equal(other->rc, -EPROTO);
	assert_string_equal(tls_error(other->tls), told);
	free(expected);
}

#define NOT_KNOWN "the peer does not know this side's key"
#define PROVES_NONE ", and its certificate proves no name: "

/* ---- Names ---- */

static void peers_are_known_by_their_names(void **state)
{
	expect_up(*state);
}

static void any_name_of_the_certificate_will_do(void **state)
{
	struct fixture *fixture = *state;

	fixture->client.admitted_name = "b2.example";
	expect_up(fixture);
}

static void another_name_is_refused_by_the_server(void **state)
{
	struct fixture *fixture = *state;

	fixture->server.admitted_name = "c.example";
	expect_refused(fixture, &fixture->server, ", nor any name of its certificate", NOT_KNOWN);
}

static void another_name_is_refused_by_the_client(void **state)
{
	struct fixture *fixture = *state;

	fixture->client.admitted_name = "a.example";
	expect_refused(fixture, &fixture->client, ", nor any name of its certificate", NOT_KNOWN);
}

static void names_are_not_patterns(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *wild = issue(fixture->root, "DNS:*.example");
	struct tls_identity *common = authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.common_name = "a.example" });
	const struct tls_proof wild_proof = { wild->certificate, true }, common_proof = { common->certificate, true };
	const struct tls_proof proof = { fixture->client.identity->certificate, true };
	const struct tls_proof unproven = { fixture->client.identity->certificate, false };

	assert_true(tls_proof_has_name(&proof, "a.example"));
	assert_true(tls_proof_has_name(&proof, "A.Example"));
	assert_false(tls_proof_has_name(&unproven, "a.example"));
	assert_false(tls_proof_has_name(&proof, ".example"));
	assert_false(tls_proof_has_name(&proof, "example"));
	assert_false(tls_proof_has_name(&proof, "b.a.example"));
	assert_false(tls_proof_has_name(&proof, "*.example"));
	assert_false(tls_proof_has_name(&proof, ""));
	assert_false(tls_proof_has_name(&wild_proof, "a.example"));
	assert_false(tls_proof_has_name(&common_proof, "a.example")); /* its CN is no name */
	tls_identity_free(wild);
	tls_identity_free(common);
}

static void without_a_ca_no_name_is_proven(void **state)
{
	struct fixture *fixture = *state;

	fixture->server.trusts = false;
	expect_refused(fixture, &fixture->server, "", NOT_KNOWN);
}

/* ---- Other rules for a session that is up ---- */

/* What a context of now says of the peer of this side. */
static void *admit_again(struct party *party, enum tls_role role, const char *ca_path)
{
	struct tls_context *context = tls_context_new(party->identity, role, admit, party);
	char why[DETAIL_MAX + 1];
	void *peer;

	if (ca_path != NULL)
		assert_int_equal(tls_context_trust(context, ca_path, why), 0);
	peer = tls_admit_again(party->tls, context);
	tls_context_free(context);
	return peer;
}

static void peers_are_asked_again_by_the_ca_of_now(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *strange = authority_root();

	authority_write(fixture->path, strange, false);
	expect_up(fixture);
	assert_ptr_equal(admit_again(&fixture->server, TLS_SERVER, fixture->ca_path), &fixture->server);
	assert_ptr_equal(admit_again(&fixture->client, TLS_CLIENT, fixture->ca_path), &fixture->client);
	assert_null(admit_again(&fixture->server, TLS_SERVER, fixture->path));
	assert_null(admit_again(&fixture->client, TLS_CLIENT, fixture->path));
	assert_null(admit_again(&fixture->server, TLS_SERVER, NULL));
	fixture->server.admitted_key = fixture->client.key;
	assert_ptr_equal(admit_again(&fixture->server, TLS_SERVER, NULL), &fixture->server);
	fixture->client.admitted_name = "c.example";
	assert_null(admit_again(&fixture->client, TLS_CLIENT, fixture->ca_path));
	tls_identity_free(strange);
}

static void a_certificate_for_another_use_is_refused_again(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .use = "serverAuth" }));
	fixture->server.admitted_key = fixture->client.key;
	expect_up(fixture);
	fixture->server.admitted_key = NULL;
	assert_null(admit_again(&fixture->server, TLS_SERVER, fixture->ca_path));
}

static void a_peer_whose_handshake_is_not_over_is_nobody(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, &fixture->client, TLS_CLIENT);
	start(fixture, &fixture->server, TLS_SERVER);
	assert_null(admit_again(&fixture->client, TLS_CLIENT, fixture->ca_path));
	assert_int_equal(tls_handshake(fixture->client.tls), -EAGAIN);
	assert_null(admit_again(&fixture->client, TLS_CLIENT, fixture->ca_path));
}

/* ---- Certificates that prove nothing ---- */

static void expired_certificate_is_refused(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .begin_s = -10 * AUTHORITY_DAY_S, .end_s = -AUTHORITY_DAY_S }));
	expect_refused(fixture, &fixture->server, PROVES_NONE "certificate has expired",
		"the peer does not know this side's key, and its certificate has expired");
}

static void expired_certificate_of_the_server_is_refused(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->server, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:b.example", .begin_s = -10 * AUTHORITY_DAY_S, .end_s = -AUTHORITY_DAY_S }));
	expect_refused(fixture, &fixture->client, PROVES_NONE "certificate has expired",
		"the peer does not know this side's key, and its certificate has expired");
}

static void certificate_of_the_future_is_refused(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .begin_s = AUTHORITY_DAY_S, .end_s = 10 * AUTHORITY_DAY_S }));
	expect_refused(fixture, &fixture->server, PROVES_NONE "certificate is not yet valid", NOT_KNOWN);
}

static void certificate_of_another_ca_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *other = authority_root();

	take_identity(&fixture->client, issue(other, "DNS:a.example"));
	expect_refused(fixture, &fixture->server, PROVES_NONE "unable to get local issuer certificate",
		"the peer knows neither this side's key nor the CA of its certificate");
	tls_identity_free(other);
}

/* The name of the CA, not its key. */
static void certificate_of_a_forged_ca_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity forged = { .key = EVP_EC_gen("P-256"), .certificate = fixture->root->certificate };

	take_identity(&fixture->client, issue(&forged, "DNS:a.example"));
	expect_refused(fixture, &fixture->server, PROVES_NONE "certificate signature failure", NOT_KNOWN);
	EVP_PKEY_free(forged.key);
}

static void certificate_that_signed_itself_is_refused(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, issue(NULL, "DNS:a.example"));
	expect_refused(fixture, &fixture->server, PROVES_NONE "self-signed certificate",
		"the peer knows neither this side's key nor the CA of its certificate");
}

static void certificate_that_a_leaf_signed_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *leaf = issue(fixture->root, "DNS:c.example");

	take_identity(&fixture->client, issue(leaf, "DNS:a.example"));
	fixture->client.identity->chain = sk_X509_new_null();
	X509_up_ref(leaf->certificate);
	sk_X509_push(fixture->client.identity->chain, leaf->certificate);
	expect_refused(fixture, &fixture->server, PROVES_NONE "invalid CA certificate", NOT_KNOWN);
	tls_identity_free(leaf);
}

static void certificate_for_another_use_is_refused(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .use = "serverAuth" }));
	expect_refused(fixture, &fixture->server, PROVES_NONE "unsuitable certificate purpose", NOT_KNOWN);
}

static void certificate_for_both_uses_is_taken(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .use = "serverAuth,clientAuth" }));
	expect_up(fixture);
}

static void certificate_without_key_identifiers_is_refused(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .is_sloppy = true }));
	expect_refused(fixture, &fixture->server, PROVES_NONE "Missing Authority Key Identifier", NOT_KNOWN);
}

/* ---- Keys beside a CA ---- */

static void key_is_enough_though_the_certificate_has_expired(void **state)
{
	struct fixture *fixture = *state;

	take_identity(&fixture->client, authority_make(&(struct authority_wish){ .issuer = fixture->root,
		.names = "DNS:a.example", .begin_s = -10 * AUTHORITY_DAY_S, .end_s = -AUTHORITY_DAY_S }));
	fixture->server.admitted_name = NULL;
	fixture->server.admitted_key = fixture->client.key;
	expect_up(fixture);
}

static void key_is_enough_without_any_chain(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *identity;

	assert_int_equal(tls_identity_generate(&identity), 0);
	take_identity(&fixture->server, identity);
	fixture->client.admitted_name = NULL;
	fixture->client.admitted_key = fixture->server.key;
	expect_up(fixture);
}

static void one_side_may_know_a_name_and_the_other_a_key(void **state)
{
	struct fixture *fixture = *state;

	fixture->client.trusts = false;
	fixture->client.admitted_key = fixture->server.key;
	expect_up(fixture);
}

static void swapped_keys_are_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture->client.trusts = fixture->server.trusts = false;
	fixture->client.admitted_key = fixture->client.key;
	fixture->server.admitted_key = fixture->server.key;
	expect_refused(fixture, &fixture->client, "", NOT_KNOWN);
}

static void unknown_key_is_refused_by_the_server_alone(void **state)
{
	struct fixture *fixture = *state;

	fixture->client.trusts = fixture->server.trusts = false;
	fixture->client.admitted_key = fixture->server.key;
	fixture->server.admitted_key = fixture->server.key;
	expect_refused(fixture, &fixture->server, "", NOT_KNOWN);
}

/* ---- Intermediates ---- */

static void intermediate_that_the_peer_sends_is_used(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *middle = authority_make(&(struct authority_wish){ .issuer = fixture->root, .is_ca = true });
	struct tls_identity *leaf = issue(middle, "DNS:a.example"), *loaded;
	char why[DETAIL_MAX + 1];

	authority_write(fixture->path, leaf, true);
	authority_write(fixture->path, middle, false);
	assert_int_equal(tls_identity_from_file(fixture->path, &loaded, why), 0);
	take_identity(&fixture->client, loaded);
	expect_up(fixture);
	tls_identity_free(leaf);
	tls_identity_free(middle);
}

static void intermediate_that_is_missing_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *middle = authority_make(&(struct authority_wish){ .issuer = fixture->root, .is_ca = true });

	take_identity(&fixture->client, issue(middle, "DNS:a.example"));
	expect_refused(fixture, &fixture->server, PROVES_NONE "unable to get local issuer certificate",
		"the peer knows neither this side's key nor the CA of its certificate");
	tls_identity_free(middle);
}

static void intermediate_may_be_trusted_without_its_root(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *middle = authority_make(&(struct authority_wish){ .issuer = fixture->root, .is_ca = true });

	assert_int_equal(unlink(fixture->ca_path), 0);
	authority_write(fixture->ca_path, middle, false);
	take_identity(&fixture->client, issue(middle, "DNS:a.example"));
	take_identity(&fixture->server, issue(middle, "DNS:b.example"));
	expect_up(fixture);
	tls_identity_free(middle);
}

static void root_is_not_trusted_when_only_its_intermediate_is(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *middle = authority_make(&(struct authority_wish){ .issuer = fixture->root, .is_ca = true });

	assert_int_equal(unlink(fixture->ca_path), 0);
	authority_write(fixture->ca_path, middle, false);
	fixture->client.admitted_name = NULL;
	fixture->client.admitted_key = fixture->server.key;
	expect_refused(fixture, &fixture->server, PROVES_NONE "unable to get local issuer certificate",
		"the peer knows neither this side's key nor the CA of its certificate");
	tls_identity_free(middle);
}

static void two_cas_in_the_file_are_both_trusted(void **state)
{
	struct fixture *fixture = *state;
	struct tls_identity *other = authority_root();

	authority_write(fixture->ca_path, other, false);
	take_identity(&fixture->client, issue(other, "DNS:a.example"));
	expect_up(fixture);
	tls_identity_free(other);
}

/* ---- The file of the CA ---- */

static void expect_no_trust(struct fixture *fixture, const char *path, int rc, const char *words)
{
	struct tls_context *context = tls_context_new(fixture->client.identity, TLS_CLIENT, admit, NULL);
	char *expected = xasprintf("%s: %s", path, words), why[DETAIL_MAX + 1];

	assert_int_equal(tls_context_trust(context, path, why), rc);
	assert_string_equal(why, expected);
	free(expected);
	tls_context_free(context);
}

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void file_that_is_no_ca_is_refused(void **state)
{
	struct fixture *fixture = *state;

	expect_no_trust(fixture, fixture->path, -ENOENT, "No such file or directory");
	expect_no_trust(fixture, fixture->folder, -EINVAL, "this is no regular file");
	put_text(fixture->path, "");
	expect_no_trust(fixture, fixture->path, -EINVAL, "no usable certificate after 0: no start line");
	put_text(fixture->path, "garbage\n");
	expect_no_trust(fixture, fixture->path, -EINVAL, "no usable certificate after 0: no start line");
	assert_int_equal(unlink(fixture->path), 0);
	authority_write(fixture->path, fixture->root, false);
	put_text(fixture->path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_int_equal(chmod(fixture->path, 0644), 0);
	struct tls_context *context = tls_context_new(fixture->client.identity, TLS_CLIENT, admit, NULL);
	char why[DETAIL_MAX + 1];

	assert_int_equal(tls_context_trust(context, fixture->path, why), -EINVAL);
	assert_non_null(strstr(why, "no usable certificate after 1: "));
	tls_context_free(context);
}

static void certificate_that_is_no_ca_is_refused_as_one(void **state)
{
	struct fixture *fixture = *state;

	authority_write(fixture->path, fixture->root, false);
	authority_write(fixture->path, fixture->client.identity, false);
	expect_no_trust(fixture, fixture->path, -EINVAL, "certificate 2 in it is not that of a CA");
}

static void ca_that_everybody_can_change_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(chmod(fixture->ca_path, 0666), 0);
	expect_no_trust(fixture, fixture->ca_path, -EACCES, "everybody can change it (mode 0666); chmod 644 it");
}

static void ca_may_be_a_symbolic_link(void **state)
{
	struct fixture *fixture = *state;
	struct tls_context *context = tls_context_new(fixture->client.identity, TLS_CLIENT, admit, NULL);
	char why[DETAIL_MAX + 1];

	assert_int_equal(symlink(fixture->ca_path, fixture->path), 0);
	assert_int_equal(tls_context_trust(context, fixture->path, why), 0);
	tls_context_free(context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(peers_are_known_by_their_names),
		TEST(any_name_of_the_certificate_will_do),
		TEST(another_name_is_refused_by_the_server),
		TEST(another_name_is_refused_by_the_client),
		TEST(names_are_not_patterns),
		TEST(without_a_ca_no_name_is_proven),
		TEST(expired_certificate_is_refused),
		TEST(expired_certificate_of_the_server_is_refused),
		TEST(certificate_of_the_future_is_refused),
		TEST(certificate_of_another_ca_is_refused),
		TEST(certificate_of_a_forged_ca_is_refused),
		TEST(certificate_that_signed_itself_is_refused),
		TEST(certificate_that_a_leaf_signed_is_refused),
		TEST(certificate_for_another_use_is_refused),
		TEST(certificate_for_both_uses_is_taken),
		TEST(certificate_without_key_identifiers_is_refused),
		TEST(key_is_enough_though_the_certificate_has_expired),
		TEST(key_is_enough_without_any_chain),
		TEST(one_side_may_know_a_name_and_the_other_a_key),
		TEST(swapped_keys_are_refused),
		TEST(unknown_key_is_refused_by_the_server_alone),
		TEST(intermediate_that_the_peer_sends_is_used),
		TEST(intermediate_that_is_missing_is_told),
		TEST(peers_are_asked_again_by_the_ca_of_now),
		TEST(a_certificate_for_another_use_is_refused_again),
		TEST(a_peer_whose_handshake_is_not_over_is_nobody),
		TEST(intermediate_may_be_trusted_without_its_root),
		TEST(root_is_not_trusted_when_only_its_intermediate_is),
		TEST(two_cas_in_the_file_are_both_trusted),
		TEST(file_that_is_no_ca_is_refused),
		TEST(certificate_that_is_no_ca_is_refused_as_one),
		TEST(ca_that_everybody_can_change_is_refused),
		TEST(ca_may_be_a_symbolic_link),
	};

	return cmocka_run_group_tests_name("tls_trust", tests, NULL, NULL);
}
