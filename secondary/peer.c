/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of peers: see peer.h. A key is looked for in all peers before any name, so that a name never takes a key
 * away from the peer that has it pasted.
 */
#include "secondary/peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/alloc.h"
#include "wire/tls.h"

struct peer_list {
	struct throttle *throttle;
	struct peer *first;
	uint32_t count; /* so far */
};

static char **copy_of(const char *const *words)
{
	size_t count = 0;
	char **copy;

	while (words != NULL && words[count] != NULL)
		count++;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(words[i]);
	return copy;
}

static void free_words(char **words)
{
	for (size_t i = 0; words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

static bool has_word(char *const *words, const char *word)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

struct peer_list *peer_list_new(struct throttle *throttle)
{
	struct peer_list *list = xcalloc(1, sizeof(*list));

	list->throttle = throttle;
	return list;
}

static void clear(struct peer *peer)
{
	free_words(peer->keys);
	free_words(peer->dns_names);
	free_words(peer->devices);
}

void peer_list_remove(struct peer_list *list, struct peer *peer)
{
	assert(peer->links == 0 && peer->jobs == 0 && peer->queries == 0);
	assert(peer->fetches == 0 && peer->locked_tracks == 0 && peer->turn_read == NULL);
	LL_DELETE(list->first, peer);
	rate_free(peer->rate);
	clear(peer);
	free(peer->name);
	free(peer);
}

void peer_list_free(struct peer_list *list)
{
	if (list == NULL)
		return;
	while (list->first != NULL)
		peer_list_remove(list, list->first);
	free(list);
}

static void set(struct peer *peer, const struct peer_config *config)
{
	assert(config->links_max > 0 && config->jobs_max > 0);
	peer->keys = copy_of(config->keys);
	peer->dns_names = copy_of(config->dns_names);
	peer->devices = copy_of(config->devices);
	peer->is_digest_only = config->is_digest_only;
	peer->links_max = config->links_max;
	peer->jobs_max = config->jobs_max;
}

struct peer *peer_list_add(struct peer_list *list, const struct peer_config *config)
{
	struct peer *peer = xcalloc(1, sizeof(*peer));

	assert(peer_list_find(list, config->name) == NULL);
	peer->name = xstrdup(config->name);
	set(peer, config);
	peer->number = list->count++;
	if (list->throttle != NULL)
		peer->rate = rate_new(list->throttle, &config->limit);
	LL_APPEND(list->first, peer);
	return peer;
}

bool peer_list_change(struct peer_list *list, struct peer *peer, const struct peer_config *config)
{
	bool is_less = config->is_digest_only && !peer->is_digest_only;
	struct peer old = *peer;

	set(peer, config);
	for (char *const *device = old.devices; *device != NULL; device++)
		is_less |= !peer_may_read(peer, *device);
	clear(&old);
	if (list->throttle != NULL)
		rate_set(peer->rate, &config->limit);
	return is_less;
}

struct peer *peer_list_first(const struct peer_list *list)
{
	return list->first;
}

struct peer *peer_list_find(const struct peer_list *list, const char *name)
{
	struct peer *peer;

	LL_FOREACH(list->first, peer)
		if (strcmp(peer->name, name) == 0)
			return peer;
	return NULL;
}

static bool proves_a_name(const struct peer *peer, const struct tls_proof *proof)
{
	for (char *const *name = peer->dns_names; *name != NULL; name++)
		if (tls_proof_has_name(proof, *name))
			return true;
	return false;
}

struct peer *peer_list_admit(const struct peer_list *list, const char *key, const struct tls_proof *proof)
{
	struct peer *peer;

	LL_FOREACH(list->first, peer)
		if (has_word(peer->keys, key))
			return peer;
	LL_FOREACH(list->first, peer)
		if (proves_a_name(peer, proof))
			return peer;
	return NULL;
}

bool peer_may_read(const struct peer *peer, const char *device)
{
	return has_word(peer->devices, device);
}
