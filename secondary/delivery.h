/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 7: Reads by disconnect, and by hold (without steps 176, 184 and 194). Loop thread only.
 */
#ifndef RA_SECONDARY_DELIVERY_H
#define RA_SECONDARY_DELIVERY_H

struct read;

/* From step 156 on. */
void delivery_look(struct read *read);
/* Step 190, yes: the fetch that this Read waited for has ended, its DA request is deallocated (192). */
void delivery_disk_was_read(struct read *read);
/* A Read that waited for a free element after step 182 goes on; it has left its list. */
void delivery_go_on(struct read *read);
/* The same of one that waited for its turn for a fetch. */
void delivery_fetch(struct read *read);
/* The timers of a Read. */
void delivery_request_timer(void *read); /* 156 */
void delivery_da_timer(void *read);      /* 186 */

#endif
