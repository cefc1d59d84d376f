/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges of tracks: see ranges.h. No state.
 */
#include "primary/ctl/ranges.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/track_set.h"

/* For "return": false, after writing why. */
#define refuse(why, ...) (snprintf((why), CTL_WHY_BYTES, __VA_ARGS__), false)

/* A number below TRACKS_END; false: it is none. */
static bool take_number(const char **text, uint64_t *number)
{
	size_t digits = strspn(*text, "0123456789");

	if (digits == 0 || digits > 16)
		return false;
	*number = strtoull(*text, NULL, 10);
	*text += digits;
	return *number < TRACKS_END;
}

/* One range; *text is behind it. */
static bool take_range(const char **text, uint64_t *first, uint64_t *last)
{
	if (!take_number(text, first))
		return false;
	*last = *first;
	if (**text != '-')
		return true;
	++*text;
	return take_number(text, last) && *first <= *last;
}

bool ctl_ranges_take(struct track_set *set, const char *text, char why[CTL_WHY_BYTES])
{
	uint64_t first, last;
	const char *range, *at = text;

	do {
		range = at;
		if (!take_range(&at, &first, &last) || (*at != '\0' && *at != ','))
			return refuse(why, "'%.*s' is no range of tracks: expected A or A-B, counted from 0, with commas between "
				"several", (int)(strcspn(range, ",") < 80 ? strcspn(range, ",") : 80), range);
		track_set_add(set, first, last - first + 1);
	} while (*at++ == ',');
	return true;
}

/* Without its comment, and the blanks around. NULL: there is a NUL in it. */
static char *trim(char *line, size_t bytes)
{
	static const char blanks[] = " \t\r\n";

	if (strlen(line) != bytes)
		return NULL;
	line[strcspn(line, "#")] = '\0';
	line += strspn(line, blanks);
	for (size_t end = strlen(line); end > 0 && strchr(blanks, line[end - 1]) != NULL; end--)
		line[end - 1] = '\0';
	return line;
}

static bool take_line(struct track_set *set, char *line, size_t bytes, char why[CTL_WHY_BYTES])
{
	char *text = trim(line, bytes);

	if (text == NULL)
		return refuse(why, "a NUL in it");
	if (text[0] != '\0' && !ctl_ranges_take(set, text, why))
		return false;
	return track_set_ranges(set) <= TRACK_SET_RANGES_MAX ||
		refuse(why, "more than %u ranges", TRACK_SET_RANGES_MAX);
}

bool ctl_ranges_read(struct track_set *set, FILE *in, const char *name, char why[CTL_WHY_BYTES])
{
	char words[CTL_WHY_BYTES];
	char *line = NULL;
	size_t room = 0;
	uint64_t number = 0;
	bool is_good = true;
	ssize_t bytes;

	errno = 0;
	while (is_good && (bytes = getline(&line, &room, in)) >= 0) {
		number++;
		is_good = take_line(set, line, (size_t)bytes, words);
	}
	free(line);
	if (!is_good)
		return refuse(why, "%.150s, line %" PRIu64 ": %.300s", name, number, words);
	if (ferror(in))
		return refuse(why, "%.150s: %s", name, strerror(errno));
	return true;
}

void ctl_ranges_print(const struct track_set *set, const char *indent, FILE *out)
{
	for (size_t i = 0; i < track_set_ranges(set); i++) {
		struct track_range range = track_set_range(set, i);

		fprintf(out, "%s%" PRIu64, indent, range.first);
		if (range.count > 1)
			fprintf(out, "-%" PRIu64, range.first + range.count - 1);
		fputc('\n', out);
	}
}
