/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: a file of ranges of tracks. What is refused says where; what is taken is printed, and that makes the
 * same set again.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/track_set.h"
#include "primary/ctl/ranges.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct track_set *read_set(const void *text, size_t bytes, char why[CTL_WHY_BYTES])
{
	struct track_set *set = track_set_new();
	FILE *in = fmemopen((void *)(uintptr_t)text, bytes, "r");
	bool is_good;

	assert(in != NULL);
	is_good = ctl_ranges_read(set, in, "input", why);
	fclose(in);
	if (is_good)
		return set;
	track_set_free(set);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct track_set *set, *again;
	char why[CTL_WHY_BYTES], *text = NULL;
	size_t text_bytes;
	FILE *out;

	if (bytes == 0)
		return 0;
	set = read_set(data, bytes, why);
	if (set == NULL) {
		assert(strncmp(why, "input, line ", 12) == 0);
		return 0;
	}
	out = open_memstream(&text, &text_bytes);
	assert(out != NULL);
	ctl_ranges_print(set, " ", out);
	fputc('\n', out);
	fclose(out);
	again = read_set(text, text_bytes, why);
	assert(again != NULL && track_set_ranges(again) == track_set_ranges(set));
	for (size_t i = 0; i < track_set_ranges(set); i++) {
		struct track_range was = track_set_range(set, i), is = track_set_range(again, i);

		assert(was.first == is.first && was.count == is.count && was.first + was.count <= TRACKS_END);
	}
	track_set_free(again);
	track_set_free(set);
	free(text);
	return 0;
}
