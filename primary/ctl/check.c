/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl check: first the daemon itself, then what it is for. One thread.
 */
#include "primary/ctl/check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/status.h"
#include "primary/ctl/ask.h"
#include "primary/ctl/words.h"

#define CLOCK_SLACK_S 2.0 /* between a file system's clock and ours */

json_t *ctl_check_ask(struct ctl_points *points, const char *socket, enum control_verb verb)
{
	struct msg_control request = { .verb = verb };
	char why[CTL_WHY_BYTES] = "";
	json_t *answer;
	enum status status = ctl_call(socket, &request, CTL_ANSWER_MS, &answer, why);

	if (status != STATUS_OK)
		ctl_point_failed(points, ctl_exit_of(status), NULL, "%s", why);
	return answer;
}

const json_t *ctl_check_find(const json_t *list, const char *key, const char *name)
{
	const json_t *object;
	size_t index;

	json_array_foreach((json_t *)list, index, object)
		if (strcmp(ctl_text_of(object, key), name) == 0)
			return object;
	return NULL;
}

void ctl_check_devices(struct ctl_points *points, const char *socket, const json_t *status, const char *device,
	void (*check)(void *arg, const json_t *device), void *arg)
{
	const char *config = ctl_text_of(status, "config");
	json_t *answer = ctl_check_ask(points, socket, VERB_DEVICES);
	const json_t *one;
	size_t index, found = 0;

	json_array_foreach(json_object_get(answer, "devices"), index, one) {
		if (device[0] != '\0' && strcmp(ctl_text_of(one, "name"), device) != 0)
			continue;
		found++;
		check(arg, one);
	}
	if (answer != NULL && found == 0 && device[0] != '\0')
		ctl_point_failed(points, CTL_WRONG, device, "%s has no [device %s]", config, device);
	else if (answer != NULL && found == 0)
		ctl_point_failed(points, CTL_WRONG, NULL, "%s has no [device]: nothing can be compared", config);
	json_decref(answer);
}

/* It was read when the daemon started; what was written since is not in force. */
static void check_config(struct ctl_points *points, const json_t *status)
{
	const char *path = ctl_text_of(status, "config"), *daemon = ctl_text_of(status, "daemon");
	double started_s = (double)time(NULL) - ctl_number_of(status, "uptime_seconds");
	struct stat file;

	if (path[0] == '\0')
		return;
	if (stat(path, &file) != 0 && errno == ENOENT)
		ctl_point_failed(points, CTL_WRONG, NULL, "configuration %s is gone: %s would not start again", path, daemon);
	else if (stat(path, &file) == 0 && (double)file.st_mtim.tv_sec > started_s + CLOCK_SLACK_S)
		ctl_point_failed(points, CTL_WRONG, NULL,
			"configuration %s was changed after %s started: try it with %s --check-config, then restart", path,
			daemon, daemon);
	else
		ctl_point_good(points, NULL, "configuration %s is in force", path);
}

static void check_daemon(struct ctl_points *points, const char *socket, const json_t *status)
{
	uint64_t hanging = ctl_integer_of(json_object_get(status, "da"), "abandoned");

	ctl_point_good(points, NULL, "%s %s answers at %s", ctl_text_of(status, "daemon"), ctl_text_of(status, "version"),
		socket);
	check_config(points, status);
	ctl_point_good(points, NULL, "the key of this host is %s", ctl_text_of(status, "key"));
	if (hanging > 0)
		ctl_point_failed(points, CTL_WRONG, NULL, "%s: look at the volumes that ra-ctl devices says are not ready",
			ctl_count(hanging, "disk read hangs", "disk reads hang"));
}

enum ctl_exit ctl_check(const struct ctl_options *options)
{
	struct ctl_points *points = ctl_points_new(options->json, stdout);
	const char *socket = ctl_socket(options);
	json_t *status = ctl_check_ask(points, socket, VERB_STATUS);
	enum ctl_exit code;

	if (status != NULL) {
		check_daemon(points, socket, status);
		if (strcmp(ctl_text_of(status, "daemon"), "ra-primaryd") == 0)
			ctl_check_primary(points, socket, status, options->name);
		else
			ctl_check_secondary(points, socket, status, options->name);
	}
	json_decref(status);
	code = ctl_points_end(points);
	ctl_points_free(points);
	return code;
}
