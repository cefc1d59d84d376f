/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer that the configuration lists: who is let in as it, its limit and the link to it. Loop thread only. The hard
 * thing: its settings are others after a reload, and a TLS context asks for them at any time, so they are looked up
 * when it asks.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "local/named.h"
#include "primary/remote.h"
#include "primary/service_parts.h"
#include "wire/tls.h"

/* Logged when it is another key or outcome than the last time: a peer that refuses this side is met every 10 s. */
static void *judge(struct service_peer *peer, const char *key, bool is_let_in, const char *proven_name)
{
	const struct primary_peer_settings *settings = peer->settings;
	bool is_news = peer->is_let_in != is_let_in || strcmp(peer->key, key) != 0;
	peer->is_let_in = is_let_in;
	snprintf(peer->key, sizeof(peer->key), "%s", key);
	if (is_news && !is_let_in)
		log_warning("%s does not answer as peer %s: its key is %s, which is not expected there", settings->address,
			settings->name, key);
	else if (is_news && proven_name)
		log_info("peer %s is let in: its certificate proves the name %s (key %s)", settings->name, proven_name, key);
	else if (is_news)
		log_info("peer %s is let in: its key is %s", settings->name, key);
	return is_let_in ? peer : NULL;
}

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct service_peer *peer = arg;
	const struct primary_peer_settings *settings = peer->settings;
	assert(peer->magic == SERVICE_PEER_MAGIC);
	for (unsigned i = 0; settings->keys[i]; i++) {
		if (strcmp(settings->keys[i], key) == 0)
			return judge(peer, key, true, NULL);
	}
	for (unsigned i = 0; settings->dns_names[i]; i++) {
		if (tls_proof_has_name(proof, settings->dns_names[i]))
			return judge(peer, key, true, settings->dns_names[i]);
	}
	return judge(peer, key, false, NULL);
}

struct service_peer *service_find_peer(const struct service *service, const char *name)
{
	for (unsigned i = 0; i < service->settings->peer_count; i++) {
		if (strcmp(service->settings->peers[i].name, name) == 0)
			return service->peers[i];
	}
	return NULL;
}

struct service_peer *service_peer_new(struct service *service, const struct primary_peer_settings *settings)
{
	struct service_peer *peer = xcalloc(1, sizeof(*peer));
	peer->magic = SERVICE_PEER_MAGIC;
	peer->service = service;
	peer->settings = settings;
	peer->limit = limit_pair_new(service, &settings->limit, false);
	return peer;
}

struct tls_context *service_peer_tls(const struct primary_settings *settings, const struct tls_identity *identity,
	struct service_peer *peer)
{
	return named_context(settings->daemon.config, "primary", identity, TLS_CLIENT, admit, peer);
}

void service_peer_link(struct service_peer *peer)
{
	const struct service *service = peer->service;
	struct remote_config config = {
		.base = service->core.base,
		.clock = service->core.clock,
		.post = service->core.post,
		.peer_key = peer->settings->name,
		.throttle = service->core.throttle,
		.peer_rate = peer->limit.remote,
		.total_rate = service->limit.remote,
	};
	peer->remote = remote_new_dialed(&config, peer->settings->address, peer->tls);
}

void service_peer_free(struct service_peer *peer)
{
	if (!peer)
		return;
	remote_free(peer->remote);
	tls_context_free(peer->tls);
	limit_pair_free(&peer->limit);
	peer->magic = 0;
	free(peer);
}
