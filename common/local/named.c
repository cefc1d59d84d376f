/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration names: see named.h. No state.
 */
#include "local/named.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/log.h"
#include "local/admin.h"

static void log_refusal(const struct config *config, const char *section, const char *key, const char *why)
{
	log_error("%s: %s: %s", config_where(config, section, NULL, key), key, why);
}

/* The file of this name in a folder of the environment; NULL: there is none. The caller frees it. */
static char *find_in(const char *variable, const char *path)
{
	const char *folder = getenv(variable);
	char *found;

	if (folder == NULL || folder[0] != '/')
		return NULL;
	found = xasprintf("%s%s", folder, strrchr(path, '/'));
	if (access(found, F_OK) == 0)
		return found;
	free(found);
	return NULL;
}

/* As a service this user cannot read the file itself: it gets it as a credential at the start, and for a reload in a
 * folder that the unit names. */
static int read_identity(const char *path, struct tls_identity **out, char why[DETAIL_MAX + 1])
{
	char *credential = find_in("CREDENTIALS_DIRECTORY", path);
	char *reloaded = credential != NULL ? find_in("RA_RELOADED_CREDENTIALS", path) : NULL;
	const char *given = reloaded != NULL ? reloaded : credential;
	int rc = given != NULL ? tls_identity_from_credential(given, out, why) : tls_identity_from_file(path, out, why);

	free(reloaded);
	free(credential);
	return rc;
}

struct tls_identity *named_identity(const struct config *config, const char *section)
{
	struct tls_identity *identity;
	char why[DETAIL_MAX + 1];

	if (read_identity(config_text(config, section, NULL, "identity"), &identity, why) == 0)
		return identity;
	log_refusal(config, section, "identity", why);
	return NULL;
}

struct tls_context *named_context(const struct config *config, const char *section,
	const struct tls_identity *identity, enum tls_role role, tls_admit_fn *admit, void *arg)
{
	struct tls_context *context = tls_context_new(identity, role, admit, arg);
	const char *ca = config_text(config, section, NULL, "ca");
	char why[DETAIL_MAX + 1];

	if (context == NULL)
		log_refusal(config, section, "identity", "TLS does not take it");
	if (context == NULL || ca[0] == '\0' || tls_context_trust(context, ca, why) == 0)
		return context;
	log_refusal(config, section, "ca", why);
	tls_context_free(context);
	return NULL;
}

bool named_groups_exist(const struct config *config, const char *section)
{
	static const char *const keys[] = { "socket-group", "admin-group" };
	char why[DETAIL_MAX + 1];
	gid_t gid;

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (admin_find_group(keys[i], config_text(config, section, NULL, keys[i]), &gid, why, sizeof(why)))
			continue;
		log_error("%s: %s", config_where(config, section, NULL, keys[i]), why);
		return false;
	}
	return true;
}

bool named_are_usable(const struct config *config, const char *section)
{
	struct tls_identity *identity = named_identity(config, section);
	struct tls_context *context = identity == NULL ? NULL :
		named_context(config, section, identity, TLS_SERVER, NULL, NULL);
	bool are_usable = context != NULL && named_groups_exist(config, section);
	const char *ca = config_text(config, section, NULL, "ca");

	if (context != NULL && ca[0] != '\0')
		tls_ca_warn_of_dates(ca);
	tls_context_free(context);
	tls_identity_free(identity);
	return are_usable;
}
