/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: what lies on a volume. First byte 'r': the rest is a record LAYOUT as a host reads it; else the rest is
 * how a volume of 1 MiB begins, and the record is made of what is found there. Places and commands are asked for.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/volume_info.h"
#include "primary/compare/where.h"
#include "storage/layout.h"

#define STEP_BYTES (16u * KIB)
#define PRINTED_BYTES 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct volume_info local = { .kind = VOLUME_KIND_FILE, .size_bytes = MIB, .whole_bytes = MIB };

static void print_place(const struct where_place *place)
{
	char printed[PRINTED_BYTES] = "";
	FILE *out = fmemopen(printed, sizeof(printed), "w");
	json_t *json;

	assert(out && (place->partition > 0 || place->filesystem[0]));
	assert(!place->has_blocks || place->first_block <= place->last_block);
	fputs("{\"first\": 1", out);
	where_print_json(place, out);
	fputc('}', out);
	fclose(out);
	json = json_loads(printed, 0, NULL);
	assert(json);
	json_decref(json);
}

static void ask(const uint8_t *record, size_t bytes)
{
	struct where *where = where_new(record, bytes, &local, "volume", "/nowhere");
	struct where_place place;
	json_t *commands;

	for (uint64_t offset = 0; offset < MIB; offset += STEP_BYTES) {
		where_note(where, offset, STEP_BYTES);
		if (where_find(where, offset, 1, &place))
			print_place(&place);
	}
	commands = where_commands(where);
	assert(json_array_size(commands) <= 3 * WHERE_BLOCKS_MAX);
	json_decref(commands);
	where_free(where);
}

static void probe(const uint8_t *data, size_t bytes)
{
	static struct layout layout;
	static int memory_file = -1;
	static char path[64];
	char *record;

	if (memory_file < 0) {
		memory_file = memfd_create("volume", MFD_CLOEXEC);
		assert(memory_file >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", memory_file);
	}
	if (ftruncate(memory_file, 0) != 0 || pwrite(memory_file, data, bytes, 0) != (ssize_t)bytes ||
		ftruncate(memory_file, MIB) != 0 || layout_probe(path, 0, &layout) != 0)
		abort();
	assert(layout.count <= LAYOUT_ENTRIES_MAX);
	for (size_t i = 0; i < layout.count; i++) {
		const struct layout_entry *entry = &layout.entries[i];

		assert(entry->start_bytes < MIB && entry->size_bytes > 0 && entry->size_bytes <= MIB - entry->start_bytes);
		assert((entry->block_bytes & (entry->block_bytes - 1)) == 0);
	}
	record = layout_dump(&layout);
	ask((const uint8_t *)record, strlen(record));
	free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes > 0 && data[0] == 'r')
		ask(data + 1, bytes - 1);
	else if (bytes > 0 && bytes <= MIB)
		probe(data + 1, bytes - 1);
	return 0;
}
