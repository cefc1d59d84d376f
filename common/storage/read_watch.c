/* SPDX-License-Identifier: Apache-2.0
 *
 * Time alone does not tell: a thread that had to wait for a processor was slow, too. A thread that waited for the disk
 * has slept, and the system counts that; but asking it costs some percent of a read from memory. So it is asked about
 * the reads that follow a slow one.
 */
#include "storage/read_watch.h"

#include <sys/resource.h>
#include <time.h>

#define FAST_NS_PER_KIB 1000   /* 1 GB/s: memory is faster, unless the thread was held up */
#define SUSPICION_READS 8      /* after a slow one */
#define COLD_BYTES (64 << 20)  /* after one that waited: few of those that follow do when the system reads ahead well */

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static long sleeps_of_thread(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

void read_watch_begin(struct read_watch *watch, struct watched_read *read, bool is_closely)
{
	if (!is_closely)
		is_closely = atomic_load_explicit(&watch->suspicion, memory_order_relaxed) > 0;
	*read = (struct watched_read){ .sleeps = is_closely ? sleeps_of_thread() : -1, .began_ns = now_ns() };
}

void read_watch_end(struct read_watch *watch, struct watched_read *read, size_t bytes)
{
	read->took_ns = now_ns() - read->began_ns;
	read->has_waited = read->sleeps >= 0 && sleeps_of_thread() > read->sleeps;
	if (read->has_waited)
		atomic_store_explicit(&watch->cold_bytes, COLD_BYTES, memory_order_relaxed);
	else if (read_watch_is_cold(watch))
		atomic_fetch_sub_explicit(&watch->cold_bytes, (long long)bytes, memory_order_relaxed);
	if (read->took_ns > (int64_t)(bytes / 1024) * FAST_NS_PER_KIB)
		atomic_store_explicit(&watch->suspicion, SUSPICION_READS, memory_order_relaxed);
	else if (read->sleeps >= 0 && atomic_load_explicit(&watch->suspicion, memory_order_relaxed) > 0)
		atomic_fetch_sub_explicit(&watch->suspicion, 1, memory_order_relaxed);
}

bool read_watch_is_cold(const struct read_watch *watch)
{
	return atomic_load_explicit(&watch->cold_bytes, memory_order_relaxed) > 0;
}
