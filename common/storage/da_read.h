/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk read of one DA request: slots, holes, zero tracks, errors of single tracks. DA threads only.
 */
#ifndef RA_STORAGE_DA_READ_H
#define RA_STORAGE_DA_READ_H

#include <stdbool.h>
#include <stdint.h>

struct da_spec;

/* Reads the tracks of spec in order and publishes each. Returns how many: less than asked when slots ran out or
 * is_unwanted, asked after each disk read, said yes; then what that read brought is dropped. */
uint32_t da_read_tracks(const struct da_spec *spec, uint64_t sequence, bool (*is_unwanted)(void *arg), void *arg);

#endif
