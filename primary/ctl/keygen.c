/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl keygen. A file that is there is never touched: it may hold the key that other hosts know. One thread.
 */
#include "primary/ctl/keygen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "wire/tls.h"

/* The folder is what is missing on the first day. */
static void say_failure(const char *path, int rc)
{
	const char *slash = strrchr(path, '/');

	if (rc == -EEXIST)
		log_error("%s is there already, and other hosts may know its key: it stays as it is (ra-ctl status shows the "
			  "key of a daemon; for a new one, move the file away first)", path);
	else if (rc == -ENOENT && slash != NULL && slash != path)
		log_error("cannot write %s: there is no folder %.*s", path, (int)(slash - path), path);
	else
		log_error("cannot write %s: %s", path, strerror(-rc));
}

enum ctl_exit ctl_keygen(const struct ctl_options *options)
{
	struct tls_identity *identity = NULL;
	char key[PEER_KEY_CHARS + 1];
	int rc = tls_identity_generate(&identity);

	if (rc != 0)
		return CTL_USAGE; /* logged there */
	rc = tls_identity_to_file(identity, options->out);
	tls_identity_key(identity, key);
	tls_identity_free(identity);
	if (rc != 0) {
		say_failure(options->out, rc);
		return CTL_USAGE;
	}
	printf("[peer %s]\nkey = %s\n", options->name, key);
	fflush(stdout);
	fprintf(stderr, "The private key of %s is in %s: it stays on this host, and only its owner can read it.\n"
		"The two lines above are for the other host: into its primary.conf, with address = HOST:PORT of this one,\n"
		"or into its secondary.conf, with devices = what this host may read.\n", options->name, options->out);
	return CTL_GOOD;
}
