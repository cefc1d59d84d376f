/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/: bytes in and out of a non-blocking connection, TLS or a plain Unix socket, with the same results as
 * tls.h (bytes or 0, -EAGAIN, -ENODATA, -EACCES, -EPROTO). Owns the descriptors. Loop thread only.
 */
#ifndef RA_WIRE_TRANSPORT_H
#define RA_WIRE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls;
struct tls_context;
struct transport;

/* Both make the descriptors non-blocking and take them, and tls, over. */
struct transport *transport_new_tls(struct tls *tls, int fd_in, int fd_out);
struct transport *transport_new_plain(int fd);
void transport_free(struct transport *transport);
int transport_fd_in(const struct transport *transport);
int transport_fd_out(const struct transport *transport);
bool transport_is_tls(const struct transport *transport);

int transport_handshake(struct transport *transport);
ssize_t transport_read(struct transport *transport, void *buffer, size_t bytes);
/* fd goes with the first byte; -1: none. */
ssize_t transport_write(struct transport *transport, const void *data, size_t bytes, int fd);
int transport_flush(struct transport *transport);
int transport_update_key(struct transport *transport);

bool transport_wants_write(const struct transport *transport);
bool transport_has_pending(const struct transport *transport);
/* The descriptor that came since the last call, now the caller's, or -1. */
int transport_take_fd(struct transport *transport);
const char *transport_peer_key(const struct transport *transport);
void *transport_peer(const struct transport *transport); /* see tls_peer */
void *transport_admit_again(const struct transport *transport, const struct tls_context *context); /* of TLS */
const char *transport_error(const struct transport *transport);
uint64_t transport_wire_bytes(const struct transport *transport);
uint64_t transport_sent_bytes(const struct transport *transport);

#endif
