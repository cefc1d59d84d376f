/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries are checked once, when the record is read: what is odd is left out, so that all that follows may count on
 * them. The commands only read, name the local volume, and are what a person would type: a partition is named by its
 * own device where the kernel has one, else by its offset, which debugfs takes, and for xfs_db by a loop device.
 */
#include "primary/compare/where.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/volume_info.h"
#include "local/show.h"
#include "storage/layout.h"

#define SECTOR_BYTES 512u
#define DRBD_MAJOR 147u
#define DRBD_SECTORS 8u /* it verifies in blocks of 4 KiB */

struct noted {
	const struct layout_entry *entry;
	uint64_t block;
};

struct where {
	const struct volume_info *local;
	const char *path;
	const char *sys;
	struct layout layout;
	struct noted noted[WHERE_BLOCKS_MAX];
	size_t noted_count;
	uint64_t first_begin, first_end; /* of the first range noted, in the volume; both 0: none */
};

/* ---- The record ---- */

/* False: there is no such number, or it is below 0 or above max. */
static bool get_number(const json_t *json, const char *key, uint64_t max, uint64_t *out)
{
	const json_t *value = json_object_get(json, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

/* It is printed as it is, also in JSON. */
static bool is_name(const char *name)
{
	size_t length = strlen(name);

	if (length >= LAYOUT_NAME_BYTES)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.+-", name[i]))
			return false;
	return true;
}

static bool take_entry(const json_t *json, struct layout_entry *entry)
{
	const char *filesystem = json_string_value(json_object_get(json, "filesystem"));
	uint64_t partition, start, bytes, block_bytes = 0;

	if (!get_number(json, "partition", UINT32_MAX, &partition) || !get_number(json, "start", INT64_MAX, &start) ||
		!get_number(json, "bytes", INT64_MAX, &bytes) || bytes == 0 || start % SECTOR_BYTES != 0)
		return false;
	*entry = (struct layout_entry){ .partition = (uint32_t)partition, .start_bytes = start, .size_bytes = bytes };
	if (!filesystem || !is_name(filesystem))
		return partition > 0;
	memcpy(entry->filesystem, filesystem, strlen(filesystem) + 1);
	if (get_number(json, "block_size", 65536, &block_bytes) && block_bytes >= SECTOR_BYTES &&
		(block_bytes & (block_bytes - 1)) == 0)
		entry->block_bytes = (uint32_t)block_bytes;
	return entry->filesystem[0] || partition > 0;
}

static void take_record(struct where *where, const uint8_t *record, size_t bytes)
{
	struct layout *layout = &where->layout;
	json_t *array = json_loadb((const char *)record, bytes, 0, NULL), *json;
	size_t i;

	json_array_foreach(array, i, json) {
		if (layout->count == LAYOUT_ENTRIES_MAX)
			break;
		layout->count += take_entry(json, &layout->entries[layout->count]);
	}
	json_decref(array);
}

struct where *where_new(const uint8_t *record, size_t bytes, const struct volume_info *local, const char *path,
	const char *sys)
{
	struct where *where = xcalloc(1, sizeof(*where));

	where->local = local;
	where->path = path;
	where->sys = sys;
	if (record)
		take_record(where, record, bytes);
	return where;
}

void where_free(struct where *where)
{
	free(where);
}

/* ---- Places ---- */

static uint64_t entry_end(const struct layout_entry *entry)
{
	return entry->start_bytes + entry->size_bytes;
}

/* Of those that hold the first byte the smallest, else the first that the range reaches. */
static const struct layout_entry *entry_of(const struct where *where, uint64_t begin, uint64_t end)
{
	const struct layout_entry *inside = NULL, *reached = NULL;

	for (size_t i = 0; i < where->layout.count; i++) {
		const struct layout_entry *entry = &where->layout.entries[i];

		if (entry->start_bytes >= end || entry_end(entry) <= begin)
			continue;
		if (entry->start_bytes > begin)
			reached = !reached || entry->start_bytes < reached->start_bytes ? entry : reached;
		else
			inside = !inside || entry->size_bytes < inside->size_bytes ? entry : inside;
	}
	return inside ? inside : reached;
}

bool where_find(const struct where *where, uint64_t offset_bytes, uint64_t length_bytes, struct where_place *place)
{
	uint64_t begin = where->local->offset_bytes + offset_bytes, end = begin + length_bytes;
	const struct layout_entry *entry = entry_of(where, begin, end);
	uint64_t first, last;

	if (!entry)
		return false;
	first = (begin > entry->start_bytes ? begin : entry->start_bytes) - entry->start_bytes;
	last = (end < entry_end(entry) ? end : entry_end(entry)) - entry->start_bytes - 1;
	*place = (struct where_place){
		.partition = entry->partition,
		.filesystem = entry->filesystem,
		.offset_bytes = first,
		.has_blocks = entry->block_bytes > 0,
		.is_more = begin < entry->start_bytes || end > entry_end(entry),
	};
	if (place->has_blocks) {
		place->first_block = first / entry->block_bytes;
		place->last_block = last / entry->block_bytes;
	}
	return true;
}

static bool is_ext(const struct layout_entry *entry)
{
	return strcmp(entry->filesystem, "ext2") == 0 || strcmp(entry->filesystem, "ext3") == 0 ||
		strcmp(entry->filesystem, "ext4") == 0;
}

static bool is_xfs(const struct layout_entry *entry)
{
	return strcmp(entry->filesystem, "xfs") == 0;
}

void where_note(struct where *where, uint64_t offset_bytes, uint64_t length_bytes)
{
	uint64_t begin = where->local->offset_bytes + offset_bytes, end = begin + length_bytes;
	const struct layout_entry *entry = entry_of(where, begin, end);
	struct where_place place;

	if (where->first_end == 0) {
		where->first_begin = begin;
		where->first_end = end;
	}
	if (!entry || !(is_ext(entry) || is_xfs(entry)) || where->noted_count == WHERE_BLOCKS_MAX)
		return;
	where_find(where, offset_bytes, length_bytes, &place);
	for (size_t i = 0; i < where->noted_count; i++)
		if (where->noted[i].entry == entry && where->noted[i].block == place.first_block)
			return;
	if (place.has_blocks)
		where->noted[where->noted_count++] = (struct noted){ entry, place.first_block };
}

void where_print(const struct where_place *place, FILE *out)
{
	const char *before = " (";

	if (place->partition > 0) {
		fprintf(out, "%spartition %" PRIu32, before, place->partition);
		before = ", ";
	}
	if (place->filesystem[0])
		fprintf(out, "%s%s", before, place->filesystem);
	if (!place->has_blocks)
		fprintf(out, ", byte %" PRIu64, place->offset_bytes);
	else if (place->first_block == place->last_block)
		fprintf(out, " block %" PRIu64, place->first_block);
	else
		fprintf(out, " blocks %" PRIu64 " to %" PRIu64, place->first_block, place->last_block);
	fprintf(out, "%s)", place->is_more ? ", and beyond" : "");
}

void where_print_json(const struct where_place *place, FILE *out)
{
	if (place->partition > 0)
		fprintf(out, ", \"partition\": %" PRIu32, place->partition);
	if (place->filesystem[0])
		fprintf(out, ", \"filesystem\": \"%s\"", place->filesystem);
	if (place->has_blocks)
		fprintf(out, ", \"first_block\": %" PRIu64 ", \"last_block\": %" PRIu64, place->first_block,
			place->last_block);
}

/* ---- Commands ---- */

/* The sector where a partition begins, which nothing else beside it in sysfs has. */
static bool read_start(const char *directory, const char *name, uint64_t *out)
{
	char *path = xasprintf("%s/%s/start", directory, name);
	FILE *in = fopen(path, "re");
	bool is_read = in && fscanf(in, "%" SCNu64, out) == 1;

	if (in)
		fclose(in);
	free(path);
	return is_read;
}

/* The kernel's device for that partition of the volume, to be freed; NULL: it has none. */
static char *partition_device(const struct where *where, const struct layout_entry *entry)
{
	const struct volume_info *local = where->local;
	uint64_t start;
	char *path, *device = NULL;
	struct dirent *child;
	DIR *directory;

	if (local->kind != VOLUME_KIND_BLOCK || entry->partition == 0)
		return NULL;
	path = xasprintf("%s/dev/block/%u:%u", where->sys, major(local->device_id), minor(local->device_id));
	directory = opendir(path);
	while (directory && !device && (child = readdir(directory)))
		if (child->d_name[0] != '.' && read_start(path, child->d_name, &start) &&
			start == entry->start_bytes / SECTOR_BYTES)
			device = xasprintf("/dev/%s", child->d_name);
	if (directory)
		closedir(directory);
	free(path);
	for (char *at = device; at && *at; at++)
		if (*at == '!')
			*at = '/';
	return device;
}

/* As one word for a shell, which is no option. */
static void print_word(const char *text, const char *suffix, FILE *out)
{
	fputs(text[0] == '-' ? "'./" : "'", out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
	fprintf(out, "%s'", suffix);
}

/* Where a tool finds the entry: the word that names it, to be freed. Adds a command that makes a loop device when there
 * is no other way. */
static char *name_of(const struct where *where, const struct layout_entry *entry, bool takes_offset, json_t *commands,
	bool *is_loop)
{
	char *device = partition_device(where, entry), suffix[40] = "", *word = NULL, *line = NULL;
	const char *path = device ? device : where->path;
	bool has_offset = !device && entry->partition + entry->start_bytes > 0;
	size_t bytes = 0;
	FILE *out;

	/* debugfs takes what follows a '?' for options. */
	*is_loop = takes_offset ? strchr(path, '?') != NULL : has_offset;
	if (*is_loop) {
		out = open_memstream(&line, &bytes);
		fputs("loop=$(losetup --find --show --read-only", out);
		if (has_offset)
			fprintf(out, " --offset %" PRIu64 " --sizelimit %" PRIu64, entry->start_bytes, entry->size_bytes);
		fputc(' ', out);
		print_word(path, "", out);
		fputc(')', out);
		fclose(out);
		json_array_append_new(commands, json_string(line));
		free(line);
		free(device);
		return xstrdup("\"$loop\"");
	}
	if (has_offset)
		snprintf(suffix, sizeof(suffix), "?offset=%" PRIu64, entry->start_bytes);
	out = open_memstream(&word, &bytes);
	print_word(path, suffix, out);
	fclose(out);
	free(device);
	return word;
}

/* One command for all blocks of one file system. */
static void add_filesystem(const struct where *where, const struct layout_entry *entry, json_t *commands)
{
	char *line = NULL, *name;
	size_t bytes = 0;
	bool is_loop;
	FILE *out;

	name = name_of(where, entry, is_ext(entry), commands, &is_loop);
	out = open_memstream(&line, &bytes);
	fputs(is_ext(entry) ? "debugfs -R \"icheck" : "xfs_db -r -c \"blockget -n\"", out);
	for (size_t i = 0; i < where->noted_count; i++) {
		uint64_t block = where->noted[i].block;

		if (where->noted[i].entry != entry)
			continue;
		if (is_ext(entry))
			fprintf(out, " %" PRIu64, block);
		else
			fprintf(out, " -c \"daddr %" PRIu64 "\" -c \"blockuse -n\"", block * entry->block_bytes / SECTOR_BYTES);
	}
	fprintf(out, "%s %s", is_ext(entry) ? "\"" : "", name);
	fclose(out);
	json_array_append_new(commands, json_string(line));
	if (is_loop)
		json_array_append_new(commands, json_string("losetup -d \"$loop\""));
	free(line);
	free(name);
}

/* The first range only: it verifies one at a time. */
static void add_drbd(const struct where *where, json_t *commands)
{
	const struct volume_info *local = where->local;
	uint64_t start = where->first_begin / SECTOR_BYTES, end = (where->first_end + SECTOR_BYTES - 1) / SECTOR_BYTES;
	char *line;

	if (local->kind != VOLUME_KIND_BLOCK || major(local->device_id) != DRBD_MAJOR || where->first_end == 0)
		return;
	line = xasprintf("drbdadm verify --start=%" PRIu64 "s --stop=%" PRIu64 "s minor-%u",
		start - start % DRBD_SECTORS, (end + DRBD_SECTORS - 1) / DRBD_SECTORS * DRBD_SECTORS,
		minor(local->device_id));
	json_array_append_new(commands, json_string(line));
	free(line);
}

static bool is_first_of_entry(const struct where *where, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (where->noted[i].entry == where->noted[index].entry)
			return false;
	return true;
}

/* No command is made of a path that a terminal or JSON would not show as it is. */
static bool is_printable(const char *path)
{
	json_t *json = json_string(path);
	bool is_utf8 = json != NULL, is_same;
	char *shown = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&shown, &bytes);

	show_clean(path, out);
	fclose(out);
	is_same = strcmp(shown, path) == 0;
	free(shown);
	json_decref(json);
	return is_utf8 && is_same;
}

json_t *where_commands(const struct where *where)
{
	json_t *commands = json_array();

	for (size_t i = 0; i < where->noted_count && is_printable(where->path); i++)
		if (is_first_of_entry(where, i))
			add_filesystem(where, where->noted[i].entry, commands);
	add_drbd(where, commands);
	return commands;
}

void where_print_commands(const struct where *where, FILE *out)
{
	json_t *commands = where_commands(where), *command;
	bool has_ext = false;
	size_t i;

	json_array_foreach(commands, i, command) {
		fprintf(out, "next: %s\n", json_string_value(command));
		has_ext = has_ext || strncmp(json_string_value(command), "debugfs", 7) == 0;
	}
	if (has_ext)
		fputs("note: the same debugfs with \"ncheck INODE\" names the file of an inode that icheck has found\n", out);
	json_decref(commands);
}
