/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine against a primary that the test plays, for test_engine.c and test_engine_keep.c. Include it once per
 * program.
 */
#ifndef RA_TESTS_UNIT_ENGINE_BED_H
#define RA_TESTS_UNIT_ENGINE_BED_H

#include "primary/compare/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "primary/compare/options.h"
#include "primary/compare/report.h"
#include "tests/unit/fake_client.h"

#define RUN_TRACKS 4u
#define TRACKS 64u

struct fixture {
	struct clock *clock;
	struct shm *shm;
	struct client *client;
	struct options options;
	struct engine *engine;
	unsigned passes_told, done;
	uint64_t last_different;
};

static inline void on_pass(void *arg, const struct report *report, uint64_t pass)
{
	struct fixture *f = arg;

	f->passes_told++;
	assert_int_equal(pass, f->passes_told);
	f->last_different = report_figures(report)->tracks[REPORT_DIFFERENT];
}

static inline void on_done(void *arg)
{
	((struct fixture *)arg)->done++;
}

static const struct engine_ops ops = { .pass = on_pass, .done = on_done };

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	f->clock = clock_new_virtual();
	f->options = (struct options){ .path_local = "vol_a", .path_remote = "vol_b", .name_remote = "vol_b",
		.delivery = DELIVERY_HOLD, .jobs = 3, .track_bytes = FAKE_TRACK_BYTES, .run_tracks = RUN_TRACKS,
		.retry_delay_ms = 100, .read_timeout_ms = 1000, .repeat = 1, .exact_tracks = 100 };
	assert_int_equal(shm_create(options_slot_count(&f->options), FAKE_VOLUME_BYTES, &f->shm, &fd), 0);
	close(fd);
	f->client = client_new(NULL, NULL, -1, f->shm, -1, NULL, NULL);
	f->engine = engine_new(f->client, f->clock, f->shm, &f->options, &ops, f);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	client_free(f->client);
	engine_free(f->engine);
	shm_unref(f->shm);
	clock_free(f->clock);
	free(f);
	return 0;
}

static inline void start(struct fixture *f)
{
	engine_start(f->engine);
	fake_answer_open(f->client, STATUS_OK);
}

/* The pass that runs, to its end with the sizes. */
static inline void run_pass(struct fixture *f)
{
	fake_answer_all(f->client);
	fake_answer_open(f->client, STATUS_OK);
}

/* From the end of a pass into the next. */
static inline void begin_next_pass(struct fixture *f)
{
	fake_answer_release(f->client);
	fake_answer_open(f->client, STATUS_OK);
}

static inline void link_is(struct fixture *f, bool is_up, uint32_t relinks)
{
	engine_link(f->engine, &(const struct msg_host_link){ .is_up = is_up, .relinks = relinks });
}

static inline const struct report_figures *figures(const struct fixture *f)
{
	return report_figures(engine_report(f->engine));
}

static inline void make_device(struct fixture *f)
{
	f->options.form = FORM_DEVICE;
	f->options.device = "web1";
	f->options.path_local = f->options.path_remote = f->options.name_remote = NULL;
	f->options.track_bytes = 0;
	f->options.run_tracks = 0;
}

/* Of a device nothing is kept yet, and no track is invalid. */
static inline void answer_records(struct fixture *f)
{
	assert_int_equal(f->client->record, RECORD_LEDGER);
	fake_answer_record(f->client, STATUS_OK, NULL, 0);
	assert_int_equal(f->client->record, RECORD_INVALID);
	fake_answer_record(f->client, STATUS_OK, NULL, 0);
}

#endif
