/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection per question: nothing is kept between two. One thread.
 */
#include "primary/ctl/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "local/control_client.h"

#define PRIMARY_SOCKET "/run/ra/primary.sock"
#define SECONDARY_SOCKET "/run/ra/secondary.sock"

/* A folder that may not be looked into has a daemon, for all we know. */
const char *ctl_socket(const struct ctl_options *options)
{
	struct stat status;

	if (options->socket != NULL)
		return options->socket;
	if (lstat(PRIMARY_SOCKET, &status) == 0 || errno != ENOENT)
		return PRIMARY_SOCKET;
	return lstat(SECONDARY_SOCKET, &status) == 0 ? SECONDARY_SOCKET : PRIMARY_SOCKET;
}

static enum status call(const char *socket, struct msg_control *request, const void *payload, uint32_t payload_bytes,
	int timeout_ms, json_t **json, char why[CTL_WHY_BYTES])
{
	int fd = control_connect(socket, NULL, why, CTL_WHY_BYTES);
	enum status status;

	*json = NULL;
	if (fd < 0)
		return fd == -EACCES || fd == -EPERM ? STATUS_NOT_PERMITTED : STATUS_LINK_LOST;
	status = control_call(fd, request, payload, payload_bytes, timeout_ms, json, why, CTL_WHY_BYTES);
	close(fd);
	if (status != STATUS_OK && why[0] == '\0')
		snprintf(why, CTL_WHY_BYTES, "the daemon answers %s", status_name(status));
	return status;
}

enum status ctl_call(const char *socket, struct msg_control *request, int timeout_ms, json_t **json,
	char why[CTL_WHY_BYTES])
{
	return call(socket, request, NULL, 0, timeout_ms, json, why);
}

enum ctl_exit ctl_exit_of(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return CTL_GOOD;
	case STATUS_LINK_LOST:
	case STATUS_TIMEOUT:
		return CTL_NO_DAEMON;
	case STATUS_BUSY:
		return CTL_BUSY;
	default:
		return CTL_USAGE;
	}
}

enum ctl_exit ctl_ask(const struct ctl_options *options, struct msg_control *request, const void *payload,
	uint32_t payload_bytes, json_t **json)
{
	char why[CTL_WHY_BYTES] = "";
	enum status status = call(ctl_socket(options), request, payload, payload_bytes, CTL_ANSWER_MS, json, why);

	if (status != STATUS_OK)
		log_error("%s", why);
	return ctl_exit_of(status);
}
