/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: carries the bytes of one TCP connection after the other on 127.0.0.1, to a listener in the same process,
 * and knows how to stop after the very byte that was asked for. It moves only when it is stepped. Loop thread only.
 */
#ifndef RA_TESTS_BYTE_RELAY_H
#define RA_TESTS_BYTE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To the listener it connects to, and back. */
enum relay_way { RELAY_THERE, RELAY_BACK, RELAY_WAYS };

#define RELAY_ALL UINT64_MAX

/* How a connection ends when a budget is used up. */
enum relay_end {
	RELAY_FIN,   /* both ends are closed in order */
	RELAY_RESET, /* both ends get a reset */
	RELAY_HALF,  /* only the one that came to the relay is told, as when a router forgets a connection */
	RELAY_STALL, /* nothing ends; no further byte goes that way */
};

struct byte_relay {
	uint16_t port, to_port;
	/* For the next connection; then they are RELAY_ALL and RELAY_FIN again. */
	uint64_t next_budget_bytes[RELAY_WAYS];
	enum relay_end next_end;
	/* Of the present one, or the last: */
	uint64_t budget_bytes[RELAY_WAYS]; /* may be changed while it is there */
	uint64_t carried_bytes[RELAY_WAYS];
	enum relay_end end;
	unsigned connections, cuts; /* so far; cuts: of those, ended by a budget */
	bool is_refusing;           /* connections are closed at once */
	/* Sees all that is carried. May be NULL. */
	void (*watch)(void *arg, enum relay_way way, const uint8_t *data, size_t bytes);
	void *watch_arg;
	/* private */
	int listener, fds[2];
	int deaf_fd; /* of RELAY_HALF: the end that was not told */
	struct {
		uint8_t data[65536];
		size_t begin, end;
	} pending[RELAY_WAYS];
};

struct byte_relay *byte_relay_new(uint16_t to_port);
void byte_relay_free(struct byte_relay *relay); /* NULL is fine */
/* Accepts, carries what it can, ends what is used up. True: something happened. */
bool byte_relay_step(struct byte_relay *relay);
bool byte_relay_is_connected(const struct byte_relay *relay);
/* Ends the connection that is there, so. */
void byte_relay_cut(struct byte_relay *relay, enum relay_end end);
/* A listener on 127.0.0.1, non-blocking, at a port of its own. */
int byte_relay_listen(uint16_t *port);

#endif
