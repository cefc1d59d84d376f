/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to base/config*.c: the lines of one configuration file, checked and taken apart.
 */
#ifndef RA_BASE_CONFIG_FILE_H
#define RA_BASE_CONFIG_FILE_H

#include "base/config.h"

struct config_file_ops {
	/* Each returns false when it wrote why; then nothing follows. */
	bool (*section)(void *arg, unsigned line, const char *kind, const char *name); /* name "" in [kind] */
	bool (*key)(void *arg, unsigned line, const char *key, const char *value);
	/* An indented line without '=' below the key at which may_continue said yes: more of its value. */
	bool (*more)(void *arg, unsigned line, const char *value);
	bool (*may_continue)(void *arg);
};

/* 0; or -errno with why "FILE[:LINE]: ..." . */
int config_file_read(const char *path, const struct config_file_ops *ops, void *arg, char why[CONFIG_WHY_BYTES]);

#endif
