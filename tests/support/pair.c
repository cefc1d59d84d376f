/* SPDX-License-Identifier: Apache-2.0
 *
 * Two ends of a connection in one process. Data written to a socket pair can be read at once, so loop passes that do
 * not wait are enough, and a test is as fast as its code.
 */
#include "tests/support/pair.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"
#include "base/log.h"
#include "wire/tls_identity.h"

#define SETTLE_PASSES 20

static void on_up(void *arg)
{
	struct end *end = arg;

	end->ups++;
	if (end->on_up)
		end->on_up(end);
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct end *end = arg;

	assert(message_payload_bytes_max(message->type) >= payload_bytes);
	end->payloads++;
	return end->payload && payload_bytes <= end->payload_bytes_max ? end->payload : NULL;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct end *end = arg;

	end->frames++;
	end->last = *message;
	end->last_payload_bytes = payload_bytes;
	return end->on_frame ? end->on_frame(end, message) : 0;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	struct end *end = arg;

	end->closes++;
	end->clean = clean;
	snprintf(end->reason, sizeof(end->reason), "%s", reason);
	if (end->on_closed)
		end->on_closed(end);
}

static const struct conn_ops ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };

struct pair *pair_new(void)
{
	struct pair *pair = xcalloc(1, sizeof(*pair));
	int rc;

	signal(SIGPIPE, SIG_IGN);
	pair->base = event_base_new();
	pair->clock = clock_new_virtual();
	rc = tls_identity_generate(&pair->identity_a) | tls_identity_generate(&pair->identity_b);
	assert(rc == 0 && pair->base != NULL);
	tls_identity_key(pair->identity_a, pair->key_a);
	tls_identity_key(pair->identity_b, pair->key_b);
	pair->admitted_by_a = pair->key_b;
	pair->admitted_by_b = pair->key_a;
	pair->a.pair = pair->b.pair = pair;
	return pair;
}

void end_free_conn(struct end *end)
{
	conn_free(end->conn);
	end->conn = NULL;
}

void pair_free(struct pair *pair)
{
	end_free_conn(&pair->a);
	end_free_conn(&pair->b);
	tls_identity_free(pair->identity_a);
	tls_identity_free(pair->identity_b);
	clock_free(pair->clock);
	event_base_free(pair->base);
	free(pair);
}

static unsigned descriptors_before;

int pair_set_up(void **state)
{
	descriptors_before = open_descriptor_count();
	pair_note_reset();
	*state = pair_new();
	return 0;
}

int pair_tear_down(void **state)
{
	pair_free(*state);
	assert_int_equal(open_descriptor_count(), descriptors_before);
	return 0;
}

void end_expect_closed(struct end *end, const char *reason, bool clean)
{
	assert_int_equal(end->closes, 1);
	assert_string_equal(end->reason, reason);
	assert_int_equal(end->clean, clean);
}

struct pair_note pair_note;

void pair_note_reset(void)
{
	pair_note = (struct pair_note){ .count = 0 };
}

void pair_note_done(void *arg, bool sent)
{
	assert_true(pair_note.count < sizeof(pair_note.order) - 1);
	pair_note.order[pair_note.count++] = *(const char *)arg;
	pair_note.order[pair_note.count] = '\0';
	pair_note.sent += sent;
}

const uint8_t *pair_noise(void)
{
	static uint8_t noise[FRAME_PAYLOAD_BYTES_MAX];
	static bool is_made;

	for (size_t i = 0; !is_made && i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 2654435761u >> 11);
	is_made = true;
	return noise;
}

void end_send_big(struct end *end, void (*done)(void *arg, bool sent), const char *name)
{
	static const struct message reply = { MESSAGE_READ_REPLY,
		.read_reply = { .tag = 3, .status = STATUS_OK, .track_count = 1, .states = { TRACK_DATA } } };
	struct conn_piece pieces[RUN_TRACKS_MAX];
	const size_t bytes = FRAME_PAYLOAD_BYTES_MAX / RUN_TRACKS_MAX;

	for (unsigned i = 0; i < RUN_TRACKS_MAX; i++)
		pieces[i] = (struct conn_piece){ pair_noise() + i * bytes, bytes };
	conn_send(end->conn, &reply, pieces, RUN_TRACKS_MAX, done, (void *)name);
}

size_t pair_put_frame(uint8_t *out, unsigned type, const void *message, size_t message_bytes, uint32_t payload_bytes)
{
	const struct frame_header header = { .type = (uint8_t)type, .message_bytes = (uint32_t)message_bytes,
		.payload_bytes = payload_bytes };

	frame_encode(&header, out);
	if (message)
		memcpy(out + FRAME_HEADER_BYTES, message, message_bytes);
	return FRAME_HEADER_BYTES + message_bytes;
}

static void *admit_by_a(void *arg, const char *key, const struct tls_proof *proof)
{
	struct pair *pair = arg;

	pair->admit_calls++;
	(void)proof;
	return strcmp(key, pair->admitted_by_a) == 0 ? pair : NULL;
}

static void *admit_by_b(void *arg, const char *key, const struct tls_proof *proof)
{
	struct pair *pair = arg;

	pair->admit_calls++;
	(void)proof;
	return strcmp(key, pair->admitted_by_b) == 0 ? pair : NULL;
}

void pair_tls_a(struct pair *pair, int fd_in, int fd_out)
{
	struct tls_context *context = tls_context_new(pair->identity_a, TLS_CLIENT, admit_by_a, pair);

	pair->a.conn = conn_new_tls(pair->base, pair->clock, tls_new(context, fd_in, fd_out), fd_in, fd_out, "a", &ops,
		&pair->a);
	tls_context_free(context);
}

void pair_tls_b(struct pair *pair, int fd_in, int fd_out)
{
	struct tls_context *context = tls_context_new(pair->identity_b, TLS_SERVER, admit_by_b, pair);

	pair->b.conn = conn_new_tls(pair->base, pair->clock, tls_new(context, fd_in, fd_out), fd_in, fd_out, "b", &ops,
		&pair->b);
	tls_context_free(context);
}

void pair_plain_a(struct pair *pair, int fd)
{
	pair->a.conn = conn_new_plain(pair->base, pair->clock, fd, "a", &ops, &pair->a);
}

void pair_plain_b(struct pair *pair, int fd)
{
	pair->b.conn = conn_new_plain(pair->base, pair->clock, fd, "b", &ops, &pair->b);
}

static void socket_pair(int fds[2])
{
	int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);

	assert(rc == 0);
}

void pair_connect_tls(struct pair *pair)
{
	int fds[2];

	socket_pair(fds);
	pair_tls_a(pair, fds[0], fds[0]);
	pair_tls_b(pair, fds[1], fds[1]);
}

void pair_connect_plain(struct pair *pair)
{
	int fds[2];

	socket_pair(fds);
	pair_plain_a(pair, fds[0]);
	pair_plain_b(pair, fds[1]);
}

int pair_raw_to_b(struct pair *pair, bool is_tls)
{
	int fds[2];

	socket_pair(fds);
	if (is_tls)
		pair_tls_b(pair, fds[1], fds[1]);
	else
		pair_plain_b(pair, fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return fds[0];
}

void pair_pass(struct pair *pair)
{
	event_base_loop(pair->base, EVLOOP_NONBLOCK);
}

void pair_settle(struct pair *pair)
{
	for (int i = 0; i < SETTLE_PASSES; i++)
		pair_pass(pair);
}

static int captured_fd = -1, stderr_fd = -1;

void capture_start(void)
{
	assert(captured_fd < 0);
	captured_fd = memfd_create("stderr", MFD_CLOEXEC);
	stderr_fd = dup(STDERR_FILENO);
	dup2(captured_fd, STDERR_FILENO);
}

char *capture_end(void)
{
	off_t bytes = lseek(captured_fd, 0, SEEK_END);
	char *text = xcalloc((size_t)bytes + 1, 1);
	ssize_t taken = pread(captured_fd, text, (size_t)bytes, 0);

	assert(taken == bytes);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(captured_fd);
	captured_fd = stderr_fd = -1;
	return text;
}

unsigned line_count(const char *text)
{
	unsigned lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

unsigned open_descriptor_count(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert(directory != NULL);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

struct raw_client {
	SSL_CTX *context;
	SSL *ssl;
};

struct raw_client *raw_client_new(int fd, const struct tls_identity *identity, int max_version)
{
	struct raw_client *client = xcalloc(1, sizeof(*client));

	client->context = SSL_CTX_new(TLS_client_method());
	assert(client->context != NULL);
	SSL_CTX_set_max_proto_version(client->context, max_version);
	if (identity) {
		SSL_CTX_use_certificate(client->context, identity->certificate);
		SSL_CTX_use_PrivateKey(client->context, identity->key);
	}
	client->ssl = SSL_new(client->context);
	SSL_set_fd(client->ssl, fd);
	SSL_set_connect_state(client->ssl);
	return client;
}

void raw_client_step(struct raw_client *client)
{
	char byte;

	ERR_clear_error();
	if (!SSL_is_init_finished(client->ssl))
		SSL_do_handshake(client->ssl);
	else
		SSL_read(client->ssl, &byte, 1);
	ERR_clear_error();
}

void raw_client_free(struct raw_client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
	free(client);
}
