/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions without a connection around them: who is let in, what each side is told, how a session ends, and that bytes
 * survive full pipes and key updates. Both ends in one thread, on non-blocking socket pairs.
 */
#include "wire/tls.h"

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
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "tests/support/pair.h"
#include "wire/tls_identity.h"

struct party {
	struct tls_identity *identity;
	char key[PEER_KEY_CHARS + 1];
	char admitted[PEER_KEY_CHARS + 1];
	unsigned asked;
	struct tls *tls;
	int fd;
	int rc; /* of the handshake */
};

struct fixture {
	struct party client, server;
	unsigned descriptors;
};

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct party *party = arg;

	party->asked++;
	(void)proof;
	return strcmp(key, party->admitted) == 0 ? party : NULL;
}

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	fixture->descriptors = open_descriptor_count();
	assert_int_equal(tls_identity_generate(&fixture->client.identity), 0);
	assert_int_equal(tls_identity_generate(&fixture->server.identity), 0);
	tls_identity_key(fixture->client.identity, fixture->client.key);
	tls_identity_key(fixture->server.identity, fixture->server.key);
	strcpy(fixture->client.admitted, fixture->server.key);
	strcpy(fixture->server.admitted, fixture->client.key);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	fixture->client.fd = fds[0];
	fixture->server.fd = fds[1];
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	tls_free(fixture->client.tls);
	tls_free(fixture->server.tls);
	tls_identity_free(fixture->client.identity);
	tls_identity_free(fixture->server.identity);
	close(fixture->client.fd);
	close(fixture->server.fd);
	assert_int_equal(open_descriptor_count(), fixture->descriptors);
	free(fixture);
	return 0;
}

static void start(struct party *party, enum tls_role role)
{
	struct tls_context *context = tls_context_new(party->identity, role, admit, party);

	assert_non_null(context);
	party->tls = tls_new(context, party->fd, party->fd);
	party->rc = -EAGAIN;
	tls_context_free(context); /* sessions do not need it */
}

static void step(struct party *party)
{
	if (party->rc == -EAGAIN)
		party->rc = tls_handshake(party->tls);
}

static void handshake(struct fixture *fixture)
{
	start(&fixture->client, TLS_CLIENT);
	start(&fixture->server, TLS_SERVER);
	for (int i = 0; i < 10; i++) {
		step(&fixture->client);
		step(&fixture->server);
	}
}

static void connect_both(struct fixture *fixture)
{
	handshake(fixture);
	assert_int_equal(fixture->client.rc, 0);
	assert_int_equal(fixture->server.rc, 0);
}

/* Reads until there is no more; the code that ended it. */
static int drain(struct party *party)
{
	char buffer[4096];
	ssize_t rc;

	do
		rc = tls_read(party->tls, buffer, sizeof(buffer));
	while (rc > 0);
	return (int)rc;
}

static void send_text(struct party *party, const char *text)
{
	assert_int_equal(tls_write(party->tls, text, strlen(text)), strlen(text));
	assert_int_equal(tls_flush(party->tls), 0);
}

static void expect_text(struct party *party, const char *text)
{
	char buffer[64] = "";

	assert_int_equal(tls_read(party->tls, buffer, sizeof(buffer) - 1), strlen(text));
	assert_string_equal(buffer, text);
}

static void identity_survives_its_pem_text(void **state)
{
	struct fixture *fixture = *state;
	char *pem = tls_identity_to_pem(fixture->client.identity);
	struct tls_identity *copy;
	char key[PEER_KEY_CHARS + 1];

	assert_true(strlen(pem) < IDENTITY_PEM_BYTES_MAX);
	assert_int_equal(tls_identity_from_pem(pem, &copy), 0);
	tls_identity_key(copy, key);
	assert_string_equal(key, fixture->client.key);
	tls_identity_free(fixture->client.identity);
	fixture->client.identity = copy;
	connect_both(fixture);
	free(pem);
}

static void both_sides_are_up_and_know_each_other(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	assert_string_equal(tls_peer_key(fixture->client.tls), fixture->server.key);
	assert_string_equal(tls_peer_key(fixture->server.tls), fixture->client.key);
	assert_int_equal(fixture->client.asked, 1);
	assert_int_equal(fixture->server.asked, 1);
	send_text(&fixture->client, "ping");
	expect_text(&fixture->server, "ping");
	send_text(&fixture->server, "pong");
	expect_text(&fixture->client, "pong");
	assert_int_equal(tls_read(fixture->client.tls, &(char){ 0 }, 1), -EAGAIN);
	assert_false(tls_wants_write(fixture->client.tls));
}

static void wire_bytes_agree_on_both_sides(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	send_text(&fixture->client, "ping");
	expect_text(&fixture->server, "ping");
	assert_int_equal(tls_wire_bytes(fixture->client.tls), tls_wire_bytes(fixture->server.tls));
	assert_int_equal(tls_sent_bytes(fixture->client.tls) + tls_sent_bytes(fixture->server.tls),
		tls_wire_bytes(fixture->client.tls));
	assert_true(tls_sent_bytes(fixture->client.tls) > 0);
}

static void certificate_long_expired_is_let_in_by_its_key(void **state)
{
	struct fixture *fixture = *state;
	X509 *certificate = fixture->client.identity->certificate;

	ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19800101000000Z");
	ASN1_TIME_set_string(X509_getm_notAfter(certificate), "19810101000000Z");
	assert_true(X509_sign(certificate, fixture->client.identity->key, EVP_sha256()) > 0);
	connect_both(fixture);
}

static void server_refuses_an_unknown_client_and_the_client_is_told(void **state)
{
	struct fixture *fixture = *state;

	strcpy(fixture->server.admitted, fixture->server.key);
	handshake(fixture);
	assert_int_equal(fixture->server.rc, -EACCES);
	assert_non_null(strstr(tls_error(fixture->server.tls), fixture->client.key));
	assert_int_equal(fixture->client.rc, 0); /* as TLS 1.3 has it */
	assert_int_equal(drain(&fixture->client), -EPROTO);
	assert_string_equal(tls_error(fixture->client.tls), "the peer does not know this side's key");
}

static void client_refuses_an_unknown_server_and_the_server_is_told(void **state)
{
	struct fixture *fixture = *state;

	strcpy(fixture->client.admitted, fixture->client.key);
	handshake(fixture);
	assert_int_equal(fixture->client.rc, -EACCES);
	assert_non_null(strstr(tls_error(fixture->client.tls), fixture->server.key));
	assert_int_equal(fixture->server.rc, -EPROTO);
	assert_string_equal(tls_error(fixture->server.tls), "the peer does not know this side's key");
	assert_int_equal(fixture->server.asked, 0);
}

/* The server against a client of plain OpenSSL. */
static void serve_raw(struct fixture *fixture, const struct tls_identity *identity, int max_version)
{
	struct raw_client *client = raw_client_new(fixture->client.fd, identity, max_version);

	start(&fixture->server, TLS_SERVER);
	for (int i = 0; i < 10; i++) {
		raw_client_step(client);
		step(&fixture->server);
	}
	raw_client_free(client);
}

static void client_without_certificate_is_refused(void **state)
{
	struct fixture *fixture = *state;

	serve_raw(fixture, NULL, TLS1_3_VERSION);
	assert_int_equal(fixture->server.rc, -EACCES);
	assert_string_equal(tls_error(fixture->server.tls), "the peer has no certificate");
	assert_int_equal(fixture->server.asked, 0);
}

static void client_of_tls_1_2_is_refused(void **state)
{
	struct fixture *fixture = *state;

	serve_raw(fixture, fixture->client.identity, TLS1_2_VERSION);
	assert_int_equal(fixture->server.rc, -EPROTO);
	assert_string_equal(tls_error(fixture->server.tls), "the peer does not speak TLS 1.3");
}

static void plain_text_is_called_plain_text(void **state)
{
	static const char *const texts[] = { "GET / HTTP/1.0\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n",
		"RA\x01\x01 and more words" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fixture *fixture = *state;
		enum tls_role role = i % 2 == 0 ? TLS_SERVER : TLS_CLIENT;

		start(&fixture->server, role);
		assert_int_equal(write(fixture->client.fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		step(&fixture->server);
		step(&fixture->server);
		assert_int_equal(fixture->server.rc, -EPROTO);
		assert_string_equal(tls_error(fixture->server.tls), "plain text instead of TLS");
		tear_down(state);
		set_up(state);
	}
}

static void end_with_close_notify_is_an_end(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	send_text(&fixture->client, "last");
	tls_free(fixture->client.tls);
	fixture->client.tls = NULL;
	expect_text(&fixture->server, "last"); /* the descriptor is still open: close_notify is what ends it */
	assert_int_equal(drain(&fixture->server), -ENODATA);
}

static void end_without_close_notify_is_an_end_too(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	assert_int_equal(shutdown(fixture->client.fd, SHUT_WR), 0);
	assert_int_equal(drain(&fixture->server), -ENODATA);
}

static void end_inside_the_handshake_is_an_end(void **state)
{
	struct fixture *fixture = *state;

	start(&fixture->server, TLS_SERVER);
	assert_int_equal(write(fixture->client.fd, "\x16\x03\x01", 3), 3);
	step(&fixture->server);
	assert_int_equal(fixture->server.rc, -EAGAIN);
	assert_int_equal(shutdown(fixture->client.fd, SHUT_WR), 0);
	step(&fixture->server);
	assert_int_equal(fixture->server.rc, -ENODATA);
}

static void bytes_changed_on_the_way_are_refused(void **state)
{
	struct fixture *fixture = *state;
	static const char record[] = "\x17\x03\x03\x00\x20 thirty-two bytes of no meaning ";

	connect_both(fixture);
	assert_int_equal(write(fixture->client.fd, record, sizeof(record) - 1), sizeof(record) - 1);
	assert_int_equal(drain(&fixture->server), -EPROTO);
	assert_non_null(strstr(tls_error(fixture->server.tls), "TLS: "));
}

static void last_words_of_a_peer_can_be_read_after_a_write_failed(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	send_text(&fixture->client, "why");
	shutdown(fixture->client.fd, SHUT_RDWR);
	assert_int_equal(tls_write(fixture->server.tls, "x", 1), 1); /* into the buffer */
	assert_int_equal(tls_flush(fixture->server.tls), -ENODATA);
	expect_text(&fixture->server, "why");
	assert_int_equal(drain(&fixture->server), -ENODATA);
}

#define TRANSFER_BYTES (3u * MIB)

/* Sends TRANSFER_BYTES through the small buffer of the socket pair, with a new key at each multiple of update_bytes. */
static void transfer(struct fixture *fixture, size_t update_bytes)
{
	uint8_t *sent = xcalloc(1, TRANSFER_BYTES), *received = xcalloc(1, TRANSFER_BYTES);
	size_t out = 0, in = 0, updated = 0;
	bool was_full = false;

	for (size_t i = 0; i < TRANSFER_BYTES; i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 13);
	while (in < TRANSFER_BYTES) {
		ssize_t rc = 1;

		while (out < TRANSFER_BYTES && rc > 0) {
			size_t piece = TRANSFER_BYTES - out < 100000 ? TRANSFER_BYTES - out : 100000;

			rc = out - updated >= update_bytes ? tls_update_key(fixture->client.tls) : 0;
			if (rc == 0) {
				updated = out - updated >= update_bytes ? out : updated;
				rc = tls_write(fixture->client.tls, sent + out, piece);
			}
			out += rc > 0 ? (size_t)rc : 0;
		}
		if (rc < 0) {
			assert_int_equal(rc, -EAGAIN);
			assert_true(tls_wants_write(fixture->client.tls));
			was_full = true;
		} else {
			rc = tls_flush(fixture->client.tls);
			assert_true(rc == 0 || rc == -EAGAIN);
		}
		do {
			rc = in < TRANSFER_BYTES ? tls_read(fixture->server.tls, received + in, TRANSFER_BYTES - in) : -EAGAIN;
			in += rc > 0 ? (size_t)rc : 0;
		} while (rc > 0);
		assert_int_equal(rc, -EAGAIN);
	}
	assert_memory_equal(sent, received, TRANSFER_BYTES);
	assert_true(was_full);
	free(sent);
	free(received);
}

static void bytes_survive_a_full_socket(void **state)
{
	connect_both(*state);
	transfer(*state, SIZE_MAX);
}

static void bytes_survive_many_key_updates(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	transfer(fixture, 1);
	assert_int_equal(tls_update_key(fixture->server.tls), 0);
	send_text(&fixture->server, "after");
	expect_text(&fixture->client, "after");
}

static void pending_bytes_are_known(void **state)
{
	struct fixture *fixture = *state;

	connect_both(fixture);
	assert_false(tls_has_pending(fixture->server.tls));
	send_text(&fixture->client, "two");
	assert_int_equal(tls_read(fixture->server.tls, &(char){ 0 }, 1), 1);
	assert_true(tls_has_pending(fixture->server.tls));
	expect_text(&fixture->server, "wo");
	assert_false(tls_has_pending(fixture->server.tls));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity_survives_its_pem_text),
		TEST(both_sides_are_up_and_know_each_other),
		TEST(wire_bytes_agree_on_both_sides),
		TEST(certificate_long_expired_is_let_in_by_its_key),
		TEST(server_refuses_an_unknown_client_and_the_client_is_told),
		TEST(client_refuses_an_unknown_server_and_the_server_is_told),
		TEST(client_without_certificate_is_refused),
		TEST(client_of_tls_1_2_is_refused),
		TEST(plain_text_is_called_plain_text),
		TEST(end_with_close_notify_is_an_end),
		TEST(end_without_close_notify_is_an_end_too),
		TEST(end_inside_the_handshake_is_an_end),
		TEST(bytes_changed_on_the_way_are_refused),
		TEST(last_words_of_a_peer_can_be_read_after_a_write_failed),
		TEST(bytes_survive_a_full_socket),
		TEST(bytes_survive_many_key_updates),
		TEST(pending_bytes_are_known),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
