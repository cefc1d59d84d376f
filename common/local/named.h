/* SPDX-License-Identifier: Apache-2.0
 *
 * What the configuration of either daemon names: its identity, a CA, groups. Whatever is not usable is logged with the
 * file and line where it is named. Loop thread, at start.
 */
#ifndef RA_LOCAL_NAMED_H
#define RA_LOCAL_NAMED_H

#include <stdbool.h>

#include "wire/tls.h"

struct config;

/* section: the main one. NULL: not usable. */
struct tls_identity *named_identity(const struct config *config, const char *section);
/* One that trusts the CA too, where one is named. */
struct tls_context *named_context(const struct config *config, const char *section,
	const struct tls_identity *identity, enum tls_role role, tls_admit_fn *admit, void *arg);
bool named_groups_exist(const struct config *config, const char *section);
/* All of it, for --check-config. */
bool named_are_usable(const struct config *config, const char *section);

#endif
