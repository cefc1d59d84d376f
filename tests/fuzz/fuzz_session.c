/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile primary whose key is known: the input is what it writes after its Hello, in pieces of the size that the
 * first byte says. Everything behind the socket is real, but for the volume, which has data, zeros, a hole and a bad
 * track. Beside it is an honest primary: whatever the input is, it gets its tracks, and nothing is left at the end.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/da.h"
#include "storage/volume.h"
#include "wire/conn.h"

#define TRACK TRACK_BYTES_MIN
#define TRACKS 40u /* 0-9 data, 10-19 zeros, 20-29 a hole, 30 bad */
#define INPUT_BYTES_MAX 4096u
#define PAYLOAD_BYTES_MAX (TRACKS * TRACK)

struct target {
	struct event_base *base;
	struct clock *clock;
	struct mailbox *mailbox;
	struct post *post;
	struct ra *ra;
	struct peer_list *peers;
	struct conn *honest;
	struct message ask, answer;
	unsigned answers;
	uint8_t payload[PAYLOAD_BYTES_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* ---- The volume ---- */

static int op_open(void *arg, struct volume_info *info)
{
	(void)arg;
	*info = (struct volume_info){ .size_bytes = TRACKS * TRACK - 100, .kind = VOLUME_KIND_FILE,
		.io = IO_MODE_BUFFERED, .path = "fuzz" };
	return 0;
}

static int op_size(void *arg, uint64_t *size_bytes)
{
	(void)arg;
	*size_bytes = TRACKS * TRACK - 100;
	return 0;
}

static ssize_t op_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	ssize_t total = 0;

	(void)arg;
	for (int i = 0; i < iov_count && offset < TRACKS * TRACK - 100; i++) {
		size_t left = TRACKS * TRACK - 100 - offset, part = iov[i].iov_len < left ? iov[i].iov_len : left;

		if (offset / TRACK == 30)
			return -EIO;
		memset(iov[i].iov_base, offset / TRACK < 10 || offset / TRACK > 30 ? 7 : 0, part);
		offset += part;
		total += (ssize_t)part;
	}
	return total;
}

static int op_next_data(void *arg, uint64_t offset, uint64_t *data_offset)
{
	(void)arg;
	*data_offset = offset >= 20 * TRACK && offset < 30 * TRACK ? 30 * TRACK : offset;
	return 0;
}

static int op_lock(void *arg, char holder[HOLDER_BYTES])
{
	(void)arg;
	(void)holder;
	return 0;
}

static void op_unlock(void *arg)
{
	(void)arg;
}

static void op_close(void *arg)
{
	(void)arg;
}

static const struct volume_ops volume_ops = { op_open, op_size, op_read, op_next_data, op_lock, op_unlock,
	op_close };

/* ---- The loop ---- */

/* What was sent has arrived, what the disks have to do is done. What is queued a thread takes soon, or it waits for
 * slots, which may be long. */
static void settle(struct target *target)
{
	unsigned patience = 5;
	struct da_counts counts;

	do {
		for (unsigned i = 0; i < 8; i++) {
			event_base_loop(target->base, EVLOOP_NONBLOCK);
			mailbox_drain(target->mailbox);
		}
		da_count(target->ra->da, &counts);
		if (counts.running + counts.queued > 0)
			mailbox_wait(target->mailbox, 1);
	} while (counts.running > 0 || (counts.queued > 0 && patience-- > 0));
}

static struct session *new_session(struct target *target, struct peer *peer, int fd)
{
	struct session *session = session_new(target->ra, peer->name, peer, NULL, NULL);

	session_start(session,
		conn_new_plain(target->base, target->clock, fd, peer->name, &session_conn_ops, session));
	return session;
}

/* ---- The honest primary ---- */

static void on_up(void *arg)
{
	(void)arg;
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct target *target = arg;

	(void)message;
	assert(payload_bytes <= sizeof(target->payload));
	return target->payload;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct target *target = arg;

	(void)payload_bytes;
	if (message->type == MESSAGE_HELLO_REPLY)
		conn_accept(target->honest);
	target->answer = *message;
	target->answers++;
	return 0;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	(void)arg;
	(void)clean;
	log_abort("the honest primary has lost its link: %s", reason);
}

static const struct conn_ops honest_ops = { .up = on_up, .payload = on_payload, .frame = on_frame,
	.closed = on_closed };

/* Sends target->ask and waits for its answer. */
static void ask(struct target *target)
{
	unsigned before = target->answers;

	conn_send(target->honest, &target->ask, NULL, 0, NULL, NULL);
	while (target->answers == before)
		settle(target);
}

static void start_honest(struct target *target, struct peer *peer)
{
	int fds[2];
	int error = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);

	assert(error == 0);
	new_session(target, peer, fds[0]);
	target->honest = conn_new_plain(target->base, target->clock, fds[1], "honest", &honest_ops, target);
	target->ask = (struct message){ .type = MESSAGE_HELLO,
		.hello = { .protocol_min = 1, .protocol_max = 1, .digests = DIGESTS_KNOWN } };
	ask(target);
	target->ask = (struct message){ .type = MESSAGE_DEVICE_QUERY, .device_query = { .tag = 1, .device = "volume" } };
	ask(target);
	assert(target->answer.device_reply.status == STATUS_OK);
}

/* Asks for track 3 as the rest of target->ask says. */
static void ask_track(struct target *target)
{
	target->ask.read.first_track = 3;
	target->ask.read.track_count = 1;
	target->ask.read.delivery = DELIVERY_HOLD;
	ask(target);
	if (target->answer.read_reply.status != STATUS_OK || target->answer.read_reply.states[0] != TRACK_DATA)
		log_abort("the honest one got %s, track state %u", status_name(target->answer.read_reply.status),
			target->answer.read_reply.states[0]);
}

/* Its one track comes, and the digest of most of it. A reservation of the hostile one has ended with its link. */
static void check_honest(struct target *target)
{
	uint8_t expected[TRACK];
	XXH128_canonical_t digest;

	memset(expected, 7, sizeof(expected));
	XXH128_canonicalFromHash(&digest, XXH3_128bits(expected, TRACK - 1));
	target->ask = (struct message){ .type = MESSAGE_READ, .read = { .tag = 2 } };
	ask(target);
	assert(target->answer.read_reply.status == STATUS_OK);
	target->ask.read = (struct msg_read){ .tag = 3, .link_id = target->answer.read_reply.link_id };
	ask_track(target);
	assert(memcmp(target->payload, expected, sizeof(expected)) == 0);
	target->ask.read.digest = DIGEST_XXH3_128;
	target->ask.read.end_bytes = 4 * TRACK - 1;
	ask_track(target);
	assert(memcmp(target->payload, digest.digest, sizeof(digest.digest)) == 0);
}

/* ---- The hostile one ---- */

static const uint8_t hello[] = "RA\1\1\6\0\0\0\0\0\0\0\0\0\0\0\10\1\20\1\50\6"; /* both digests */

static void send_all(struct target *target, int fd, const uint8_t *data, size_t bytes, size_t piece_bytes)
{
	uint8_t replies[65536];

	for (size_t at = 0; at < bytes; at += piece_bytes) {
		size_t left = bytes - at;

		(void)send(fd, data + at, left < piece_bytes ? left : piece_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		settle(target);
		while (recv(fd, replies, sizeof(replies), MSG_DONTWAIT) > 0)
			settle(target);
	}
}

static struct peer *add_peer(struct target *target, const char *name, uint32_t jobs_max)
{
	static const char *const devices[] = { "volume", NULL };
	const struct peer_config config = { .name = name, .devices = devices, .links_max = 1, .jobs_max = jobs_max };

	return peer_list_add(target->peers, &config);
}

static struct target *target_build(void)
{
	static struct target target;
	struct ra_config config;

	if (target.base == NULL) {
		log_start("fuzz_session", LOG_LEVEL_ERROR);
		log_level_max = LOG_LEVEL_ERROR;
		signal(SIGPIPE, SIG_IGN);
		target.base = event_base_new();
		target.mailbox = mailbox_new(NULL);
		target.post = post_new();
		target.clock = clock_new_virtual();
	}
	ra_config_default(&config);
	config.track_bytes = TRACK;
	config.jobs = 16;
	config.da_threads = 2;
	config.cache_bytes = 8 * MIB;
	config.da_queue_elements = 8;
	config.window_reads = 4;
	target.ra = ra_new(&config, target.clock, target.mailbox, target.post); /* anew: link ids are the same each time */
	assert(target.ra != NULL);
	device_array_add(target.ra->devices, "volume", volume_new_with_ops(&volume_ops, NULL));
	target.peers = peer_list_new(target.ra->throttle);
	return &target;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct target *target;
	int fds[2];

	if (bytes < 2 || bytes > INPUT_BYTES_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	target = target_build();
	new_session(target, add_peer(target, "hostile", 4), fds[0]);
	start_honest(target, add_peer(target, "honest", 4));
	send_all(target, fds[1], hello, sizeof(hello) - 1, sizeof(hello));
	send_all(target, fds[1], data + 1, bytes - 1, data[0] > 0 ? data[0] : INPUT_BYTES_MAX);
	clock_advance(target->clock, 1000);
	settle(target);
	close(fds[1]);
	settle(target);
	assert(peer_list_find(target->peers, "hostile")->links == 0);
	check_honest(target);
	conn_free(target->honest);
	settle(target);
	assert(job_array_used(target->ra->jobs, JOB_LINK) == 0);
	ra_end_sessions(target->ra);
	peer_list_free(target->peers);
	if (!ra_free(target->ra))
		log_abort("something is left");
	return 0;
}
