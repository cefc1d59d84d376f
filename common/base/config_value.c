/* SPDX-License-Identifier: Apache-2.0
 *
 * The values of a configuration: one parser per kind, and the words that say what each kind may be. Nothing here knows
 * files or lines.
 */
#include "base/config_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

#define RATE_BYTES_MAX (1ull << 40)
#define KEY_HEX_DIGITS 64u
#define HOST_CHARACTERS_MAX 253u
#define MODE_MAX 0777u

/* strtoull alone would take signs, blanks and an empty text. */
bool config_parse_digits(const char *text, uint64_t *value, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	*rest = end;
	return errno == 0;
}

static bool parse_number(const char *text, uint64_t *value)
{
	const char *rest;

	return config_parse_digits(text, value, &rest) && *rest == '\0';
}

bool config_parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *rest, *unit;
	unsigned shift = 0;
	uint64_t value;

	if (!config_parse_digits(text, &value, &rest))
		return false;
	if (rest[0] != '\0') {
		unit = strchr(units, toupper((unsigned char)rest[0]));
		if (unit == NULL || rest[1] != '\0')
			return false;
		shift = 10u * (unsigned)(unit - units + 1);
	}
	if (value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

bool config_parse_rate(const char *text, uint64_t *bytes_per_s)
{
	uint64_t value = 0;

	if (strcmp(text, "none") != 0 && (!config_parse_size(text, &value) || value > RATE_BYTES_MAX))
		return false;
	*bytes_per_s = value;
	return true;
}

bool config_parse_time(const char *text, uint64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 } };
	const char *rest;
	uint64_t value;

	if (!config_parse_digits(text, &value, &rest))
		return false;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(rest, units[i].name) != 0 || value > UINT64_MAX / units[i].ms)
			continue;
		*ms = value * units[i].ms;
		return true;
	}
	return false;
}

static bool parse_mode(const char *text, uint64_t *mode)
{
	size_t digits = strspn(text, "01234567");

	if (digits < 3 || digits > 4 || text[digits] != '\0')
		return false;
	*mode = strtoul(text, NULL, 8);
	return *mode <= MODE_MAX;
}

static bool parse_length(const char *text, uint64_t *bytes)
{
	if (strcmp(text, "all") == 0)
		*bytes = 0;
	else if (strcmp(text, "common") == 0)
		*bytes = CONFIG_COMMON;
	else
		return config_parse_size(text, bytes) && *bytes > 0 && *bytes <= INT64_MAX;
	return true;
}

static bool parse_choice(const char *const *choices, const char *text, uint64_t *index)
{
	for (unsigned i = 0; choices[i] != NULL; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}

static bool is_name(const char *text, size_t characters_max)
{
	size_t characters = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return characters > 0 && characters <= characters_max && text[characters] == '\0' && text[0] != '.' &&
	       text[0] != '-';
}

bool config_name_is_valid(const char *name)
{
	return is_name(name, DEVICE_NAME_MAX);
}

static bool is_key(const char *text)
{
	static const char prefix[] = "sha256:";

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	text += sizeof(prefix) - 1;
	return strspn(text, "0123456789abcdef") == KEY_HEX_DIGITS && text[KEY_HEX_DIGITS] == '\0';
}

/* HOST:PORT or [IPV6]:PORT; to listen on: HOST is an IPv4 address, and port 0 any that is free. */
static bool is_address(const char *text, bool is_to_listen)
{
	const char *colon = strrchr(text, ':');
	char host[HOST_CHARACTERS_MAX + 3];
	unsigned char binary[sizeof(struct in6_addr)];
	size_t host_bytes;
	uint64_t port;

	if (colon == NULL || !parse_number(colon + 1, &port) || port > UINT16_MAX ||
	    (port == 0 && !is_to_listen))
		return false;
	host_bytes = (size_t)(colon - text);
	if (host_bytes >= sizeof(host))
		return false;
	memcpy(host, text, host_bytes);
	host[host_bytes] = '\0';
	if (host[0] == '[') {
		if (host[host_bytes - 1] != ']')
			return false;
		host[host_bytes - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, binary) == 1;
	}
	return is_to_listen ? inet_pton(AF_INET, host, binary) == 1 : is_name(host, HOST_CHARACTERS_MAX);
}

static bool is_word(const struct config_key *key, const char *word)
{
	switch (key->kind) {
	case CONFIG_NAMES:
		return is_name(word, key->max != 0 ? (size_t)key->max : DEVICE_NAME_MAX);
	case CONFIG_KEYS:
		return is_key(word);
	default:
		assert(key->kind == CONFIG_ADDRESSES);
		return is_address(word, true);
	}
}

bool config_kind_is_list(enum config_kind kind)
{
	return kind == CONFIG_NAMES || kind == CONFIG_KEYS || kind == CONFIG_ADDRESSES;
}

static void free_words(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}

static bool parse_list(const struct config_key *key, const char *text, char ***out)
{
	char **words = xcalloc(1, sizeof(*words));
	char *copy = xstrdup(text), *rest = copy, *word;
	size_t count = 0;
	bool is_good = true;

	while (is_good && (word = strsep(&rest, " \t,")) != NULL) {
		if (word[0] == '\0')
			continue;
		words = xrealloc(words, count + 2, sizeof(*words));
		words[count++] = xstrdup(word);
		words[count] = NULL;
		is_good = is_word(key, word);
	}
	free(copy);
	if (!is_good || (count == 0 && text[0] != '\0')) {
		free_words(words);
		return false;
	}
	*out = words;
	return true;
}

static bool is_in_range(const struct config_key *key, uint64_t value)
{
	return value >= key->min && value <= key->max;
}

static bool parse_scalar(const struct config_key *key, const char *text, uint64_t *number)
{
	switch (key->kind) {
	case CONFIG_PATH:
		return text[0] == '/' && strlen(text) <= (key->max != 0 ? key->max : PATH_BYTES_MAX - 1);
	case CONFIG_NAME:
		return config_name_is_valid(text);
	case CONFIG_ADDRESS:
		return is_address(text, false);
	case CONFIG_NUMBER:
		return parse_number(text, number) && is_in_range(key, *number);
	case CONFIG_SIZE:
		return config_parse_size(text, number) && is_in_range(key, *number);
	case CONFIG_TIME:
		return config_parse_time(text, number) && is_in_range(key, *number);
	case CONFIG_RATE:
		return config_parse_rate(text, number);
	case CONFIG_LENGTH:
		return parse_length(text, number);
	case CONFIG_MODE:
		return parse_mode(text, number);
	default:
		assert(key->kind == CONFIG_CHOICE);
		return parse_choice(key->choices, text, number);
	}
}

bool config_value_parse(const struct config_key *key, const char *text, struct config_value *out)
{
	struct config_value value = { 0 };
	bool is_unset = text[0] == '\0';

	if (is_unset && (key->fallback == NULL || key->fallback[0] != '\0'))
		return false;
	if (config_kind_is_list(key->kind) ? !parse_list(key, text, &value.words) :
					     !is_unset && !parse_scalar(key, text, &value.number))
		return false;
	value.text = xstrdup(text);
	*out = value;
	return true;
}

void config_value_clear(struct config_value *value)
{
	free(value->text);
	free_words(value->words);
	*value = (struct config_value){ 0 };
}

/* "64K", in the largest unit that leaves nothing over. */
static const char *size_text(uint64_t bytes, char text[24])
{
	static const char units[] = "\0KMGT";
	unsigned unit = 0;

	for (; bytes != 0 && bytes % 1024 == 0 && unit < 4; unit++)
		bytes /= 1024;
	snprintf(text, 24, "%" PRIu64 "%.1s", bytes, &units[unit]);
	return text;
}

static void expected_choice(const char *const *choices, char out[CONFIG_EXPECTED_BYTES])
{
	size_t used = 0;

	for (unsigned i = 0; choices[i] != NULL && used < CONFIG_EXPECTED_BYTES; i++)
		used += (size_t)snprintf(out + used, CONFIG_EXPECTED_BYTES - used, "%s%s",
			i == 0 ? "" : choices[i + 1] == NULL ? " or " : ", ", choices[i]);
}

static const char *expected_fixed(const struct config_key *key)
{
	switch (key->kind) {
	case CONFIG_NAME:
		return "a name, 1 to 63 of A-Z a-z 0-9 . _ -";
	case CONFIG_KEYS:
		return "\"sha256:\" and 64 lower-case hex digits, also several";
	case CONFIG_ADDRESS:
		return "HOST:PORT or [IPV6]:PORT";
	case CONFIG_ADDRESSES:
		return "numeric IPV4:PORT or [IPV6]:PORT, also several";
	case CONFIG_RATE:
		return "bytes per second up to 1T, such as 100M, or none";
	case CONFIG_LENGTH:
		return "a size in bytes, such as 10G, or all or common";
	default:
		assert(key->kind == CONFIG_MODE);
		return "octal permissions, such as 0660";
	}
}

void config_value_expected(const struct config_key *key, char out[CONFIG_EXPECTED_BYTES])
{
	char min[24], max[24];

	switch (key->kind) {
	case CONFIG_CHOICE:
		expected_choice(key->choices, out);
		break;
	case CONFIG_PATH:
		snprintf(out, CONFIG_EXPECTED_BYTES, "an absolute path of at most %" PRIu64 " bytes",
			key->max != 0 ? key->max : PATH_BYTES_MAX - 1);
		break;
	case CONFIG_NAMES:
		snprintf(out, CONFIG_EXPECTED_BYTES, "names, each 1 to %" PRIu64 " of A-Z a-z 0-9 . _ -",
			key->max != 0 ? key->max : DEVICE_NAME_MAX);
		break;
	case CONFIG_NUMBER:
		snprintf(out, CONFIG_EXPECTED_BYTES, "a number from %" PRIu64 " to %" PRIu64, key->min, key->max);
		break;
	case CONFIG_SIZE:
		snprintf(out, CONFIG_EXPECTED_BYTES, "a size from %s to %s", size_text(key->min, min),
			size_text(key->max, max));
		break;
	case CONFIG_TIME:
		snprintf(out, CONFIG_EXPECTED_BYTES, "a time from %" PRIu64 "ms to %" PRIu64 "s, such as 100ms, 4s or 15m",
			key->min, key->max / 1000);
		break;
	default:
		snprintf(out, CONFIG_EXPECTED_BYTES, "%s", expected_fixed(key));
	}
}
