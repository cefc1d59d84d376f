/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl cache: how full a secondary's cache is, and what it is good for. One thread.
 */
#include "primary/ctl/show.h"

#include <inttypes.h>

#include "primary/ctl/words.h"

void ctl_show_cache(const json_t *answer, FILE *out)
{
	const json_t *cache = json_object_get(answer, "cache");
	uint64_t hits = ctl_integer_of(cache, "hits"), asked = hits + ctl_integer_of(cache, "misses");

	fprintf(out, "memory   %s in %s: %" PRIu64 " free, %" PRIu64 " locked\n", ctl_bytes(ctl_number_of(cache, "bytes")),
		ctl_count(ctl_integer_of(cache, "slots"), "slot", "slots"), ctl_integer_of(cache, "slots_free"),
		ctl_integer_of(cache, "slots_locked"));
	fprintf(out, "tracks   %" PRIu64 " known, %" PRIu64 " evicted so far\n", ctl_integer_of(cache, "entries"),
		ctl_integer_of(cache, "evicted"));
	fprintf(out, "asked    %s", ctl_count(asked, "time", "times"));
	if (asked > 0)
		fprintf(out, ", %.0f %% found", 100.0 * (double)hits / (double)asked);
	fputc('\n', out);
}
