/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to wire/tls*.c: files of PEM text, read whole after a look at who may read and change them.
 */
#ifndef RA_WIRE_TLS_FILE_H
#define RA_WIRE_TLS_FILE_H

#include <stdbool.h>

#include "base/limits.h"

/* 0 and the text, to be freed; or -errno with words in why that name the file. A secret is of root or this
 * user, for nobody else, and no symbolic link; what is not secret must not be everybody's to write. */
int tls_file_read(const char *path, bool is_secret, char **text, char why[DETAIL_MAX + 1]);

#endif
