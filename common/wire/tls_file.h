/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/tls*.c: files of PEM text, read whole after a look at who may read and change them.
 */
#ifndef RA_WIRE_TLS_FILE_H
#define RA_WIRE_TLS_FILE_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/limits.h"

enum tls_file_kind {
	TLS_FILE_PUBLIC,     /* must not be everybody's to write */
	TLS_FILE_SECRET,     /* of root or this user, for nobody else, and no symbolic link */
	TLS_FILE_CREDENTIAL, /* the same, but the access list that gives it to this user shows as its group's */
};

/* 0 and the text, to be freed; or -errno with words in why that name the file. */
int tls_file_read(const char *path, enum tls_file_kind kind, char **text, char why[DETAIL_MAX + 1]);
/* Warns (logged) when it ended or will in 30 days, or is not valid yet; what: "its certificate". */
void tls_certificate_warn_of_dates(const X509 *certificate, const char *path, const char *what);

#endif
