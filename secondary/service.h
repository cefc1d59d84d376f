/* SPDX-License-Identifier: Apache-2.0
 *
 * The configured ra-secondaryd: the struct that ties its parts together, and its life from the settings to the signal
 * that ends it. Loop thread only.
 */
#ifndef RA_SECONDARY_SERVICE_H
#define RA_SECONDARY_SERVICE_H

#include <stdint.h>

#include "wire/message.h"

struct accept;
struct control;
struct daemon;
struct mailbox;
struct peer_list;
struct post;
struct ra;
struct secondary_settings;
struct tls_context;

struct service {
	const struct secondary_settings *settings; /* the caller's */
	char key[PEER_KEY_CHARS + 1];              /* its own */
	int64_t certificate_ends_s;                /* of its own, of a CA; 0: none */
	int64_t started_ms;
	struct daemon *daemon;
	struct post *post;
	struct mailbox *mailbox;
	struct tls_context *tls;
	struct ra *ra; /* its devices have the numbers of those in the settings */
	struct peer_list *peers;
	struct accept *accept;
	struct control *control;
	struct notify *notify;
};

/* Runs until SIGTERM or SIGINT. The exit code: 0; 1: it could not be started; 2: what the settings name is not usable.
 * The reason is logged. */
int secondary_service_run(const struct secondary_settings *settings);

#endif
