/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutual TLS 1.3 by hand. A peer is known by the SHA-256 of its public key (SubjectPublicKeyInfo), and then no CA, name
 * or clock matters; or, where a CA is trusted, by a DNS name that its certificate proves. Sessions never block; their
 * descriptors stay the caller's and must be non-blocking. Loop thread only.
 */
#ifndef RA_WIRE_TLS_H
#define RA_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/message.h" /* PEER_KEY_CHARS */

struct tls_identity; /* a private key and its certificate */
struct tls_context;  /* an identity, a role and the peers that are let in */
struct tls;          /* one session */

enum tls_role { TLS_CLIENT, TLS_SERVER };

/* A new P-256 key and a self-signed certificate for it. */
int tls_identity_generate(struct tls_identity **out);
/* PEM text: one private key and its certificate, then those between it and its CA if any. -EINVAL (logged with the
 * reason) when something is missing or does not belong together. */
int tls_identity_from_pem(const char *pem, struct tls_identity **out);
/* The same from a file. -EACCES when anybody but its owner may read or change it, -ELOOP for a symbolic link; why has
 * words that name the file. A certificate of a CA that is out of date, or will be in 30 days, is warned of (logged). */
int tls_identity_from_file(const char *path, struct tls_identity **out, char why[DETAIL_MAX + 1]);
/* The same from a file of systemd's credentials, whose access list gives it to this user. */
int tls_identity_from_credential(const char *path, struct tls_identity **out, char why[DETAIL_MAX + 1]);
/* Warns (logged) when its certificate, of a CA, ended or will in 30 days, or is not valid yet. */
void tls_identity_warn_of_dates(const struct tls_identity *identity, const char *path);
/* A new file of mode 0600; -EEXIST when there is one. When it cannot be written whole it is removed. */
int tls_identity_to_file(const struct tls_identity *identity, const char *path);
/* Key and certificate as PEM text, at most IDENTITY_PEM_BYTES_MAX with the NUL; cleared and freed by the caller. */
char *tls_identity_to_pem(const struct tls_identity *identity);
void tls_identity_key(const struct tls_identity *identity, char key[PEER_KEY_CHARS + 1]); /* "sha256:…" */
/* When its certificate ends, in seconds since 1970; 0: it signed itself, and then its dates do not matter. */
int64_t tls_identity_ends(const struct tls_identity *identity);
void tls_identity_free(struct tls_identity *identity);

/* What the handshake proves besides the key. */
struct tls_proof;
/* Its certificate comes from the CA of tls_context_trust, is in date, and has this DNS name. */
bool tls_proof_has_name(const struct tls_proof *proof, const char *dns_name);

/* Says who the peer with this key is: NULL when it is not let in, else what tls_peer returns. Asked once per handshake,
 * before the session counts as up. */
typedef void *tls_admit_fn(void *arg, const char *key, const struct tls_proof *proof);

/* identity is only read here and may be freed after. NULL when OpenSSL refuses the identity (logged). */
struct tls_context *tls_context_new(const struct tls_identity *identity, enum tls_role role, tls_admit_fn *admit,
	void *arg);
void tls_context_free(struct tls_context *context);
/* Certificates of this CA (PEM file) prove DNS names; without it tls_proof_has_name is always false. 0, or -errno with
 * words in why that name the file. */
int tls_context_trust(struct tls_context *context, const char *ca_path, char why[DETAIL_MAX + 1]);
/* Warns (logged) of each certificate in that file as of an identity's, and when the file is not usable any more. */
void tls_ca_warn_of_dates(const char *ca_path);

/* fd_in and fd_out may be the same. */
struct tls *tls_new(struct tls_context *context, int fd_in, int fd_out);
/* Before the handshake: see tls_sink_lend_pages. */
void tls_lend_pages(struct tls *tls);
void tls_free(struct tls *tls); /* sends close_notify when the session is still good */

/* All return bytes > 0 or 0 (handshake, flush, update done), or
 *   -EAGAIN      nothing more now; tls_wants_write says what to wait for,
 *   -ENODATA     the peer closed,
 *   -EACCES      the peer's key is not let in, or it has none,
 *   -EPROTO      anything else; tls_error says what.
 * After one of the last three the session is dead, with one exception: after -ENODATA from tls_write, tls_flush or
 * tls_update_key, tls_read may still return what the peer said before it went. */
int tls_handshake(struct tls *tls);
ssize_t tls_read(struct tls *tls, void *buffer, size_t bytes);
/* May take less than all. After -EAGAIN the same bytes must be given again. Buffered: see tls_flush. */
ssize_t tls_write(struct tls *tls, const void *data, size_t bytes);
int tls_flush(struct tls *tls);
/* New sending key (KeyUpdate); only between writes that were taken. Buffered, like tls_write. */
int tls_update_key(struct tls *tls);

/* What the admit of this context says of the peer whose handshake is over, by what it proved then and by the context's
 * CA; NULL also before. The session stays as it is. */
void *tls_admit_again(const struct tls *tls, const struct tls_context *context);

bool tls_wants_write(const struct tls *tls);
/* There are bytes that were read from the descriptor and not yet by tls_read: no event will come for them. */
bool tls_has_pending(const struct tls *tls);
const char *tls_peer_key(const struct tls *tls); /* "sha256:…" as soon as it was seen, else "" */
void *tls_peer(const struct tls *tls); /* what admit returned; NULL before */
const char *tls_error(const struct tls *tls);
/* Bytes on the descriptors, both ways. */
uint64_t tls_wire_bytes(const struct tls *tls);
uint64_t tls_sent_bytes(const struct tls *tls); /* only those sent */

#endif
