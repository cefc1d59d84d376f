/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a TLS session writes: an OpenSSL BIO that gathers records and gives many to its descriptor in one call. To a
 * pipe it may lend the pages that they stand in, which saves a copy and the memory for it. Loop thread only.
 */
#ifndef RA_WIRE_TLS_SINK_H
#define RA_WIRE_TLS_SINK_H

#include <stdint.h>

#include <openssl/types.h>

/* fd stays the caller's and must be non-blocking. NULL: no memory. */
BIO *tls_sink_new(int fd);
/* While nothing was written yet. If fd is a pipe, and where the system lets it; else it goes on to copy. Nobody may
 * make the pipe larger after that, and whoever reads it must do so by read(), not by splice() or tee(): what has left
 * the pipe is written anew. */
void tls_sink_lend_pages(BIO *sink);
/* 0 when all is given to the descriptor, -EAGAIN when not yet, or another -errno. OpenSSL's own BIO_flush also tries,
 * and leaves what does not go to this. */
int tls_sink_flush(BIO *sink);
uint64_t tls_sink_sent_bytes(const BIO *sink);

#endif
