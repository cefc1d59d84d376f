/* SPDX-License-Identifier: Apache-2.0
 *
 * What options.c (options and their values) and options_check.c (operands, and what goes together) share. Nobody else
 * includes this.
 */
#ifndef RA_COMPARE_OPTIONS_PRIVATE_H
#define RA_COMPARE_OPTIONS_PRIVATE_H

#include <stdbool.h>

#include "primary/compare/options.h"

#define OPTIONS_RULES_MAX 48u

struct options_parser {
	struct options *options;
	char *why;
	bool is_bad;
	bool is_given[OPTIONS_RULES_MAX]; /* by rule */
};

/* The first error is kept: those after it may be its consequence. */
__attribute__((format(printf, 2, 3))) void options_refuse(struct options_parser *parser, const char *format, ...);

/* ---- options_check.c ---- */

void options_take_operands(struct options_parser *parser, int count, char *const operands[]);
/* When all operands and options are known. */
void options_check(struct options_parser *parser);

#endif
