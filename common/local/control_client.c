/* SPDX-License-Identifier: Apache-2.0
 *
 * The way to a daemon's socket, and ra-ctl's questions there, without an event loop. Its work is the words for a person
 * who finds no daemon, no permission or no answer. One thread.
 */
#include "local/control_client.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/conn.h"

#define SEND_TIMEOUT_S 5 /* a stopped daemon accepts nobody, and its queue may be full */

/* Which daemon should be there, by the name of the socket. */
static const char *daemon_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return strstr(name, "primary") ? "ra-primaryd" : strstr(name, "secondary") ? "ra-secondaryd" : "the daemon";
}

/* Who else may connect. */
static void say_forbidden(const char *path, char *why, size_t why_bytes)
{
	const struct group *group;
	struct stat stat;

	if (lstat(path, &stat) == 0 && (stat.st_mode & S_IWGRP) && (group = getgrgid(stat.st_gid)) && stat.st_gid != 0)
		snprintf(why, why_bytes, "%s: only root and members of the group %s may connect", path, group->gr_name);
	else
		snprintf(why, why_bytes, "%s: you may not connect; root may (socket-group in ra.conf lets others)", path);
}

static int connect_failed(const char *path, const char *daemon, int number, char *why, size_t why_bytes)
{
	if (!daemon)
		daemon = daemon_of(path);
	switch (number) {
	case ENOENT:
		snprintf(why, why_bytes, "%s does not exist: is %s running?", path, daemon);
		break;
	case ECONNREFUSED:
		snprintf(why, why_bytes, "%s: nobody listens there: is %s running?", path, daemon);
		break;
	case EACCES:
	case EPERM:
		say_forbidden(path, why, why_bytes);
		break;
	case EAGAIN:
		snprintf(why, why_bytes, "%s: %s accepts no connection: is it stopped?", path, daemon);
		break;
	case EINTR:
		snprintf(why, why_bytes, "interrupted while connecting to %s", path);
		break;
	default:
		snprintf(why, why_bytes, "%s: cannot connect: %s", path, strerror(number));
	}
	return -number;
}

int control_connect(const char *path, const char *daemon, char *why, size_t why_bytes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval timeout = { SEND_TIMEOUT_S, 0 };
	int fd, number;

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(why, why_bytes, "%s: the path of a socket may have %zu bytes at most", path,
			sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return connect_failed(path, daemon, errno, why, why_bytes);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	number = errno;
	close(fd);
	return connect_failed(path, daemon, number, why, why_bytes);
}

#define lost(why, why_bytes, ...) (snprintf((why), (why_bytes), __VA_ARGS__), STATUS_LINK_LOST)

static enum status answer_failed(int rc, int timeout_ms, char *why, size_t why_bytes)
{
	switch (rc) {
	case -ETIMEDOUT:
		return lost(why, why_bytes, "no answer within %g s: is the daemon stopped?", timeout_ms / 1000.0);
	case -ENODATA:
		return lost(why, why_bytes, "the daemon closed the connection without an answer");
	case -EPROTO:
		return lost(why, why_bytes, "the answer makes no sense");
	default:
		return lost(why, why_bytes, "the request cannot be sent: %s",
			rc == -EPIPE ? "the daemon closed the connection" :
			rc == -EAGAIN ? "the daemon takes nothing" : strerror(-rc));
	}
}

/* What the answer says; payload is its JSON. */
static enum status take_answer(const struct msg_control_reply *reply, const uint8_t *payload, uint32_t payload_bytes,
	json_t **json, char *why, size_t why_bytes)
{
	json_error_t error;

	if (reply->status != STATUS_OK) {
		snprintf(why, why_bytes, "%s", reply->detail);
		return reply->status;
	}
	*json = json_loadb((const char *)payload, payload_bytes, 0, &error);
	return *json ? STATUS_OK : lost(why, why_bytes, "the answer is no JSON: %s", error.text);
}

enum status control_call(int fd, struct msg_control *request, const void *payload, uint32_t payload_bytes,
	int timeout_ms, json_t **json, char *why, size_t why_bytes)
{
	static uint32_t last_tag;
	struct message *message = xcalloc(1, sizeof(*message));
	enum status status;
	uint32_t answer_bytes;
	uint8_t *answer = NULL;
	int rc;

	*json = NULL;
	request->tag = ++last_tag;
	request->protocol = RA_PROTOCOL_VERSION;
	message->type = MESSAGE_CONTROL;
	message->control = *request;
	rc = conn_write_one_payload(fd, message, payload, payload_bytes);
	if (rc == 0)
		rc = conn_read_one_payload(fd, MESSAGE_CONTROL_REPLY, timeout_ms, message, &answer, &answer_bytes);
	if (rc == 0 && message->control_reply.tag != request->tag)
		rc = -EPROTO;
	if (rc != 0)
		status = answer_failed(rc, timeout_ms, why, why_bytes);
	else
		status = take_answer(&message->control_reply, answer, answer_bytes, json, why, why_bytes);
	free(answer);
	free(message);
	return status;
}
