/* SPDX-License-Identifier: Apache-2.0
 *
 * The one way from a DA thread to the loop: a list under a mutex and an eventfd that is written only when the list was
 * empty. Posting cannot fail: the item is part of the request it reports.
 */
#ifndef RA_BASE_MAILBOX_H
#define RA_BASE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct mailbox;

struct mailbox_item {
	uint32_t magic; /* MAILBOX_ITEM_MAGIC, checked before fn is called */
	struct mailbox_item *next;
	void (*fn)(struct mailbox_item *item); /* on the loop thread */
};
#define MAILBOX_ITEM_MAGIC 0x4d424954u

/* base may be NULL: then only mailbox_drain delivers (tests). NULL with errno when there is no eventfd. */
struct mailbox *mailbox_new(struct event_base *base);
void mailbox_free(struct mailbox *mailbox); /* must be empty and no thread may post any more */
void mailbox_post(struct mailbox *mailbox, struct mailbox_item *item); /* any thread */
/* Loop thread: runs fn for all that was posted before the call; returns how many. */
size_t mailbox_drain(struct mailbox *mailbox);
/* Loop thread, tests: waits until an item is there; false after timeout_ms. */
bool mailbox_wait(struct mailbox *mailbox, int timeout_ms);

#endif
