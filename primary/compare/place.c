/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger's ways. A save that fails is told once and tried again with the next: the comparison is worth more than
 * its place. The hard thing is that saves at the primary take time: a final save waits for the one under way.
 */
#include "primary/compare/place.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "local/client.h"
#include "primary/compare/options.h"
#include "storage/ledger.h"
#include "storage/state_file.h"

#define PLACE_MAGIC 0x504c4143u
#define SAVE_PERIOD_MS 3000

struct place {
	uint32_t magic;
	const struct options *options;
	struct client *client;
	struct timer timer;
	char run_options[LEDGER_TEXT_BYTES];
	struct ledger_binding binding;
	uint64_t total_tracks;
	struct ledger *ledger;
	int lock_fd; /* of a file; -1: none */
	bool is_saving; /* at the primary */
	bool is_asked_again; /* when that is over, once more */
	bool is_in_trouble; /* the latest save failed, and that was told */
	void (*opened)(void *arg, int exit_code, const char *why);
	void *opened_arg;
	void (*before)(void *arg); /* each save; NULL: nothing */
	void *before_arg;
	void (*saved)(void *arg); /* of the final save; NULL: none is asked for */
	void *saved_arg;
};

static struct place *place_of(void *arg)
{
	struct place *place = arg;

	assert(place->magic == PLACE_MAGIC);
	return place;
}

static bool is_at_primary(const struct place *place)
{
	return place->options->form == FORM_DEVICE && !place->options->no_state;
}

static const char *name_of(const struct place *place)
{
	return is_at_primary(place) ? place->options->device : place->options->state_path;
}

/* ---- Opening ---- */

__attribute__((format(printf, 3, 4))) static void end_open(struct place *place, int exit_code, const char *format, ...)
{
	char why[PLACE_WHY_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	place->opened(place->opened_arg, exit_code, why);
}

/* The ledger that was found, if it can go on. */
static void accept(struct place *place, struct ledger *ledger)
{
	const char *options = ledger_run_options(ledger);

	place->ledger = ledger;
	if (options && !place->options->restart && strcmp(options, place->run_options) != 0)
		end_open(place, 2, "%s: an unfinished run was asked for %s%s, this one %s%s: the same options go on with it, "
				   "--restart starts over", name_of(place), options[0] ? "with " : "without options that matter",
			options, place->run_options[0] ? "with " : "without", place->run_options);
	else
		end_open(place, 0, "%s", "");
}

static void start_over(struct place *place)
{
	place->ledger = ledger_new(&place->binding, place->total_tracks);
	end_open(place, 0, "%s", "");
}

/* As many as volumes of these sizes have. */
static bool has_all_tracks(const struct place *place, const struct ledger *ledger, char why[STATE_WHY_BYTES])
{
	if (ledger_total_tracks(ledger) == place->total_tracks)
		return true;
	snprintf(why, STATE_WHY_BYTES, "it is of %" PRIu64 " tracks, and there are %" PRIu64, ledger_total_tracks(ledger),
		place->total_tracks);
	return false;
}

/* What is kept there, NULL when nothing is. */
static void judge(struct place *place, const uint8_t *file, size_t bytes)
{
	char why[STATE_WHY_BYTES] = "";
	struct ledger *ledger = NULL;
	bool is_good, is_ours;

	if (!file) {
		start_over(place);
		return;
	}
	is_good = ledger_decode(file, bytes, &ledger, why) == 0 && ledger_fits(ledger, &place->binding, why) &&
		has_all_tracks(place, ledger, why);
	if (is_good) {
		accept(place, ledger);
		return;
	}
	ledger_free(ledger);
	/* What somebody named by mistake, a volume perhaps, is never replaced. */
	is_ours = is_at_primary(place) || state_is_one(file, bytes);
	if (place->options->restart && is_ours)
		start_over(place);
	else
		end_open(place, 2, "the ledger of %s is not used: %s; %s", name_of(place), why,
			is_ours ? "--restart starts over" : "it is left as it is");
}

static bool is_same_file(const char *path, const char *volume)
{
	struct stat one, other;

	return volume && stat(path, &one) == 0 && stat(volume, &other) == 0 && one.st_dev == other.st_dev &&
		one.st_ino == other.st_ino;
}

/* The ledger would replace it. */
static bool is_volume(const struct options *options)
{
	return is_same_file(options->state_path, options->path_local) ||
		(options->form == FORM_PAIR && is_same_file(options->state_path, options->path_remote));
}

static void open_file(struct place *place)
{
	const char *path = place->options->state_path;
	uint8_t *file = NULL;
	size_t bytes = 0;
	int rc;

	if (is_volume(place->options)) {
		end_open(place, 2, "--state %s: this is one of the volumes, and those are never written to", path);
		return;
	}
	place->lock_fd = state_lock(path);
	if (place->lock_fd == -EBUSY) {
		end_open(place, 6, "busy: another run has %s", path);
		return;
	}
	if (place->lock_fd < 0) {
		end_open(place, 2, "%s cannot be used: %s", path, strerror(-place->lock_fd));
		return;
	}
	rc = state_read(path, LEDGER_BYTES_MAX, &file, &bytes);
	if (rc == 0 || rc == -ENOENT)
		judge(place, file, bytes);
	else
		end_open(place, 2, rc == -EFBIG ? "%s is no ledger: it is too large" : "%s cannot be read: %s", path,
			strerror(-rc));
	free(file);
}

static int exit_code_of(enum status status)
{
	if (status == STATUS_BUSY)
		return 6;
	return status == STATUS_LINK_LOST ? 4 : 2;
}

static void on_loaded(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload, uint32_t bytes)
{
	struct place *place = place_of(arg);

	if (reply->status == STATUS_OK)
		judge(place, bytes > 0 ? payload : NULL, bytes);
	else
		end_open(place, exit_code_of(reply->status), "%s%s%s", reply->status == STATUS_BUSY ? "busy: " : "",
			status_words(reply->status, reply->detail),
			reply->status == STATUS_BUSY ? "" : "; --state none goes without a ledger");
}

void place_open(struct place *place, const struct ledger_binding *binding, uint64_t total_tracks, int64_t max_lag_ms,
	void (*done)(void *arg, int exit_code, const char *why), void *arg)
{
	assert(!place->ledger);
	options_words(place->options, max_lag_ms, place->run_options, sizeof(place->run_options));
	place->binding = *binding;
	place->total_tracks = total_tracks;
	place->opened = done;
	place->opened_arg = arg;
	if (is_at_primary(place))
		client_load(place->client, RECORD_LEDGER, on_loaded, place);
	else if (place->options->state_path)
		open_file(place);
	else
		end_open(place, 0, "%s", "");
}

void place_rebind(struct place *place, const struct ledger_binding *binding, uint64_t total_tracks)
{
	char why[STATE_WHY_BYTES];

	assert(!place->is_saving);
	if (!place->ledger || ledger_fits(place->ledger, binding, why))
		return;
	log_warning("the ledger of %s starts over: %s", name_of(place), why);
	ledger_free(place->ledger);
	place->ledger = ledger_new(binding, total_tracks);
}

struct ledger *place_ledger(const struct place *place)
{
	return place->ledger;
}

const char *place_options(const struct place *place)
{
	return place->run_options;
}

/* ---- Saving ---- */

static void note_trouble(struct place *place, const char *why)
{
	if (why[0] && (!place->is_in_trouble || place->saved))
		log_warning("the place of this run cannot be kept: %s", why);
	place->is_in_trouble = why[0] != '\0';
}

static void save(struct place *place);

/* Of a save, well or not. */
static void save_ended(struct place *place)
{
	void (*saved)(void *arg) = place->saved;

	if (!saved)
		return;
	place->saved = NULL;
	saved(place->saved_arg);
}

static void on_saved(void *arg, const struct msg_host_record_reply *reply, const uint8_t *payload, uint32_t bytes)
{
	struct place *place = place_of(arg);

	(void)payload, (void)bytes;
	place->is_saving = false;
	note_trouble(place, reply->status == STATUS_OK ? "" : status_words(reply->status, reply->detail));
	if (place->is_asked_again) {
		place->is_asked_again = false;
		save(place);
	} else {
		save_ended(place);
	}
}

static void save_file(struct place *place, const uint8_t *file, size_t bytes)
{
	char why[PLACE_WHY_BYTES] = "";
	int rc = state_write(place->options->state_path, file, bytes);

	if (rc != 0)
		snprintf(why, sizeof(why), "%.900s: %s", place->options->state_path, strerror(-rc));
	note_trouble(place, why);
	save_ended(place);
}

static void save(struct place *place)
{
	size_t bytes;
	uint8_t *file;

	if (place->before)
		place->before(place->before_arg);
	file = ledger_encode(place->ledger, &bytes);
	if (is_at_primary(place)) {
		place->is_saving = true;
		client_save(place->client, RECORD_LEDGER, file, (uint32_t)bytes, on_saved, place);
	} else {
		save_file(place, file, bytes);
	}
	free(file);
}

static void on_timer(void *arg)
{
	struct place *place = place_of(arg);

	if (!place->is_saving)
		save(place);
	timer_set(&place->timer, SAVE_PERIOD_MS);
}

void place_keep(struct place *place, void (*before)(void *arg), void *arg)
{
	place->before = before;
	place->before_arg = arg;
	if (place->ledger) /* what was started over must not be gone on with */
		timer_set(&place->timer, place->options->restart ? 0 : SAVE_PERIOD_MS);
}

void place_rest(struct place *place)
{
	timer_cancel(&place->timer);
}

void place_save(struct place *place, void (*done)(void *arg), void *arg)
{
	place_rest(place);
	if (!place->ledger) {
		done(arg);
		return;
	}
	place->saved = done;
	place->saved_arg = arg;
	if (place->is_saving)
		place->is_asked_again = true;
	else
		save(place);
}

struct place *place_new(const struct options *options, struct client *client, struct clock *clock)
{
	struct place *place = xcalloc(1, sizeof(*place));

	place->magic = PLACE_MAGIC;
	place->options = options;
	place->client = client;
	place->lock_fd = -1;
	timer_init(&place->timer, clock, on_timer, place);
	return place;
}

void place_free(struct place *place)
{
	if (!place)
		return;
	timer_cancel(&place->timer);
	ledger_free(place->ledger);
	if (place->lock_fd >= 0)
		close(place->lock_fd);
	place->magic = 0;
	free(place);
}
