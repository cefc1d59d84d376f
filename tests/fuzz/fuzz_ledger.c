/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: the bytes are the content of a ledger's file; the head with its checksum is made here, for nothing else
 * would get past it. What is accepted is encoded to the same bytes again, and can be gone on with.
 */
#include "storage/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/track_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* All that is left of the run is found identical. */
static void go_on(struct ledger *ledger)
{
	const struct track_set *identical = ledger_run_identical(ledger), *different = ledger_run_different(ledger);
	struct track_set *left = track_set_new();
	uint64_t tracks;

	track_set_add(left, 0, ledger_total_tracks(ledger));
	track_set_remove_all(left, identical);
	track_set_remove_all(left, different);
	tracks = track_set_tracks(left);
	assert(tracks + track_set_tracks(identical) + track_set_tracks(different) == ledger_total_tracks(ledger));
	for (size_t i = 0; i < track_set_ranges(left); i++)
		ledger_identical(ledger, track_set_range(left, i).first, track_set_range(left, i).count, 1);
	track_set_free(left);
	ledger_end_run(ledger, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char why[STATE_WHY_BYTES];
	struct ledger *ledger;
	size_t file_bytes, again_bytes;
	uint8_t *file = state_wrap(STATE_LEDGER, LEDGER_VERSION, data, bytes, &file_bytes), *again;

	if (ledger_decode(file, file_bytes, &ledger, why) != 0)
		assert(ledger == NULL && *why != '\0');
	else {
		again = ledger_encode(ledger, &again_bytes);
		assert(again_bytes == file_bytes && memcmp(again, file, file_bytes) == 0);
		free(again);
		if (ledger_run_options(ledger) != NULL)
			go_on(ledger);
		ledger_free(ledger);
	}
	free(file);
	return 0;
}
