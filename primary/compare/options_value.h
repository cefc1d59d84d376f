/* SPDX-License-Identifier: Apache-2.0
 *
 * What options.c (which options there are and what goes together) and options_value.c (what a value of each may be)
 * share. Nobody else includes this.
 */
#ifndef RA_COMPARE_OPTIONS_VALUE_H
#define RA_COMPARE_OPTIONS_VALUE_H

#include "primary/compare/options.h"

#define RULES_MAX 48u

/* The first error is kept: those after it may be its consequence. */
struct options_parser {
	struct options *options;
	char *why;
	bool is_bad;
	bool is_by_data; /* --by data */
	bool is_given[RULES_MAX]; /* by rule */
};

/* Keeps the words, unless there are some. */
__attribute__((format(printf, 2, 3))) void options_refuse(struct options_parser *parser, const char *format, ...);

void option_time(struct options_parser *parser, const char *name, const char *text, int64_t *out_ms);
void option_count(struct options_parser *parser, const char *name, const char *text, uint32_t max, uint32_t *out);
/* Each takes the text of the option of its name into parser->options; NULL where the value was left out. */
void option_track_size(struct options_parser *parser, const char *text);
void option_cache(struct options_parser *parser, const char *text);
void option_limit(struct options_parser *parser, const char *text);
void option_tracks(struct options_parser *parser, const char *text);
void option_by(struct options_parser *parser, const char *text);
void option_digest(struct options_parser *parser, const char *text);
void option_delivery(struct options_parser *parser, const char *text);
void option_io(struct options_parser *parser, const char *text);
void option_progress(struct options_parser *parser, const char *text);
void option_status_fd(struct options_parser *parser, const char *text);
void option_reserve(struct options_parser *parser, const char *text);
void option_settle(struct options_parser *parser, const char *text);
void option_max_lag(struct options_parser *parser, const char *text);
void option_stop_after(struct options_parser *parser, const char *text);
void option_state(struct options_parser *parser, const char *text);
void option_max_duration(struct options_parser *parser, const char *text);
void option_until(struct options_parser *parser, const char *text);
void option_older_than(struct options_parser *parser, const char *text);
void option_invalid(struct options_parser *parser, const char *text);
void option_repeat(struct options_parser *parser, const char *text);
void option_exact(struct options_parser *parser, const char *text);
void option_socket(struct options_parser *parser, const char *text);

#endif
