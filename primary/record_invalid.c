/* SPDX-License-Identifier: Apache-2.0
 *
 * HA 28: the record of invalid tracks. A load asks both sides at once and is answered when the last of them has; a save
 * goes to this side's table. Loop thread only. The hard thing: what one side tells is not the answer, and a side that
 * cannot tell must not look like one without such tracks.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/track_set.h"
#include "primary/host_session.h"
#include "storage/invalid_table.h"

static void tell_union(struct host *host)
{
	const struct track_set *set = host->record.invalid.set;
	size_t ranges = track_set_ranges(set);
	uint8_t *packed;
	char detail[DETAIL_MAX + 1];
	if (ranges > TRACK_SET_RANGES_MAX) {
		snprintf(detail, sizeof(detail), "the invalid tracks of both sides are %zu ranges, more than %u", ranges,
			TRACK_SET_RANGES_MAX);
		record_answer(host, STATUS_BAD_REQUEST, detail, NULL, 0);
		return;
	}
	packed = xcalloc(ranges + 1, TRACK_SET_PACKED_BYTES);
	track_set_pack(set, packed);
	record_answer(host, STATUS_OK, "", packed, ranges * TRACK_SET_PACKED_BYTES);
}

static void side_told(struct host *host, enum status status, const struct track_set *set, const char *detail)
{
	struct record_invalid *invalid = &host->record.invalid;
	assert(host->magic == HOST_MAGIC && invalid->pending > 0);
	if (set) {
		track_set_add_all(invalid->set, set);
	} else if (status != STATUS_OK && invalid->status == STATUS_OK) {
		invalid->status = status;
		snprintf(invalid->detail, sizeof(invalid->detail), "%s", detail);
	}
	if (--invalid->pending > 0)
		return;
	if (invalid->status == STATUS_OK)
		tell_union(host);
	else
		record_answer(host, invalid->status, invalid->detail, NULL, 0);
	track_set_free(invalid->set);
	invalid->set = NULL;
}

static void on_local(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	side_told(arg, status, set, detail);
}

static void on_remote(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	/* A secondary that is too old to be asked keeps none. */
	side_told(arg, status == STATUS_VERSION ? STATUS_OK : status, set, detail);
}

void record_load_invalid(struct host *host)
{
	enum status status;
	host->record.invalid = (struct record_invalid){ .set = track_set_new(), .pending = 2, .status = STATUS_OK };
	status = remote_invalid(host->remote, on_remote, host);
	if (host->device->invalid)
		invalid_table_do(host->device->invalid, INVALID_ASK, NULL, on_local, host);
	else
		on_local(host, STATUS_OK, NULL, "");
	if (status != STATUS_OK)
		on_remote(host, status, NULL, host_remote_words(status));
}

static void on_marked(void *arg, enum status status, const struct track_set *set, const char *detail)
{
	struct host *host = arg;
	(void)set;
	assert(host->magic == HOST_MAGIC);
	record_answer(host, status, detail, NULL, 0);
}

void record_save_invalid(struct host *host, const uint8_t *bytes, size_t count)
{
	struct track_set *set = track_set_unpack(bytes, count, TRACK_SET_RANGES_MAX);
	if (host->device->invalid && set && track_set_end(set) <= TRACKS_END) {
		invalid_table_do(host->device->invalid, INVALID_MARK, set, on_marked, host);
		return;
	}
	track_set_free(set);
	record_answer(host, STATUS_BAD_REQUEST, host->device->invalid ? "the record is no set of tracks" :
		"a private pair keeps nothing", NULL, 0);
}

void record_forget_invalid(struct host *host)
{
	if (host->device && host->device->invalid)
		invalid_table_forget(host->device->invalid, host);
	track_set_free(host->record.invalid.set);
	host->record.invalid.set = NULL;
}
