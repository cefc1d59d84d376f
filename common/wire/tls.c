/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS sessions by hand: contexts, handshake, reads, buffered writes, key updates, and words for what went wrong. It
 * waits for nothing and knows nothing of frames. Loop thread only.
 *
 * The hard thing is to say what the peer did: OpenSSL's verdict stands in its error queue, in errno or in the state of
 * the session, and a stale entry in the queue makes it lie. So each operation begins with an empty queue and errno 0,
 * and ends in tls_result.
 */
#include "wire/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "base/log.h"
#include "wire/tls_identity.h"
#include "wire/tls_sink.h"
#include "wire/tls_trust.h"

#define READ_AHEAD_BYTES (64u * KIB)
#define PEER_CERTIFICATES_BYTES_MAX (16 * 1024)

struct tls_context {
	SSL_CTX *ssl;
	enum tls_role role;
	bool has_ca;
	tls_admit_fn *admit;
	void *admit_arg;
};

struct tls {
	SSL *ssl;
	BIO *in, *out; /* on the descriptors; owned by ssl */
	tls_admit_fn *admit;
	void *admit_arg;
	bool wants_write;
	bool is_dead;
	bool is_output_closed; /* the peer takes no more; what it sent before can still be read */
	bool is_refused;       /* admit said no */
	bool has_ca;
	int verdict; /* of the CA on the peer's certificate: an X509_V_ code */
	void *peer;  /* what admit returned */
	char peer_key[PEER_KEY_CHARS + 1];
	char error[DETAIL_MAX + 1];
};

/* The signature with this key is checked after, by the handshake. */
static int verify_peer(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	struct tls_proof proof = { .certificate = X509_STORE_CTX_get0_cert(store) };

	(void)unused;
	if (proof.certificate != NULL && tls_certificate_key(proof.certificate, tls->peer_key)) {
		if (tls->has_ca)
			proof.is_from_ca = tls_trust_verify(store, &tls->verdict);
		tls->peer = tls->admit(tls->admit_arg, tls->peer_key, &proof);
	}
	if (tls->peer == NULL) {
		tls->is_refused = true;
		X509_STORE_CTX_set_error(store, tls_trust_alert(tls->verdict));
		return 0;
	}
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

struct tls_context *tls_context_new(const struct tls_identity *identity, enum tls_role role, tls_admit_fn *admit,
	void *arg)
{
	struct tls_context *context = xcalloc(1, sizeof(*context));
	SSL_CTX *ssl;

	ERR_clear_error();
	ssl = context->ssl = SSL_CTX_new(role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
	context->role = role;
	context->admit = admit;
	context->admit_arg = arg;
	if (ssl == NULL || SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ssl,
		    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(ssl, "X25519:P-256") != 1 || SSL_CTX_set_num_tickets(ssl, 0) != 1 ||
	    SSL_CTX_use_certificate(ssl, identity->certificate) != 1 || SSL_CTX_use_PrivateKey(ssl, identity->key) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1 || SSL_CTX_set1_chain(ssl, identity->chain) != 1) {
		log_error("TLS: the identity is refused: %s", tls_library_error());
		tls_context_free(context);
		return NULL;
	}
	/* An end without close_notify is seen as an end: frames show whether something is missing. */
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ssl, verify_peer, NULL);
	SSL_CTX_set_max_cert_list(ssl, PEER_CERTIFICATES_BYTES_MAX);
	SSL_CTX_set_mode(ssl,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS |
		SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, READ_AHEAD_BYTES);
	return context;
}

void tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}

int tls_context_trust(struct tls_context *context, const char *ca_path, char why[DETAIL_MAX + 1])
{
	X509_STORE *store;
	int rc = tls_trust_load(ca_path, &store, why);

	if (rc != 0)
		return rc;
	SSL_CTX_set_cert_store(context->ssl, store);
	context->has_ca = true;
	return 0;
}

struct tls *tls_new(struct tls_context *context, int fd_in, int fd_out)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));

	tls->has_ca = context->has_ca;
	tls->admit = context->admit;
	tls->admit_arg = context->admit_arg;
	tls->ssl = SSL_new(context->ssl);
	tls->in = BIO_new_fd(fd_in, BIO_NOCLOSE);
	tls->out = tls_sink_new(fd_out);
	if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL)
		log_abort("TLS: no memory for a session");
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	SSL_set_app_data(tls->ssl, tls);
	if (context->role == TLS_SERVER)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	return tls;
}

void tls_lend_pages(struct tls *tls)
{
	tls_sink_lend_pages(tls->out);
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	ERR_clear_error();
	if (!tls->is_dead && !tls->is_output_closed && SSL_is_init_finished(tls->ssl))
		SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	ERR_clear_error();
	free(tls);
}

static int die(struct tls *tls, int rc, const char *words)
{
	tls->is_dead = true;
	snprintf(tls->error, sizeof(tls->error), "%s", words);
	ERR_clear_error();
	return rc;
}

static int die_of_errno(struct tls *tls, int number)
{
	if (number == ECONNRESET || number == EPIPE)
		return die(tls, -EPROTO, "the peer reset the connection");
	return number == 0 ? die(tls, -ENODATA, "the peer closed the connection") : die(tls, -EPROTO, strerror(number));
}

static int die_of_protocol(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	bool is_first = tls->peer_key[0] == '\0';

	if (tls->is_refused) {
		char words[DETAIL_MAX + 1];

		snprintf(words, sizeof(words), "the peer's key %s is not known here%s%s", tls->peer_key,
			!tls->has_ca ? "" : tls->verdict == X509_V_OK ? ", nor any name of its certificate" :
			", and its certificate proves no name: ",
			tls->verdict == X509_V_OK ? "" : X509_verify_cert_error_string(tls->verdict));
		return die(tls, -EACCES, words);
	}
	switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return die(tls, -EACCES, "the peer has no certificate");
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return die(tls, -EPROTO, "the peer asks for a certificate");
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
		return die(tls, -EPROTO, "the peer does not know this side's key");
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return die(tls, -EPROTO, "the peer does not know this side's key, and its certificate has expired");
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		return die(tls, -EPROTO, "the peer knows neither this side's key nor the CA of its certificate");
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return die(tls, -EPROTO, "the peer does not speak TLS 1.3");
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return die(tls, -EPROTO, "plain text instead of TLS");
	case SSL_R_WRONG_VERSION_NUMBER:
		if (is_first)
			return die(tls, -EPROTO, "plain text instead of TLS");
		break;
	}
	snprintf(tls->error, sizeof(tls->error), "TLS: %s", tls_library_error());
	tls->is_dead = true;
	return -EPROTO;
}

/* What an operation that did not succeed means; number is its errno. */
static int tls_result(struct tls *tls, int rc, int number)
{
	int reason = SSL_get_error(tls->ssl, rc);

	tls->wants_write = reason == SSL_ERROR_WANT_WRITE;
	switch (reason) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return die(tls, -ENODATA, "the peer closed the connection");
	case SSL_ERROR_SYSCALL:
		return die_of_errno(tls, number);
	default:
		return die_of_protocol(tls);
	}
}

static void begin(struct tls *tls)
{
	assert(!tls->is_dead);
	tls->wants_write = false;
	ERR_clear_error();
	errno = 0;
}

ssize_t tls_read(struct tls *tls, void *buffer, size_t bytes)
{
	size_t taken;
	int rc;

	begin(tls);
	rc = SSL_read_ex(tls->ssl, buffer, bytes, &taken);
	return rc == 1 ? (ssize_t)taken : tls_result(tls, rc, errno);
}

/* A peer that is gone may have said why: its last words are read before the session is dead. */
static int output_result(struct tls *tls, int number)
{
	if (number != EPIPE && number != ECONNRESET)
		return die_of_errno(tls, number);
	tls->is_output_closed = true;
	snprintf(tls->error, sizeof(tls->error), "the peer closed the connection");
	ERR_clear_error();
	return -ENODATA;
}

static int write_result(struct tls *tls, int rc, int number)
{
	if (SSL_get_error(tls->ssl, rc) == SSL_ERROR_SYSCALL && number != 0)
		return output_result(tls, number);
	return tls_result(tls, rc, number);
}

ssize_t tls_write(struct tls *tls, const void *data, size_t bytes)
{
	size_t taken;
	int rc;

	assert(!tls->is_output_closed && bytes > 0);
	begin(tls);
	rc = SSL_write_ex(tls->ssl, data, bytes, &taken);
	return rc == 1 ? (ssize_t)taken : write_result(tls, rc, errno);
}

int tls_flush(struct tls *tls)
{
	int rc;

	assert(!tls->is_output_closed);
	begin(tls);
	rc = tls_sink_flush(tls->out);
	tls->wants_write = rc == -EAGAIN;
	return rc == 0 || rc == -EAGAIN ? rc : output_result(tls, -rc);
}

int tls_handshake(struct tls *tls)
{
	int rc, flushed;

	begin(tls);
	rc = SSL_do_handshake(tls->ssl);
	rc = rc == 1 ? 0 : tls_result(tls, rc, errno);
	if (rc != 0 && (rc != -EAGAIN || tls->wants_write))
		return rc;
	flushed = tls_flush(tls);
	return flushed != 0 ? flushed : rc;
}

int tls_update_key(struct tls *tls)
{
	/* With an empty buffer the message is taken at once. One stuck halfway would keep the session from reading. */
	int rc = tls_flush(tls);

	if (rc != 0)
		return rc;
	begin(tls);
	if (SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
		return die_of_protocol(tls);
	rc = SSL_do_handshake(tls->ssl);
	return rc == 1 ? 0 : write_result(tls, rc, errno);
}

void *tls_admit_again(const struct tls *tls, const struct tls_context *context)
{
	struct tls_proof proof = { .certificate = SSL_get0_peer_certificate(tls->ssl) };

	if (tls->peer == NULL || proof.certificate == NULL)
		return NULL;
	if (context->has_ca)
		proof.is_from_ca = tls_trust_verify_again(SSL_CTX_get_cert_store(context->ssl), tls->ssl);
	return context->admit(context->admit_arg, tls->peer_key, &proof);
}

bool tls_wants_write(const struct tls *tls)
{
	return tls->wants_write;
}

bool tls_has_pending(const struct tls *tls)
{
	return !tls->is_dead && SSL_has_pending(tls->ssl) == 1;
}

const char *tls_peer_key(const struct tls *tls)
{
	return tls->peer_key;
}

void *tls_peer(const struct tls *tls)
{
	return tls->peer;
}

const char *tls_error(const struct tls *tls)
{
	return tls->error;
}

uint64_t tls_sent_bytes(const struct tls *tls)
{
	return tls_sink_sent_bytes(tls->out);
}

uint64_t tls_wire_bytes(const struct tls *tls)
{
	return BIO_number_read(tls->in) + tls_sink_sent_bytes(tls->out);
}
