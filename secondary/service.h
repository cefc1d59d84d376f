/* SPDX-License-Identifier: Apache-2.0
 *
 * The configured ra-secondaryd: the struct that ties its parts together, and its life from the settings to the signal
 * that ends it. Loop thread only.
 */
#ifndef RA_SECONDARY_SERVICE_H
#define RA_SECONDARY_SERVICE_H

#include <stdint.h>

#include "base/limits.h"
#include "wire/message.h"

struct accept;
struct control;
struct daemon;
struct device_settings;
struct expiry;
struct mailbox;
struct peer_list;
struct notify;
struct post;
struct program;
struct ra;
struct secondary_settings;
struct tls_context;
struct tls_identity;

struct service {
	const struct program *program;
	const struct secondary_settings *started_with; /* the caller's: what holds to the end */
	const struct secondary_settings *settings;     /* in force: those, or read again and own */
	char key[PEER_KEY_CHARS + 1];                  /* its own */
	struct expiry *expiry;                         /* of the identity behind it */
	int64_t started_ms;
	struct daemon *daemon;
	struct post *post;
	struct mailbox *mailbox;
	struct tls_context *tls;
	struct ra *ra;
	struct device_settings *made_with[DEVICES_MAX]; /* by number, own: all but its limit stays so */
	struct peer_list *peers;
	struct accept *accept;
	struct control *control;
	struct notify *notify;
};

/* reload.c: reads the configuration again. */
void secondary_service_reload(struct service *service);
/* service.c: whom it lets in, by whatever peers it has then, and as whom it answers; NULL (logged): what the settings
 * name is not usable. */
struct tls_context *secondary_service_tls(struct service *service, const struct secondary_settings *settings,
	const struct tls_identity *identity);
/* A device of its settings is made, or changed as far as it can be. */
void secondary_service_take_device(struct service *service, const struct secondary_settings *settings,
	unsigned index);

/* Runs until SIGTERM or SIGINT; both outlive it. The exit code: 0; 1: it could not be started; 2: what the settings
 * name is not usable. The reason is logged. */
int secondary_service_run(const struct program *program, const struct secondary_settings *settings);

#endif
