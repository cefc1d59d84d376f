/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity in use, looked at each day: a certificate that nears its end would stop the link one night. Loop thread
 * only.
 */
#ifndef RA_LOCAL_EXPIRY_H
#define RA_LOCAL_EXPIRY_H

#include <stdint.h>

struct clock;
struct expiry;
struct tls_identity;

/* It is warned of now (by who read it) and each day from here on. identity is taken over; path is copied. */
struct expiry *expiry_new(struct clock *clock, struct tls_identity *identity, const char *path);
int64_t expiry_ends_s(const struct expiry *expiry); /* see tls_identity_ends */
void expiry_free(struct expiry *expiry); /* NULL is fine */

#endif
