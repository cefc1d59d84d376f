/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity in use and the CA, looked at each day: a certificate that nears its end would stop the link one night.
 * Loop thread only.
 */
#ifndef RA_LOCAL_EXPIRY_H
#define RA_LOCAL_EXPIRY_H

#include <stdint.h>

struct clock;
struct expiry;
struct tls_identity;

/* Each day from here on; the CA now, too (of the identity who read it has warned). identity is taken over, the paths
 * are copied; ca_path is "" for none. */
struct expiry *expiry_new(struct clock *clock, struct tls_identity *identity, const char *path, const char *ca_path);
int64_t expiry_ends_s(const struct expiry *expiry); /* see tls_identity_ends */
void expiry_free(struct expiry *expiry); /* NULL is fine */

#endif
