/* SPDX-License-Identifier: Apache-2.0
 *
 * By mktime, with a day of its own for each try: it changes what it is given where a time does not exist.
 */
#include "primary/compare/until.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool is_digit(char c)
{
	return isdigit((unsigned char)c);
}

/* H:MM or HH:MM. */
static bool parse(const char *text, int *hour, int *minute)
{
	size_t hour_digits = is_digit(text[0]) && is_digit(text[1]) ? 2 : 1;
	const char *rest = text + hour_digits;

	if (!is_digit(text[0]) || rest[0] != ':' || !is_digit(rest[1]) || !is_digit(rest[2]) || rest[3] != '\0')
		return false;
	*hour = hour_digits == 2 ? (text[0] - '0') * 10 + text[1] - '0' : text[0] - '0';
	*minute = (rest[1] - '0') * 10 + rest[2] - '0';
	return *hour < 24 && *minute < 60;
}

int64_t until_s(const char *text, time_t now)
{
	int hour, minute;

	if (!parse(text, &hour, &minute))
		return -1;
	for (int days = 0; days < 2; days++) {
		struct tm tm;
		time_t then;

		localtime_r(&now, &tm);
		tm.tm_mday += days;
		tm.tm_hour = hour;
		tm.tm_min = minute;
		tm.tm_sec = 0;
		tm.tm_isdst = -1;
		then = mktime(&tm);
		if (then > now)
			return then - now;
	}
	return -1; /* this clock is at the end of time */
}
