/* SPDX-License-Identifier: Apache-2.0
 *
 * Posted errors: a warning line for what is new, a counter per status, and a ring of the newest ones. Loop thread only.
 * The wall clock is read for people only; nothing is decided by it.
 */
#include "base/post.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"

/* ", device NAME, tracks A-B, link id 0x…, peer NAME" with all of them at their longest. */
#define WHERE_CHARS_MAX 320u
#define EVENT_CHARS_MAX (32u + DEVICE_NAME_MAX + 96u + DETAIL_MAX)

struct post {
	uint64_t total;
	uint64_t by_status[STATUS_COUNT];
	struct posted_error kept[POST_KEPT]; /* error number n is at (n - 1) % POST_KEPT */
};

struct post *post_new(void)
{
	return xcalloc(1, sizeof(struct post));
}

void post_free(struct post *post)
{
	free(post);
}

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	int added = vsnprintf(text + used, WHERE_CHARS_MAX + 1 - used, format, arguments);
	va_end(arguments);
	assert(added >= 0 && used + (size_t)added <= WHERE_CHARS_MAX);
}

/* The same event: the same status and words, whatever the numbers in them, of the same device and peer. A device that
 * does not exist has the name that a peer has thought of: it is no other event. */
static void name_event(const struct posted_error *error, char event[EVENT_CHARS_MAX + 1])
{
	bool is_known = error->status != STATUS_NO_SUCH_DEVICE;
	int used = snprintf(event, EVENT_CHARS_MAX + 1, "%d %s/%s ", (int)error->status, is_known ? error->device : "",
		error->peer);
	char *at = event + used;

	for (const char *text = error->text; *text; text++)
		if (*text < '0' || *text > '9')
			*at++ = *text;
	*at = '\0';
}

/* Of an event one line a minute. */
static void log_posted(const struct posted_error *error)
{
	char where[WHERE_CHARS_MAX + 1] = "", event[EVENT_CHARS_MAX + 1];

	if (error->device[0])
		append(where, ", device %s", error->device);
	if (error->track_count == 1)
		append(where, ", track %" PRIu64, error->first_track);
	if (error->track_count > 1)
		append(where, ", tracks %" PRIu64 "-%" PRIu64, error->first_track,
			error->first_track + error->track_count - 1);
	if (error->link_id)
		append(where, ", link id 0x%016" PRIx64, error->link_id);
	if (error->peer[0])
		append(where, ", peer %s", error->peer);
	name_event(error, event);
	/* Behind the status stands ": " once, also when nothing is known of the place. */
	log_limited(1, event, LOG_LEVEL_WARNING, "%s%s%s: %s", status_name(error->status), where[0] ? ": " : "",
		where[0] ? where + 2 : "", error->text);
}

static void copy_text(char *out, size_t out_bytes, const char *text)
{
	int length = snprintf(out, out_bytes, "%s", text ? text : "");

	assert(length >= 0);
}

void post_error(struct post *post, enum status status, const struct post_where *where, const char *format, ...)
{
	assert(status != STATUS_UNSET && (unsigned)status < STATUS_COUNT);
	post->by_status[status]++;

	struct posted_error *error = &post->kept[post->total++ % POST_KEPT];
	va_list arguments;

	error->number = post->total;
	error->wall_s = time(NULL);
	error->status = status;
	copy_text(error->device, sizeof(error->device), where->device);
	copy_text(error->peer, sizeof(error->peer), where->peer);
	error->first_track = where->first_track;
	error->track_count = where->track_count;
	error->link_id = where->link_id;
	va_start(arguments, format);
	int length = vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	assert(length >= 0);
	log_posted(error);
}

uint64_t post_count(const struct post *post, enum status status)
{
	assert((unsigned)status < STATUS_COUNT);
	return post->by_status[status];
}

uint64_t post_total(const struct post *post)
{
	return post->total;
}

const struct posted_error *post_recent(const struct post *post, unsigned back)
{
	if (back >= POST_KEPT || back >= post->total)
		return NULL;
	return &post->kept[(post->total - 1 - back) % POST_KEPT];
}
