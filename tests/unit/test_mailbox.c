/* SPDX-License-Identifier: Apache-2.0
 *
 * The mailbox: order, what a callback may do to its item, one wake-up per batch, and posting from several threads while
 * the loop drains (for the thread sanitizer too).
 */
#include "base/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/alloc.h"

#define THREADS 4u
#define ITEMS_PER_THREAD 5000u

struct note {
	struct mailbox_item item; /* first: fn casts */
	unsigned thread;
	unsigned number;
	struct mailbox *post_to;  /* where fn posts it again, or NULL */
};

static unsigned delivered[64]; /* numbers, in order */
static unsigned delivered_count;

static void on_note(struct mailbox_item *item)
{
	struct note *note = (struct note *)item;

	assert_true(delivered_count < sizeof(delivered) / sizeof(delivered[0]));
	delivered[delivered_count++] = note->number;
	if (note->post_to)
		mailbox_post(note->post_to, item);
}

static void note_init(struct note *note, unsigned number)
{
	*note = (struct note){.item = {.magic = MAILBOX_ITEM_MAGIC, .fn = on_note}, .number = number};
}

static int setup(void **state)
{
	delivered_count = 0;
	*state = mailbox_new(NULL);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	mailbox_free(*state);
	return 0;
}

static void items_come_in_the_order_of_posting(void **state)
{
	struct note notes[10];

	for (unsigned i = 0; i < 10; i++) {
		note_init(&notes[i], i);
		mailbox_post(*state, &notes[i].item);
	}
	assert_int_equal(mailbox_drain(*state), 10);
	assert_int_equal(delivered_count, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(delivered[i], i);
	assert_int_equal(mailbox_drain(*state), 0);
}

static void what_a_callback_posts_waits_for_the_next_drain(void **state)
{
	struct note again, other;

	note_init(&again, 1);
	note_init(&other, 2);
	again.post_to = *state;
	mailbox_post(*state, &again.item);
	mailbox_post(*state, &other.item);
	assert_int_equal(mailbox_drain(*state), 2);
	assert_int_equal(delivered_count, 2);
	again.post_to = NULL;
	assert_int_equal(mailbox_drain(*state), 1);
	assert_int_equal(delivered[2], 1);
	assert_int_equal(mailbox_drain(*state), 0);
}

static void free_note(struct mailbox_item *item)
{
	free(item);
}

static void an_item_may_be_freed_by_its_callback(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct note *note = xcalloc(1, sizeof(*note));

		note->item.magic = MAILBOX_ITEM_MAGIC;
		note->item.fn = free_note;
		mailbox_post(*state, &note->item);
	}
	assert_int_equal(mailbox_drain(*state), 3);
}

static void waiting_sees_an_item_and_its_absence(void **state)
{
	struct note note;

	note_init(&note, 1);
	assert_false(mailbox_wait(*state, 0));
	mailbox_post(*state, &note.item);
	assert_true(mailbox_wait(*state, 0));
	assert_true(mailbox_wait(*state, 0));
	mailbox_drain(*state);
	assert_false(mailbox_wait(*state, 0));
}

static void *post_one(void *arg)
{
	struct note *note = arg;

	mailbox_post(note->post_to, &note->item);
	return NULL;
}

static void waiting_ends_when_a_thread_posts(void **state)
{
	struct note note;
	pthread_t thread;

	note_init(&note, 1);
	note.post_to = *state;
	assert_int_equal(pthread_create(&thread, NULL, post_one, &note), 0);
	assert_true(mailbox_wait(*state, 60 * 1000));
	assert_int_equal(pthread_join(thread, NULL), 0);
	note.post_to = NULL;
	assert_int_equal(mailbox_drain(*state), 1);
}

static void the_loop_delivers_and_the_event_stays(void **state)
{
	struct event_base *base = event_base_new();
	struct mailbox *mailbox = mailbox_new(base);
	struct note note;

	(void)state;
	assert_non_null(mailbox);
	for (unsigned round = 1; round <= 3; round++) {
		note_init(&note, round);
		mailbox_post(mailbox, &note.item);
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
		assert_int_equal(delivered_count, round);
		/* Nothing is left that would wake the loop. */
		assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
		assert_int_equal(delivered_count, round);
	}
	mailbox_free(mailbox);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1); /* 1: its event is gone */
	event_base_free(base);
}

struct sender {
	struct mailbox *mailbox;
	struct note *notes;
};

static unsigned next_of_thread[THREADS];
static unsigned out_of_order;

static void on_counted(struct mailbox_item *item)
{
	struct note *note = (struct note *)item;

	if (note->number != next_of_thread[note->thread]++)
		out_of_order++;
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;

	for (unsigned i = 0; i < ITEMS_PER_THREAD; i++)
		mailbox_post(sender->mailbox, &sender->notes[i].item);
	return NULL;
}

static void no_item_of_any_thread_is_lost_or_overtaken(void **state)
{
	struct sender senders[THREADS];
	pthread_t threads[THREADS];
	size_t count = 0;

	out_of_order = 0;
	for (unsigned t = 0; t < THREADS; t++) {
		next_of_thread[t] = 0;
		senders[t].mailbox = *state;
		senders[t].notes = xcalloc(ITEMS_PER_THREAD, sizeof(struct note));
		for (unsigned i = 0; i < ITEMS_PER_THREAD; i++)
			senders[t].notes[i] = (struct note){
				.item = {.magic = MAILBOX_ITEM_MAGIC, .fn = on_counted}, .thread = t, .number = i};
		assert_int_equal(pthread_create(&threads[t], NULL, send_all, &senders[t]), 0);
	}
	while (count < THREADS * ITEMS_PER_THREAD) {
		assert_true(mailbox_wait(*state, 60 * 1000));
		size_t drained = mailbox_drain(*state);

		assert_true(drained > 0); /* no wake-up without an item */
		count += drained;
	}
	for (unsigned t = 0; t < THREADS; t++) {
		assert_int_equal(pthread_join(threads[t], NULL), 0);
		assert_int_equal(next_of_thread[t], ITEMS_PER_THREAD);
		free(senders[t].notes);
	}
	assert_int_equal(out_of_order, 0);
	assert_int_equal(mailbox_drain(*state), 0);
}

int main(void)
{
#define MAILBOX_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		MAILBOX_TEST(items_come_in_the_order_of_posting),
		MAILBOX_TEST(what_a_callback_posts_waits_for_the_next_drain),
		MAILBOX_TEST(an_item_may_be_freed_by_its_callback),
		MAILBOX_TEST(waiting_sees_an_item_and_its_absence),
		MAILBOX_TEST(waiting_ends_when_a_thread_posts),
		MAILBOX_TEST(the_loop_delivers_and_the_event_stays),
		MAILBOX_TEST(no_item_of_any_thread_is_lost_or_overtaken),
	};

	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
