/* SPDX-License-Identifier: Apache-2.0
 *
 * crowd PORT KIND COUNT: keeps so many connections to 127.0.0.1:PORT open, as strangers do that mean no good, until it
 * is ended or its parent is. Prints "full" when all of them were connected once. KIND:
 *   silent     says nothing
 *   bytes      a byte of rubbish, now and then
 *   handshake  a true ClientHello, one byte at a time, and nothing more
 *   anonymous  a whole TLS handshake without a certificate
 * One that was closed is made again after a moment, and each leaves and comes again now and then: one that the server
 * never got to know, because its queue was full, heals by that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/alloc.h"

#define PERIOD_MS 50 /* between two bytes of a connection */
#define AGAIN_MS 300 /* until a closed one is made again */
#define LIFE_MS 4000 /* then it leaves by itself */

struct stranger {
	int fd; /* -1: closed */
	int64_t next_ms, came_ms;
	size_t said;
	SSL *ssl; /* anonymous */
	bool was_open;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A ClientHello as OpenSSL says it, or rubbish. */
static size_t first_words(const char *kind, SSL_CTX *context, unsigned char *words, size_t words_bytes)
{
	SSL *ssl;
	BIO *out;
	int bytes;

	if (strcmp(kind, "handshake") != 0) {
		memset(words, 0x16, words_bytes); /* as a TLS record begins */
		return words_bytes;
	}
	ssl = SSL_new(context);
	out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	bytes = BIO_read(out, words, (int)words_bytes);
	SSL_free(ssl);
	return bytes > 0 ? (size_t)bytes : 0;
}

static void leave(struct stranger *stranger, int64_t now)
{
	SSL_free(stranger->ssl);
	stranger->ssl = NULL;
	close(stranger->fd);
	stranger->fd = -1;
	stranger->said = 0;
	stranger->next_ms = now + AGAIN_MS;
}

static void come(struct stranger *stranger, uint16_t port, SSL_CTX *context, bool is_anonymous, int64_t now)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	stranger->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (stranger->fd < 0 ||
	    (connect(stranger->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
		leave(stranger, now);
		return;
	}
	stranger->next_ms = stranger->came_ms = now;
	if (is_anonymous) {
		stranger->ssl = SSL_new(context);
		SSL_set_fd(stranger->ssl, stranger->fd);
		SSL_set_connect_state(stranger->ssl);
	}
}

static void note_open(struct stranger *stranger, unsigned *open_once)
{
	struct sockaddr_in peer;
	socklen_t bytes = sizeof(peer);

	if (stranger->was_open || getpeername(stranger->fd, (struct sockaddr *)&peer, &bytes) != 0)
		return;
	stranger->was_open = true;
	(*open_once)++;
}

/* Says its next byte. False: it was closed. */
static bool say(struct stranger *stranger, const unsigned char *words, size_t words_bytes, int64_t now)
{
	char heard[4096];

	if (stranger->ssl != NULL) {
		int rc = SSL_read(stranger->ssl, heard, sizeof(heard)), error = SSL_get_error(stranger->ssl, rc);

		return rc > 0 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
	}
	ssize_t bytes = recv(stranger->fd, heard, sizeof(heard), 0);

	if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != ENOTCONN))
		return false;
	if (now < stranger->next_ms || stranger->said >= words_bytes)
		return true;
	stranger->next_ms = now + PERIOD_MS;
	if (send(stranger->fd, words + stranger->said, 1, MSG_NOSIGNAL) == 1)
		stranger->said++;
	return true;
}

int main(int argc, char **argv)
{
	static unsigned char words[4096];
	struct rlimit limit;
	struct stranger *crowd;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	unsigned count, open_once = 0;
	size_t words_bytes;
	bool is_full = false;

	if (argc != 4 || context == NULL)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	count = (unsigned)atoi(argv[3]);
	crowd = xcalloc(count, sizeof(*crowd));
	words_bytes = strcmp(argv[2], "silent") == 0 ? 0 : first_words(argv[2], context, words, sizeof(words));
	for (unsigned i = 0; i < count; i++)
		crowd[i].fd = -1;
	for (;;) {
		for (unsigned i = 0; i < count; i++) {
			struct stranger *stranger = &crowd[i];
			int64_t now = now_ms();

			if (stranger->fd < 0 && now >= stranger->next_ms) {
				come(stranger, (uint16_t)atoi(argv[1]), context, strcmp(argv[2], "anonymous") == 0, now);
			} else if (stranger->fd >= 0) {
				note_open(stranger, &open_once);
				if (!say(stranger, words, words_bytes, now) || now - stranger->came_ms > LIFE_MS)
					leave(stranger, now);
			}
		}
		if (!is_full && open_once == count) {
			is_full = true;
			puts("full");
			fflush(stdout);
		}
		poll(NULL, 0, 10);
	}
}
