/* SPDX-License-Identifier: Apache-2.0
 *
 * The hard thing is not to take the volume's own doing for somebody else's. Several reads at once take longer each on a
 * disk that serves one after the other, and no longer on one that serves them side by side. So two things are watched:
 * what a read takes, and its share, which is that divided by the reads under way with it. On the first disk the share
 * stays the same however many there are, on the second the time does; when somebody else is at work, both grow.
 */
#include "storage/yield.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

#define SIZES 24u           /* by powers of two, from 1 byte to 8 MiB */
#define LEARN_READS 32u     /* nothing is said of a size before so many reads */
#define LATELY_READS 8      /* what reads take lately: an average over about so many, */
#define OUTLIER_TIMES 16    /* where none counts as more than so many times the rule: one alone raises nothing */
#define FALL_READS 32       /* a rule that is too high falls within some times so many */
#define RISE_NS (3600 * INT64_C(1000000000)) /* one that is too low becomes 2.7 times as high, at most, in an hour */
#define GAP_NS_MAX INT64_C(1000000000) /* of reading: so much of the time between two reads counts */
#define RAISED_TIMES 4      /* lately so many times the rule, */
#define SHARE_TIMES 2       /* so many times of it not by more reads at once: somebody else is at work, */
#define RAISED_NS_MIN 2000000 /* unless reads are this fast all the same */
#define PAUSE_TIMES 3       /* as long as the last read took: at least three quarters are left to others */
#define PAUSE_NS_MAX (YIELD_PAUSE_MAX_MS * INT64_C(1000000))

struct course {
	double lately_ns, rule_ns;
};

struct size_class {
	unsigned reads; /* up to LEARN_READS */
	int64_t told_ns;
	struct course time, share;
};

struct yield {
	pthread_mutex_t mutex; /* all below */
	struct size_class sizes[SIZES];
	int64_t pause_ns;
	int64_t paused_ns;
};

static void lock(struct yield *yield)
{
	int error = pthread_mutex_lock(&yield->mutex);

	assert(error == 0);
}

static void unlock(struct yield *yield)
{
	int error = pthread_mutex_unlock(&yield->mutex);

	assert(error == 0);
}

struct yield *yield_new(void)
{
	struct yield *yield = xcalloc(1, sizeof(*yield));
	int error = pthread_mutex_init(&yield->mutex, NULL);

	assert(error == 0);
	return yield;
}

void yield_free(struct yield *yield)
{
	if (!yield)
		return;
	pthread_mutex_destroy(&yield->mutex);
	free(yield);
}

static struct size_class *size_of(struct yield *yield, size_t bytes)
{
	unsigned power = 0;

	while (power < SIZES - 1 && bytes >> (power + 1) != 0)
		power++;
	return &yield->sizes[power];
}

static void learn(struct course *course, double ns, unsigned reads_before)
{
	course->lately_ns += (ns - course->lately_ns) / (reads_before + 1);
	course->rule_ns = course->lately_ns;
}

static void follow(struct course *course, double ns, int64_t passed_ns)
{
	double risen_ns = course->rule_ns * (1 + (double)passed_ns / RISE_NS);
	double most_ns = OUTLIER_TIMES * course->rule_ns;

	if (most_ns < OUTLIER_TIMES * RAISED_NS_MIN / RAISED_TIMES)
		most_ns = OUTLIER_TIMES * RAISED_NS_MIN / RAISED_TIMES;
	if (ns > most_ns)
		ns = most_ns;
	course->lately_ns += (ns - course->lately_ns) / LATELY_READS;
	if (course->lately_ns < course->rule_ns)
		course->rule_ns += (course->lately_ns - course->rule_ns) / FALL_READS;
	else
		course->rule_ns = risen_ns < course->lately_ns ? risen_ns : course->lately_ns;
}

static bool is_raised(const struct size_class *size)
{
	return size->time.lately_ns > RAISED_NS_MIN && size->time.lately_ns > RAISED_TIMES * size->time.rule_ns &&
		size->share.lately_ns > SHARE_TIMES * size->share.rule_ns;
}

/* Takes the read into what is known of its size. Do reads of that size take far longer than as a rule? */
static bool take(struct size_class *size, const struct yield_read *read, int64_t now_ns)
{
	double time_ns = (double)read->took_ns, share_ns = time_ns / read->at_once;
	int64_t passed_ns = now_ns - size->told_ns < GAP_NS_MAX ? now_ns - size->told_ns : GAP_NS_MAX;

	size->told_ns = now_ns;
	if (size->reads < LEARN_READS) {
		learn(&size->time, time_ns, size->reads);
		learn(&size->share, share_ns, size->reads);
		size->reads++;
		return false;
	}
	follow(&size->time, time_ns, passed_ns);
	follow(&size->share, share_ns, passed_ns);
	return is_raised(size);
}

void yield_tell(struct yield *yield, const struct yield_read *read, int64_t now_ns)
{
	int64_t pause_ns = read->took_ns < PAUSE_NS_MAX / PAUSE_TIMES ? read->took_ns * PAUSE_TIMES : PAUSE_NS_MAX;

	assert(read->at_once > 0);
	lock(yield);
	yield->pause_ns = read->has_waited && take(size_of(yield, read->bytes), read, now_ns) ? pause_ns : 0;
	unlock(yield);
}

int64_t yield_pause_ns(struct yield *yield)
{
	int64_t pause_ns;

	lock(yield);
	pause_ns = yield->pause_ns;
	unlock(yield);
	return pause_ns;
}

void yield_add_paused(struct yield *yield, int64_t paused_ns)
{
	lock(yield);
	yield->paused_ns += paused_ns;
	unlock(yield);
}

uint64_t yield_paused_ms(struct yield *yield)
{
	int64_t paused_ns;

	lock(yield);
	paused_ns = yield->paused_ns;
	unlock(yield);
	return (uint64_t)(paused_ns / 1000000);
}
