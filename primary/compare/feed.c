/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of progress for programs. The descriptor may be shared with other processes, so O_NONBLOCK, which they would
 * have too, is not set on it: poll says whether there is room, which on a pipe means a whole page and on a socket a
 * good part of its buffer. Neither takes a part of so short a line.
 */
#include "primary/compare/feed.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/log.h"
#include "primary/compare/pace.h"
#include "primary/compare/report.h"

#define LINE_BYTES 1024u
_Static_assert(LINE_BYTES <= PIPE_BUF, "a pipe takes all of a line or nothing");

struct feed {
	int fd; /* -1: its reader has gone */
};

struct feed *feed_new(int fd)
{
	struct feed *feed = xcalloc(1, sizeof(*feed));

	feed->fd = fd;
	if (fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		log_warning("--status-fd %d: %s", fd, strerror(errno));
	return feed;
}

void feed_free(struct feed *feed)
{
	free(feed);
}

static ssize_t put(int fd, const char *bytes, size_t count)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (poll(&room, 1, 0) != 0)
		return write(fd, bytes, count);
	errno = EAGAIN;
	return -1;
}

static json_t *json_word(const char *word)
{
	return word[0] ? json_string(word) : json_null();
}

static json_t *json_tracks(const struct pace_figures *figures)
{
	json_t *json = json_object();

	json_object_set_new(json, "total", json_integer((json_int_t)figures->total_tracks));
	json_object_set_new(json, "done", json_integer((json_int_t)figures->done_tracks));
	for (int state = 0; state < REPORT_STATE_COUNT; state++)
		json_object_set_new(json, report_state_name((enum report_state)state),
			json_integer((json_int_t)figures->tracks[state]));
	json_object_set_new(json, "settling", json_integer((json_int_t)figures->settling_tracks));
	return json;
}

static json_t *json_of(const struct pace_figures *figures, bool is_end)
{
	json_t *json = json_object();
	const uint64_t left_s = figures->left_s;

	json_object_set_new(json, "format", json_string("ra-progress/1"));
	json_object_set_new(json, "phase", json_string(is_end ? "finished" : pace_phase_name(figures->phase)));
	json_object_set_new(json, "pass", json_integer((json_int_t)figures->pass));
	json_object_set_new(json, "tracks", json_tracks(figures));
	json_object_set_new(json, "compared_bytes", json_integer((json_int_t)figures->compared_bytes));
	json_object_set_new(json, "local_bytes_per_second", json_integer((json_int_t)figures->local_bytes_per_s));
	json_object_set_new(json, "remote_bytes_per_second", json_integer((json_int_t)figures->remote_bytes_per_s));
	json_object_set_new(json, "binds", json_word(pace_binds_name(figures->binds)));
	json_object_set_new(json, "left_seconds", left_s > 0 ? json_integer((json_int_t)left_s) : json_null());
	json_object_set_new(json, "elapsed_seconds", json_integer((json_int_t)figures->elapsed_s));
	return json;
}

/* Takes json over. A line that there is no room for is left out. */
static void tell(struct feed *feed, json_t *json)
{
	char line[LINE_BYTES];
	size_t bytes = json_dumpb(json, line, LINE_BYTES - 1, JSON_COMPACT);
	ssize_t sent;

	assert(bytes > 0 && bytes < LINE_BYTES - 1);
	json_decref(json);
	line[bytes++] = '\n';
	if (feed->fd < 0)
		return;
	sent = put(feed->fd, line, bytes);
	if (sent == (ssize_t)bytes || (sent < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_info("--status-fd %d: nothing more is told: %s", feed->fd, sent < 0 ? strerror(errno) : "there is no room");
	feed->fd = -1;
}

void feed_tell(struct feed *feed, const struct pace_figures *figures)
{
	tell(feed, json_of(figures, false));
}

void feed_end(struct feed *feed, const struct pace_figures *figures, const char *result, int exit_status)
{
	json_t *json = json_of(figures, true);

	json_object_set_new(json, "result", json_string(result));
	json_object_set_new(json, "exit_status", json_integer(exit_status));
	tell(feed, json);
}
