/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as people read them, and fields of a daemon's JSON that may be missing. A text lives until the eighth call
 * after it.
 */
#ifndef RA_CTL_WORDS_H
#define RA_CTL_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

const char *ctl_bytes(double bytes);    /* "64 KiB", "1.25 GiB" */
const char *ctl_rate(double bytes);     /* "100 MiB/s" */
const char *ctl_age(double seconds);    /* "0.3 s", "12 s", "5 min", "3 h", "4 days" */
const char *ctl_count(uint64_t number, const char *one, const char *many); /* "1 read", "2 reads" */
const char *ctl_tracks(uint64_t first, uint64_t count); /* "5", "5-20"; "" for none */

void ctl_print_json(const json_t *json, FILE *out);
const char *ctl_text_of(const json_t *object, const char *key); /* "" when it is not there */
double ctl_number_of(const json_t *object, const char *key);    /* 0 when it is not there */
uint64_t ctl_integer_of(const json_t *object, const char *key);
bool ctl_has(const json_t *object, const char *key); /* and is not null */
/* "100 MiB/s, 50 reads/s"; "" for no limit. Object: as show_rate makes it. */
const char *ctl_limit_of(const json_t *object);

#endif
