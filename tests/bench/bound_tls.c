/* SPDX-License-Identifier: Apache-2.0
 *
 * bound_tls A B: the bound of a comparison by data over TLS 1.3 on one machine. One process reads B and sends it over
 * loopback TCP, the other receives it, reads A and compares. Nobody is authenticated: the key is made for the run.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tests/bench/bound.h"

/* The best of those tried; see the traps of each in common/wire/tls.c. */
#define PIECE_BYTES (64u * 1024)
#define WRITE_BUFFER_BYTES (128 * 1024)
#define READ_AHEAD_BYTES (64u * 1024)

static void use_new_key(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	if (key == NULL || certificate == NULL || X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600 * 24) == NULL ||
	    X509_set_pubkey(certificate, key) != 1 || X509_sign(certificate, key, EVP_sha256()) == 0 ||
	    SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1)
		bound_fail("no key");
	EVP_PKEY_free(key);
	X509_free(certificate);
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);

	if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 || SSL_CTX_set_num_tickets(context, 0) != 1)
		bound_fail("no TLS 1.3");
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
	return context;
}

static SSL *new_session(SSL_CTX *context, int fd)
{
	BIO *in = BIO_new_socket(fd, BIO_NOCLOSE), *out = BIO_new_socket(fd, BIO_NOCLOSE);
	BIO *buffer = BIO_new(BIO_f_buffer());
	SSL *ssl = SSL_new(context);
	int one = 1;

	if (in == NULL || out == NULL || buffer == NULL || ssl == NULL ||
	    BIO_set_write_buffer_size(buffer, WRITE_BUFFER_BYTES) != 1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		bound_fail("no TLS session");
	SSL_set_bio(ssl, in, BIO_push(buffer, out));
	return ssl;
}

static void send_volume(const struct bound_volume *volume, SSL_CTX *context, int listener)
{
	int fd = accept(listener, NULL, NULL);
	SSL *ssl = new_session(context, fd);
	void *piece = bound_buffer(PIECE_BYTES);
	size_t bytes, sent;

	if (SSL_accept(ssl) != 1)
		bound_fail("no handshake");
	for (uint64_t offset = 0; offset < volume->size_bytes; offset += bytes) {
		bytes = bound_piece(volume, offset, PIECE_BYTES);
		bound_pread(volume, piece, bytes, offset);
		if (SSL_write_ex(ssl, piece, bytes, &sent) != 1)
			bound_fail("the link broke");
	}
	if (BIO_flush(SSL_get_wbio(ssl)) != 1)
		bound_fail("the link broke");
	_exit(0);
}

static void receive(SSL *ssl, char *piece, size_t bytes)
{
	size_t got;

	for (size_t done = 0; done < bytes; done += got)
		if (SSL_read_ex(ssl, piece + done, bytes - done, &got) != 1)
			bound_fail("the link broke");
}

static uint64_t compare_volume(const struct bound_volume *volume, SSL_CTX *context, int fd)
{
	SSL *ssl = new_session(context, fd);
	char *own = bound_buffer(PIECE_BYTES), *other = bound_buffer(PIECE_BYTES);
	uint64_t different_at = UINT64_MAX;
	size_t bytes;

	if (SSL_connect(ssl) != 1)
		bound_fail("no handshake");
	for (uint64_t offset = 0; offset < volume->size_bytes; offset += bytes) {
		bytes = bound_piece(volume, offset, PIECE_BYTES);
		receive(ssl, other, bytes);
		bound_pread(volume, own, bytes, offset);
		if (different_at == UINT64_MAX && memcmp(own, other, bytes) != 0)
			different_at = offset;
	}
	free(own);
	free(other);
	SSL_free(ssl);
	return different_at;
}

int main(int argc, char *argv[])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct bound_volume volumes[2];
	uint64_t different_at;
	SSL_CTX *context;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t child;

	if (argc != 3)
		bound_fail("usage: bound_tls A B");
	bound_open(volumes, argv + 1);
	if (bind(listener, (void *)&address, length) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (void *)&address, &length) != 0 || (child = fork()) < 0)
		bound_fail("%s", strerror(errno));
	context = new_context(child == 0 ? TLS_server_method() : TLS_client_method());
	if (child == 0) {
		use_new_key(context);
		send_volume(&volumes[1], context, listener);
	}
	close(listener);
	if (connect(fd, (void *)&address, length) != 0)
		bound_fail("%s", strerror(errno));
	different_at = compare_volume(&volumes[0], context, fd);
	SSL_CTX_free(context);
	bound_end(child, different_at);
}
