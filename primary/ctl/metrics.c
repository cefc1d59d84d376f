/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks a daemon all that it can tell, and prints it as one text, or puts it in the place of a file: who reads that has
 * the old text or the new one, never half of one. One thread.
 */
#include "primary/ctl/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "primary/ctl/ask.h"
#include "primary/ctl/metrics_text.h"
#include "primary/ctl/words.h"

/* ---- What is asked ---- */

static enum ctl_exit ask(const struct ctl_options *options, enum control_verb verb, json_t **json)
{
	struct msg_control request = { .verb = verb };

	return ctl_ask(options, &request, NULL, 0, json);
}

/* One after the other: there is no question for all. A ledger that cannot be read is null, and told. The disk that
 * does not answer for one will not for the next: those are not known. */
static enum ctl_exit ask_proofs(const struct ctl_options *options, const json_t *devices, json_t *proofs)
{
	const json_t *device;
	size_t index;

	json_array_foreach(json_object_get(devices, "devices"), index, device) {
		struct msg_control request = { .verb = VERB_PROOF };
		const char *name = ctl_text_of(device, "name");
		char why[CTL_WHY_BYTES] = "";
		enum status status;
		json_t *proof;

		snprintf(request.name, sizeof(request.name), "%s", name);
		status = ctl_call(ctl_socket(options), &request, CTL_ANSWER_MS, &proof, why);
		if (status != STATUS_OK)
			log_error("%s", why);
		if (status == STATUS_LINK_LOST)
			return CTL_NO_DAEMON;
		json_object_set_new(proofs, name, status == STATUS_OK ? proof : json_null());
		if (status == STATUS_TIMEOUT)
			break;
	}
	return CTL_GOOD;
}

/* What was asked is in answers, also when not all was answered. */
static enum ctl_exit ask_all(const struct ctl_options *options, json_t *answers)
{
	static const struct {
		enum control_verb verb;
		const char *name;
	} questions[] = { { VERB_STATUS, "status" }, { VERB_DEVICES, "devices" }, { VERB_LINKS, "links" },
		{ VERB_LIMIT, "limit" } };
	enum ctl_exit code = CTL_GOOD;
	json_t *answer;

	for (size_t i = 0; code == CTL_GOOD && i < sizeof(questions) / sizeof(questions[0]); i++) {
		code = ask(options, questions[i].verb, &answer);
		if (code == CTL_GOOD)
			json_object_set_new(answers, questions[i].name, answer);
	}
	if (code != CTL_GOOD)
		return code;
	if (strcmp(ctl_text_of(json_object_get(answers, "status"), "daemon"), "ra-primaryd") == 0) {
		json_object_set_new(answers, "proofs", json_object());
		return ask_proofs(options, json_object_get(answers, "devices"), json_object_get(answers, "proofs"));
	}
	code = ask(options, VERB_CACHE, &answer);
	if (code == CTL_GOOD)
		json_object_set_new(answers, "cache", answer);
	return code;
}

static void write_text(const json_t *answers, FILE *out)
{
	const struct ctl_answers all = {
		.status = json_object_get(answers, "status"),
		.devices = json_object_get(answers, "devices"),
		.links = json_object_get(answers, "links"),
		.limit = json_object_get(answers, "limit"),
		.cache = json_object_get(answers, "cache"),
		.proofs = json_object_get(answers, "proofs"),
	};

	ctl_write_metrics(&all, out);
}

/* ---- Into a file ---- */

/* 0 or -errno. The file is the caller's to remove. */
static int fill(int fd, const json_t *answers)
{
	FILE *out = fdopen(fd, "w");
	int error;

	if (out == NULL) {
		error = -errno;
		close(fd);
		return error;
	}
	write_text(answers, out);
	error = fchmod(fd, 0644) != 0 || fflush(out) != 0 ? -errno : ferror(out) ? -EIO : 0;
	if (fclose(out) != 0 && error == 0)
		error = -errno;
	return error;
}

static enum ctl_exit replace(const char *path, const json_t *answers)
{
	char *beside = xasprintf("%s.XXXXXX", path); /* which no collector takes for one of its files */
	int fd = mkstemp(beside), error = fd < 0 ? -errno : fill(fd, answers);

	if (error == 0 && rename(beside, path) != 0)
		error = -errno;
	if (error != 0) {
		log_error("cannot write %s: %s", path, strerror(-error));
		if (fd >= 0)
			unlink(beside);
	}
	free(beside);
	return error == 0 ? CTL_GOOD : CTL_USAGE;
}

enum ctl_exit ctl_run_metrics(const struct ctl_options *options)
{
	json_t *answers = json_object();
	enum ctl_exit code = ask_all(options, answers);

	if (code == CTL_GOOD && options->write != NULL)
		code = replace(options->write, answers);
	else if (code == CTL_GOOD)
		write_text(answers, stdout);
	json_decref(answers);
	return code;
}
