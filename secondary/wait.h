/* SPDX-License-Identifier: Apache-2.0
 *
 * Fig. 5: the wait task of a fetch that a poll asked for. It ends when the disk was read (120) or after four seconds
 * (112), whichever is handled first; step 122, releasing the context, is the return to the loop. Loop thread only.
 */
#ifndef RA_SECONDARY_WAIT_H
#define RA_SECONDARY_WAIT_H

struct fetch;
struct wait_task;

void wait_task_add(struct fetch *fetch); /* step 104 */
/* Step 120, yes. The fetch deallocates DA request and job (116, 118) right after. */
void wait_task_disk_was_read(struct wait_task *task);
void wait_task_free(struct wait_task *task); /* NULL is fine */

#endif
