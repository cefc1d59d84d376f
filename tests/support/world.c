/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume in memory with switches, and the parts around a primary's own.
 */
#include "tests/support/world.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "base/rate.h"
#include "primary/local.h"
#include "primary/remote.h"
#include "storage/da.h"
#include "storage/volume.h"
#include "tests/support/fake_secondary.h"
#include "wire/tls.h"

struct world_volume {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	uint64_t size_bytes;
	int open_error, lock_error;
	bool hangs_reads, hangs_opens, hangs_locks, is_open, is_locked;
	unsigned hung, opens;
	unsigned reads_hung, reads_let, reads_gone; /* in all: that began to hang, of those the first may go on, have */
	uint64_t hole_begin, hole_end;
};

static void lock(struct world_volume *volume)
{
	pthread_mutex_lock(&volume->mutex);
}

static void unlock(struct world_volume *volume)
{
	pthread_mutex_unlock(&volume->mutex);
}

/* With the mutex. */
static void hang_while(struct world_volume *volume, const bool *hangs)
{
	if (!*hangs)
		return;
	volume->hung++;
	pthread_cond_broadcast(&volume->changed);
	while (*hangs)
		pthread_cond_wait(&volume->changed, &volume->mutex);
	volume->hung--;
}

/* With the mutex. */
static void hang_read(struct world_volume *volume)
{
	if (!volume->hangs_reads)
		return;
	unsigned number = volume->reads_hung++;
	volume->hung++;
	pthread_cond_broadcast(&volume->changed);
	while (volume->hangs_reads && number >= volume->reads_let)
		pthread_cond_wait(&volume->changed, &volume->mutex);
	volume->reads_gone++;
	volume->hung--;
	pthread_cond_broadcast(&volume->changed);
}

static int op_open(void *arg, struct volume_info *info)
{
	struct world_volume *volume = arg;
	lock(volume);
	hang_while(volume, &volume->hangs_opens);
	int error = volume->open_error;
	memset(info, 0, sizeof(*info));
	info->size_bytes = volume->size_bytes;
	info->kind = VOLUME_KIND_FILE;
	info->io = IO_MODE_BUFFERED;
	strcpy(info->path, "/memory");
	volume->opens++;
	volume->is_open = !error;
	unlock(volume);
	return error;
}

static int op_size(void *arg, uint64_t *size_bytes)
{
	struct world_volume *volume = arg;
	lock(volume);
	*size_bytes = volume->size_bytes;
	unlock(volume);
	return 0;
}

static ssize_t op_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	struct world_volume *volume = arg;
	lock(volume);
	hang_read(volume);
	uint64_t end = volume->size_bytes;
	unlock(volume);
	ssize_t total = 0;
	for (int i = 0; i < iov_count; i++) {
		uint8_t *to = iov[i].iov_base;
		for (size_t j = 0; j < iov[i].iov_len && offset < end; j++, offset++, total++)
			to[j] = world_byte(offset / WORLD_TRACK_BYTES);
	}
	return total;
}

static int op_next_data(void *arg, uint64_t offset, uint64_t *data_offset)
{
	struct world_volume *volume = arg;
	lock(volume);
	bool is_in_hole = offset >= volume->hole_begin && offset < volume->hole_end;
	*data_offset = is_in_hole ? volume->hole_end : offset;
	unlock(volume);
	return 0;
}

static int op_lock(void *arg, char holder[HOLDER_BYTES])
{
	struct world_volume *volume = arg;
	lock(volume);
	hang_while(volume, &volume->hangs_locks);
	int error = volume->lock_error;
	volume->is_locked = !error;
	if (error == -EBUSY)
		strcpy(holder, "in use by editor[7]");
	unlock(volume);
	return error;
}

static void op_unlock(void *arg)
{
	struct world_volume *volume = arg;
	lock(volume);
	hang_while(volume, &volume->hangs_locks);
	assert(volume->is_locked);
	volume->is_locked = false;
	unlock(volume);
}

static void op_close(void *arg)
{
	struct world_volume *volume = arg;
	lock(volume);
	assert(!volume->is_locked);
	volume->is_open = false;
	unlock(volume);
}

static const struct volume_ops ops = {
	.open = op_open,
	.size = op_size,
	.read = op_read,
	.next_data = op_next_data,
	.lock = op_lock,
	.unlock = op_unlock,
	.close = op_close,
};

uint8_t world_byte(uint64_t track)
{
	return (uint8_t)(track % 250 + 1);
}

void world_fail_open(struct world *world, int error)
{
	lock(world->volume);
	world->volume->open_error = error;
	unlock(world->volume);
}

void world_fail_lock(struct world *world, int error)
{
	lock(world->volume);
	world->volume->lock_error = error;
	unlock(world->volume);
}

void world_hang_reads(struct world *world)
{
	lock(world->volume);
	world->volume->hangs_reads = true;
	unlock(world->volume);
}

void world_let_pass(struct world *world)
{
	lock(world->volume);
	world->volume->reads_let = world->volume->reads_hung;
	pthread_cond_broadcast(&world->volume->changed);
	while (world->volume->reads_gone < world->volume->reads_let)
		pthread_cond_wait(&world->volume->changed, &world->volume->mutex);
	unlock(world->volume);
}

void world_hang_opens(struct world *world)
{
	lock(world->volume);
	world->volume->hangs_opens = true;
	unlock(world->volume);
}

void world_hang_locks(struct world *world)
{
	lock(world->volume);
	world->volume->hangs_locks = true;
	unlock(world->volume);
}

void world_wait_hung(struct world *world, unsigned count)
{
	lock(world->volume);
	while (world->volume->hung < count)
		pthread_cond_wait(&world->volume->changed, &world->volume->mutex);
	unlock(world->volume);
}

void world_release(struct world *world)
{
	lock(world->volume);
	world->volume->hangs_reads = world->volume->hangs_opens = world->volume->hangs_locks = false;
	pthread_cond_broadcast(&world->volume->changed);
	unlock(world->volume);
}

void world_punch(struct world *world, uint64_t begin_bytes, uint64_t end_bytes)
{
	lock(world->volume);
	world->volume->hole_begin = begin_bytes;
	world->volume->hole_end = end_bytes;
	unlock(world->volume);
}

void world_resize(struct world *world, uint64_t size_bytes)
{
	lock(world->volume);
	world->volume->size_bytes = size_bytes;
	unlock(world->volume);
}

bool world_is_open(struct world *world)
{
	lock(world->volume);
	bool is_open = world->volume->is_open;
	unlock(world->volume);
	return is_open;
}

bool world_is_locked(struct world *world)
{
	lock(world->volume);
	bool is_locked = world->volume->is_locked;
	unlock(world->volume);
	return is_locked;
}

unsigned world_opens(struct world *world)
{
	lock(world->volume);
	unsigned opens = world->volume->opens;
	unlock(world->volume);
	return opens;
}

struct world *world_new(unsigned queue_elements)
{
	struct world *world = xcalloc(1, sizeof(*world));
	signal(SIGPIPE, SIG_IGN);
	world->base = event_base_new();
	world->clock = clock_new_virtual();
	world->mailbox = mailbox_new(NULL);
	world->post = post_new();
	world->throttle = throttle_new(world->clock);
	world->device_rate = rate_new(world->throttle, &(struct rate_limit){ 0 });
	world->total_rate = rate_new(world->throttle, &(struct rate_limit){ 0 });
	struct da_config config = { .threads = 4, .extra_threads = 2, .queue_elements = queue_elements };
	world->da = da_new(&config, world->mailbox);
	assert(world->base && world->mailbox && world->da);
	return world;
}

void world_add_local(struct world *world, uint64_t size_bytes)
{
	world->volume = xcalloc(1, sizeof(*world->volume));
	pthread_mutex_init(&world->volume->mutex, NULL);
	pthread_cond_init(&world->volume->changed, NULL);
	world->volume->size_bytes = size_bytes;
	struct local_config config = {
		.clock = world->clock,
		.da = world->da,
		.post = world->post,
		.device = "volume",
		.path = "/memory",
		.volume = volume_new_with_ops(&ops, world->volume),
		.track_bytes = WORLD_TRACK_BYTES,
		.throttle = world->throttle,
		.device_rate = world->device_rate,
		.total_rate = world->total_rate,
	};
	world->local = local_new(&config);
}

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	struct world *world = arg;

	(void)proof;
	return strcmp(world->secondary_key, key) == 0 ? world : NULL;
}

void world_add_link(struct world *world, uint32_t window_reads)
{
	struct tls_identity *ours, *theirs;
	int fds[2];
	int error = tls_identity_generate(&ours) | tls_identity_generate(&theirs) |
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
	assert(error == 0);
	tls_identity_key(theirs, world->secondary_key);
	world->context = tls_context_new(ours, TLS_CLIENT, admit, world);
	struct remote_config config = {
		.base = world->base,
		.clock = world->clock,
		.post = world->post,
		.peer_key = world->secondary_key,
		.throttle = world->throttle,
	};
	world->remote = remote_new(&config, tls_new(world->context, fds[0], fds[0]), fds[0], fds[0]);
	world->secondary = fake_secondary_new(world->base, world->clock, theirs, fds[1], window_reads);
	tls_identity_free(ours);
	tls_identity_free(theirs);
}

void world_pass(struct world *world)
{
	event_base_loop(world->base, EVLOOP_NONBLOCK);
	mailbox_drain(world->mailbox);
}

void world_wait(struct world *world)
{
	world_pass(world);
	mailbox_wait(world->mailbox, 1);
}

void world_settle(struct world *world)
{
	for (unsigned i = 0; i < 300; i++)
		world_pass(world);
}

void world_free(struct world *world)
{
	fake_secondary_free(world->secondary);
	remote_free(world->remote);
	tls_context_free(world->context);
	if (world->volume) {
		world_release(world);
		bool is_idle = WORLD_UNTIL(world, local_is_idle(world->local));
		assert(is_idle);
		local_free(world->local);
	}
	bool is_freed = da_free(world->da);
	assert(is_freed);
	if (world->volume) {
		pthread_cond_destroy(&world->volume->changed);
		pthread_mutex_destroy(&world->volume->mutex);
		free(world->volume);
	}
	mailbox_free(world->mailbox);
	post_free(world->post);
	rate_free(world->device_rate);
	rate_free(world->total_rate);
	throttle_free(world->throttle);
	clock_free(world->clock);
	event_base_free(world->base);
	free(world);
}
