/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of posted items and the eventfd that wakes the loop. Everything under the mutex keeps one rule: the eventfd
 * is readable exactly while the list is not empty. So a wake-up is neither lost nor empty, and a thread writes to it
 * once per batch. The callbacks run without the mutex; an item may be freed or posted again in its own.
 */
#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/alloc.h"
#include "base/log.h"

#define MAILBOX_MAGIC 0x4d41494cu

struct mailbox {
	uint32_t magic;
	int event_fd;
	struct event *event;        /* NULL without an event base */
	pthread_mutex_t mutex;      /* for the list; nothing else is locked while it is held */
	struct mailbox_item *first; /* oldest */
	struct mailbox_item **end;  /* where the next one is linked */
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct mailbox *mailbox = arg;

	(void)fd;
	(void)what;
	assert(mailbox->magic == MAILBOX_MAGIC);
	mailbox_drain(mailbox);
}

struct mailbox *mailbox_new(struct event_base *base)
{
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (event_fd < 0)
		return NULL;
	struct mailbox *mailbox = xcalloc(1, sizeof(*mailbox));

	mailbox->magic = MAILBOX_MAGIC;
	mailbox->event_fd = event_fd;
	mailbox->end = &mailbox->first;
	int rc = pthread_mutex_init(&mailbox->mutex, NULL);

	assert(rc == 0);
	if (base) {
		mailbox->event = event_new(base, event_fd, EV_READ | EV_PERSIST, on_readable, mailbox);
		if (!mailbox->event || event_add(mailbox->event, NULL) != 0)
			log_abort("no event for the mailbox");
	}
	return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	assert(!mailbox->first);
	if (mailbox->event)
		event_free(mailbox->event);
	close(mailbox->event_fd);
	pthread_mutex_destroy(&mailbox->mutex);
	mailbox->magic = 0;
	free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct mailbox_item *item)
{
	static const uint64_t one = 1;

	assert(item->magic == MAILBOX_ITEM_MAGIC && item->fn);
	item->next = NULL;
	pthread_mutex_lock(&mailbox->mutex);
	/* Not lost and not blocked: the counter is 0 while the list is empty. */
	if (!mailbox->first && write(mailbox->event_fd, &one, sizeof(one)) != sizeof(one))
		log_abort("mailbox: eventfd: %s", strerror(errno));
	*mailbox->end = item;
	mailbox->end = &item->next;
	pthread_mutex_unlock(&mailbox->mutex);
}

static struct mailbox_item *take_all(struct mailbox *mailbox)
{
	uint64_t count;

	pthread_mutex_lock(&mailbox->mutex);
	struct mailbox_item *first = mailbox->first;

	if (first && read(mailbox->event_fd, &count, sizeof(count)) != sizeof(count))
		log_abort("mailbox: eventfd: %s", strerror(errno));
	mailbox->first = NULL;
	mailbox->end = &mailbox->first;
	pthread_mutex_unlock(&mailbox->mutex);
	return first;
}

size_t mailbox_drain(struct mailbox *mailbox)
{
	struct mailbox_item *item = take_all(mailbox);
	size_t count = 0;

	while (item) {
		struct mailbox_item *next = item->next; /* fn may free the item */

		assert(item->magic == MAILBOX_ITEM_MAGIC);
		item->fn(item);
		item = next;
		count++;
	}
	return count;
}

bool mailbox_wait(struct mailbox *mailbox, int timeout_ms)
{
	struct pollfd wait = {.fd = mailbox->event_fd, .events = POLLIN};
	int ready;

	do
		ready = poll(&wait, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	return ready == 1;
}
