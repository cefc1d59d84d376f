/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of a daemon's socket that says anything: the bytes go to a server in pieces, and a daemon behind it answers
 * some requests at once, some when the client has gone, and refuses the rest. Input: one byte for the length of the
 * pieces (0: all at once), one that says which requests wait, then the stream.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/track_set.h"
#include "local/control_client.h"
#include "local/server.h"
#include "local/tracks.h"
#include "wire/conn.h"

#define INPUT_BYTES_MAX 4096u
#define WAITING_MAX 16u /* as many as one client may have */

struct target {
	struct event_base *base;
	struct clock *clock;
	struct server *server;
	char folder[32], *path;
	struct track_set *tracks; /* all that were ever marked or cleared */
	uint8_t waits; /* bit n: request n of eight has to wait */
	unsigned request_count;
	struct control_request *waiting[WAITING_MAX];
	unsigned waiting_count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int on_host(void *arg, struct conn *conn, uid_t uid, const struct msg_host_hello *hello)
{
	(void)arg, (void)uid, (void)hello;
	assert(conn_take_fd(conn) < 0);
	return -EPROTO;
}

static void on_control(void *arg, struct control_request *request)
{
	struct target *target = arg;
	const struct msg_control *control = control_message(request);
	struct track_set *change;
	uint32_t payload_bytes;

	assert(control->protocol == RA_PROTOCOL_VERSION && control->verb > VERB_UNSET && control->verb < VERB_COUNT);
	control_payload(request, &payload_bytes);
	assert(payload_bytes == 0 || (control->verb == VERB_TRACKS && control->action >= TRACKS_MARK));
	if (target->waits >> target->request_count++ % 8 & 1) {
		assert(target->waiting_count < WAITING_MAX);
		target->waiting[target->waiting_count++] = request;
	} else if (control->verb == VERB_TRACKS) {
		if (!control_tracks(request, &change))
			return;
		if (change)
			track_set_add_all(target->tracks, change);
		track_set_free(change);
		control_answer_tracks(request, STATUS_OK, target->tracks, "");
	} else if (control->verb == VERB_CACHE) {
		control_refuse(request, STATUS_BAD_REQUEST, "no cache for %s", control->name);
	} else {
		control_answer(request, json_pack("{s:s}", "name", control->name));
	}
}

static struct target the_target;

static void take_down(void)
{
	server_free(the_target.server);
	track_set_free(the_target.tracks);
	rmdir(the_target.folder);
	free(the_target.path);
	clock_free(the_target.clock);
	event_base_free(the_target.base);
}

static struct target *target_build(void)
{
	static const struct server_ops ops = { .host = on_host, .control = on_control };
	struct target *target = &the_target;
	char why[DETAIL_MAX + 1];

	if (target->base)
		return target;
	log_start("fuzz_control", LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	target->base = event_base_new();
	target->clock = clock_new_virtual();
	target->tracks = track_set_new();
	snprintf(target->folder, sizeof(target->folder), "/tmp/ra-fuzz.XXXXXX");
	assert(target->base && mkdtemp(target->folder));
	target->path = xasprintf("%s/sock", target->folder);
	const struct server_config config = { target->base, target->clock, target->path, 0600, "", "" };

	target->server = server_new(&config, &ops, target, why, sizeof(why));
	assert(target->server);
	atexit(take_down);
	return target;
}

static void settle(struct target *target)
{
	for (unsigned i = 0; i < 6; i++)
		event_base_loop(target->base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct target *target = target_build();
	char why[DETAIL_MAX + 1];
	uint8_t replies[4096];
	int fd;

	if (bytes < 3 || bytes > INPUT_BYTES_MAX)
		return 0;
	fd = control_connect(target->path, NULL, why, sizeof(why));
	assert(fd >= 0);
	target->request_count = target->waiting_count = 0;
	target->waits = data[1];
	size_t piece_bytes = data[0] ? data[0] : INPUT_BYTES_MAX;

	for (size_t at = 2; at < bytes; at += piece_bytes) {
		size_t left = bytes - at;

		(void)!send(fd, data + at, left < piece_bytes ? left : piece_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		settle(target);
		while (recv(fd, replies, sizeof(replies), MSG_DONTWAIT) > 0)
			;
	}
	if (target->waiting_count > 0)
		control_answer(target->waiting[0], json_object());
	close(fd);
	settle(target);
	for (unsigned i = 1; i < target->waiting_count; i++)
		control_refuse(target->waiting[i], STATUS_TIMEOUT, "too late");
	track_set_remove(target->tracks, 0, UINT64_MAX); /* each input finds the same */
	return 0;
}
