/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts that every primary has, built in order and taken down in the opposite one. Loop thread only. The hard
 * thing is the end: volumes are closed on DA threads, which may hang as long as a disk hangs, so the wait for them is
 * limited, and what a stuck thread may still touch is left behind.
 */
#include "primary/core.h"

#include <assert.h>
#include <errno.h>

#include "base/daemon.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "base/rate.h"
#include "primary/local.h"
#include "storage/da.h"
#include "storage/invalid_table.h"

#define END_GRACE_MS 1000 /* for the disks, when the hosts have gone */

static bool is_idle(const struct core *core)
{
	for (unsigned i = 0; i < core->local_count; i++) {
		if (!local_is_idle(core->locals[i]))
			return false;
	}
	return true;
}

static void on_grace_over(void *arg)
{
	struct core *core = arg;
	daemon_stop(core->daemon, core->exit_code);
}

static void on_local_idle(void *arg)
{
	struct core *core = arg;
	if (core->is_ending && is_idle(core))
		daemon_stop(core->daemon, core->exit_code);
}

int core_start(struct core *core, unsigned da_threads)
{
	struct da_config config = {
		.threads = da_threads,
		.extra_threads = DA_EXTRA_THREADS_MAX,
		.queue_elements = LOCAL_QUEUE_ELEMENTS,
	};
	*core = (struct core){ .daemon = daemon_new(), .post = post_new() };
	core->base = daemon_base(core->daemon);
	core->clock = daemon_clock(core->daemon);
	core->throttle = throttle_new(core->clock);
	timer_init(&core->grace, core->clock, on_grace_over, core);
	core->mailbox = mailbox_new(core->base);
	if (!core->mailbox)
		return -errno;
	core->da = da_new(&config, core->mailbox);
	return core->da ? 0 : -errno;
}

struct local *core_add_local(struct core *core, const char *device, const char *path, struct volume *volume,
	uint32_t track_bytes, struct rate *device_rate, struct rate *total_rate)
{
	struct local_config config = {
		.clock = core->clock,
		.da = core->da,
		.post = core->post,
		.device = device,
		.path = path,
		.volume = volume,
		.track_bytes = track_bytes,
		.throttle = core->throttle,
		.device_rate = device_rate,
		.total_rate = total_rate,
	};
	struct local *local = local_new(&config);
	assert(core->local_count < DEVICES_MAX);
	local_on_idle(local, on_local_idle, core);
	core->locals[core->local_count++] = local;
	return local;
}

struct invalid_table *core_add_table(struct core *core, const char *state, const char *device, uint32_t track_bytes,
	uint64_t offset_bytes)
{
	struct invalid_config config = {
		.clock = core->clock,
		.da = core->da,
		.post = core->post,
		.state = state,
		.device = device,
		.track_bytes = track_bytes,
		.offset_bytes = offset_bytes,
	};
	assert(core->table_count < DEVICES_MAX);
	return core->tables[core->table_count++] = invalid_table_new(&config);
}

void core_end(struct core *core, int exit_code)
{
	if (core->is_ending)
		return;
	core->is_ending = true;
	core->exit_code = exit_code;
	if (is_idle(core))
		daemon_stop(core->daemon, exit_code);
	else
		timer_set(&core->grace, END_GRACE_MS);
}

bool core_free_locals(struct core *core)
{
	if (!is_idle(core))
		return false;
	while (core->local_count > 0)
		local_free(core->locals[--core->local_count]);
	return true;
}

bool core_free(struct core *core)
{
	if (!core_free_locals(core) || (core->da && !da_free(core->da)))
		return false;
	timer_cancel(&core->grace);
	while (core->table_count > 0)
		invalid_table_free(core->tables[--core->table_count]);
	mailbox_free(core->mailbox);
	throttle_free(core->throttle);
	post_free(core->post);
	daemon_free(core->daemon);
	return true;
}

void core_dump(const struct core *core)
{
	struct da_counts counts;
	da_count(core->da, &counts);
	log_write(LOG_LEVEL_INFO, "disk adapter: threads %u and %u extra, requests queued %u, running %u, abandoned %u",
		counts.threads, counts.extra_threads, counts.queued, counts.running, counts.abandoned);
	for (unsigned i = 0; i < core->local_count; i++)
		local_dump(core->locals[i]);
}
