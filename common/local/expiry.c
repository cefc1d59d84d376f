/* SPDX-License-Identifier: Apache-2.0
 *
 * A timer of a day beside an identity: see expiry.h.
 */
#include "local/expiry.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "wire/tls.h"

#define EXPIRY_MAGIC 0x45585059u
#define DAY_MS (24 * 3600 * 1000)

struct expiry {
	uint32_t magic;
	struct tls_identity *identity;
	char *path, *ca_path;
	struct timer timer;
};

static void warn_of_ca(const struct expiry *expiry)
{
	if (expiry->ca_path[0] != '\0')
		tls_ca_warn_of_dates(expiry->ca_path);
}

static void on_day(void *arg)
{
	struct expiry *expiry = arg;

	assert(expiry->magic == EXPIRY_MAGIC);
	tls_identity_warn_of_dates(expiry->identity, expiry->path);
	warn_of_ca(expiry);
	timer_set(&expiry->timer, DAY_MS);
}

struct expiry *expiry_new(struct clock *clock, struct tls_identity *identity, const char *path, const char *ca_path)
{
	struct expiry *expiry = xcalloc(1, sizeof(*expiry));

	expiry->magic = EXPIRY_MAGIC;
	expiry->identity = identity;
	expiry->path = xstrdup(path);
	expiry->ca_path = xstrdup(ca_path);
	warn_of_ca(expiry);
	timer_init(&expiry->timer, clock, on_day, expiry);
	timer_set(&expiry->timer, DAY_MS);
	return expiry;
}

int64_t expiry_ends_s(const struct expiry *expiry)
{
	return tls_identity_ends(expiry->identity);
}

void expiry_free(struct expiry *expiry)
{
	if (expiry == NULL)
		return;
	assert(expiry->magic == EXPIRY_MAGIC);
	timer_cancel(&expiry->timer);
	tls_identity_free(expiry->identity);
	free(expiry->path);
	free(expiry->ca_path);
	expiry->magic = 0;
	free(expiry);
}
