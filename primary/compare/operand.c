/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes HOST:PATH apart. The host becomes an argument of ssh, which hands it on to whatever its configuration says (a
 * ProxyCommand is a shell command), so a name with characters that mean something to a shell is refused. The path goes
 * through no shell and may have any.
 */
#include "primary/compare/operand.h"

#include <stdio.h>
#include <string.h>

/* The colon between host and path; NULL for a local path. Colons inside brackets belong to an IPv6 address. */
static const char *find_colon(const char *text)
{
	bool is_bracketed = text[0] == '[';

	for (const char *at = text; *at && *at != '/'; at++) {
		if (at[0] == '@' && at[1] == '[')
			is_bracketed = true;
		if (is_bracketed && at[0] == ']' && at[1] == ':')
			return at + 1;
		if (!is_bracketed && at[0] == ':')
			return at;
	}
	return NULL;
}

bool operand_is_remote(const char *text)
{
	return find_colon(text) != NULL;
}

/* What ssh itself refuses in newer versions, and blanks and control characters. */
static bool has_bad_character(const char *host)
{
	for (; *host; host++)
		if ((unsigned char)*host <= ' ' || *host == 127 || strchr("'`\"$\\;&<>|(){}", *host))
			return true;
	return false;
}

/* user@[::1] -> user@::1, which is what ssh takes. */
static void remove_brackets(char *host)
{
	char *open = host[0] == '[' ? host : strstr(host, "@[");
	size_t length;

	if (!open)
		return;
	open += *open == '@';
	length = strlen(open);
	memmove(open, open + 1, length - 2);
	open[length - 2] = '\0';
}

static const char *complaint(const char *host)
{
	const char *at = strrchr(host, '@');
	const char *name = at ? at + 1 : host;

	if (name[0] == '\0')
		return "the host before the colon is empty";
	if (at == host)
		return "the user before the @ is empty";
	if (host[0] == '-' || name[0] == '-')
		return "a host or user does not begin with a dash";
	if (has_bad_character(host))
		return "the host has a character that no host name has";
	return NULL;
}

bool operand_split(const char *text, char host[OPERAND_HOST_BYTES], const char **path, char *why, size_t why_bytes)
{
	const char *colon = find_colon(text), *words;
	size_t length = (size_t)(colon - text);

	*path = colon + 1;
	if (length >= OPERAND_HOST_BYTES) {
		snprintf(why, why_bytes, "%.40s...: the host is longer than %u bytes", text, OPERAND_HOST_BYTES - 1);
		return false;
	}
	memcpy(host, text, length);
	host[length] = '\0';
	remove_brackets(host);
	words = complaint(host);
	if (words)
		snprintf(why, why_bytes, "%.80s: %s; a local file with a colon is ./%.80s", text, words, text);
	else if (colon[1] == '\0')
		snprintf(why, why_bytes, "%.80s: the path after the colon is empty", text);
	return !words && colon[1] != '\0';
}
