/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile host: the input is what it writes to the socket, in pieces, with a memfd that may be a bad one. The first
 * byte chooses the memory that goes with it, the second the size of the pieces; the rest is the stream. Everything
 * behind the socket is real, but for the volume and the secondary, which answers each request at once: with zeros, or
 * with digests and holes behind them.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "base/rate.h"
#include "primary/host.h"
#include "primary/local.h"
#include "primary/remote.h"
#include "storage/da.h"
#include "storage/volume.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define MEMORY_BYTES 65536 /* the inputs in the corpus say 4 slots of 16 KiB */
#define VOLUME_BYTES 100000u
#define INPUT_BYTES_MAX 4096u
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

struct target {
	struct event_base *base;
	struct clock *clock;
	struct mailbox *mailbox;
	struct post *post;
	struct throttle *throttle;
	struct da *da;
	struct local *local;
	struct remote *remote;
	struct conn *secondary;
	struct message answer;
	struct host *host; /* NULL when gone */
};

static const struct primary_device *find_device(void *arg, const char *name)
{
	const struct primary_device *device = arg;
	return strcmp(name, device->name) == 0 ? device : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int op_open(void *arg, struct volume_info *info)
{
	(void)arg;
	*info = (struct volume_info){ .size_bytes = VOLUME_BYTES, .kind = VOLUME_KIND_FILE, .io = IO_MODE_BUFFERED,
		.path = "local" };
	return 0;
}

static int op_size(void *arg, uint64_t *size_bytes)
{
	(void)arg;
	*size_bytes = VOLUME_BYTES;
	return 0;
}

static ssize_t op_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	ssize_t total = 0;
	(void)arg;
	for (int i = 0; i < iov_count && offset < VOLUME_BYTES; i++) {
		size_t left = VOLUME_BYTES - offset, part = iov[i].iov_len < left ? iov[i].iov_len : left;
		memset(iov[i].iov_base, 7, part);
		offset += part;
		total += (ssize_t)part;
	}
	return total;
}

static int op_next_data(void *arg, uint64_t offset, uint64_t *data_offset)
{
	(void)arg;
	*data_offset = offset;
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

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	static char anybody;

	(void)arg, (void)key, (void)proof;
	return &anybody;
}

static void pass(struct target *target)
{
	event_base_loop(target->base, EVLOOP_NONBLOCK);
	mailbox_drain(target->mailbox);
}

/* What the DA and the link have to do is done. */
static void settle(struct target *target)
{
	struct da_counts counts;
	do {
		for (unsigned i = 0; i < 12; i++)
			pass(target);
		da_count(target->da, &counts);
		if (counts.elements_used > 0)
			mailbox_wait(target->mailbox, 1);
	} while (counts.elements_used > 0);
}

/* ---- The secondary ---- */

static void on_up(void *arg)
{
	(void)arg;
}

/* The bytes of its payload. */
static uint32_t answer_read(struct msg_read_reply *reply, const struct msg_read *read)
{
	reply->tag = read->tag;
	reply->status = STATUS_OK;
	reply->link_id = read->link_id == 0 ? 1 : 0;
	reply->track_count = read->track_count;
	memset(reply->states, read->digest == DIGEST_NONE ? TRACK_ZERO : TRACK_DATA, read->track_count);
	if (read->digest == DIGEST_NONE || read->track_count == 1)
		return read->track_count * digest_bytes(read->digest);
	reply->states[read->track_count - 1] = TRACK_HOLE;
	reply->hole_tracks = 9;
	return (read->track_count - 1) * digest_bytes(read->digest);
}

static void done(struct message *answer, uint32_t tag)
{
	answer->type = MESSAGE_DONE;
	answer->done = (struct msg_done){ .tag = tag, .status = STATUS_OK };
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	static const uint64_t invalid[] = { 5, 2 };
	static const uint8_t digests[RUN_DIGESTS_MAX * DIGEST_BYTES_MAX] = { 7 };
	struct conn_piece piece = { invalid, 0 };
	struct target *target = arg;
	struct message *answer = &target->answer;
	(void)payload_bytes;
	memset(answer, 0, sizeof(*answer));
	switch (message->type) {
	case MESSAGE_HELLO:
		conn_accept(target->secondary);
		answer->type = MESSAGE_HELLO_REPLY;
		answer->hello_reply = (struct msg_hello_reply){ .status = STATUS_OK, .protocol = RA_PROTOCOL_VERSION,
			.features = FEATURE_INVALID, .window_reads = 2, .secondary_id = 1, .digests = DIGESTS_KNOWN };
		break;
	case MESSAGE_DEVICE_QUERY:
		answer->type = MESSAGE_DEVICE_REPLY;
		answer->device_reply = (struct msg_device_reply){ .tag = message->device_query.tag, .status = STATUS_OK,
			.track_bytes = TRACK_BYTES_MIN, .volume = { .size_bytes = VOLUME_BYTES, .kind = VOLUME_KIND_FILE,
			.io = IO_MODE_BUFFERED, .path = "remote" } };
		break;
	case MESSAGE_INVALID:
		answer->type = MESSAGE_INVALID_REPLY;
		answer->invalid_reply = (struct msg_invalid_reply){ .tag = message->invalid.tag, .status = STATUS_OK };
		piece.bytes = sizeof(invalid);
		break;
	case MESSAGE_READ:
		answer->type = MESSAGE_READ_REPLY;
		piece = (struct conn_piece){ digests, answer_read(&answer->read_reply, &message->read) };
		break;
	case MESSAGE_RESERVE:
		answer->type = MESSAGE_RESERVE_REPLY;
		answer->reserve_reply = (struct msg_reserve_reply){ .tag = message->reserve.tag, .status = STATUS_OK,
			.reservation = 7 };
		if (message->reserve.owner[0] == 'b') {
			answer->reserve_reply = (struct msg_reserve_reply){ .tag = message->reserve.tag, .status = STATUS_BUSY,
				.detail = "held" };
		}
		break;
	case MESSAGE_UNRESERVE:
		assert(message->unreserve.reservation == 7);
		done(answer, message->unreserve.tag);
		break;
	case MESSAGE_RELEASE:
		done(answer, message->release.tag);
		break;
	default:
		assert(message->type == MESSAGE_DETACH);
		done(answer, message->detach.tag);
	}
	conn_send(target->secondary, answer, &piece, piece.bytes > 0, NULL, NULL);
	return 0;
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	(void)arg;
	(void)clean;
	log_abort("the link was lost: %s", reason); /* no host can do that */
}

static void build_link(struct target *target)
{
	static const struct conn_ops conn_ops = { .up = on_up, .frame = on_frame, .closed = on_closed };
	struct tls_identity *identity;
	int fds[2];
	int error = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) |
		tls_identity_generate(&identity);
	assert(error == 0);
	struct tls_context *client = tls_context_new(identity, TLS_CLIENT, admit, NULL);
	struct tls_context *server = tls_context_new(identity, TLS_SERVER, admit, NULL);
	struct remote_config config = { .base = target->base, .clock = target->clock, .post = target->post,
		.throttle = target->throttle, .peer_key = "sha256:none" };
	target->remote = remote_new(&config, tls_new(client, fds[0], fds[0]), fds[0], fds[0]);
	target->secondary = conn_new_tls(target->base, target->clock, tls_new(server, fds[1], fds[1]), fds[1], fds[1],
		"secondary", &conn_ops, target);
	tls_context_free(client);
	tls_context_free(server);
	tls_identity_free(identity);
	settle(target);
}

/* ---- The host ---- */

static struct target *target_build(void)
{
	static struct target target;
	static const struct da_config da_config = { .threads = 2, .queue_elements = 4 };
	if (target.base)
		return &target;
	log_start("fuzz_host", LOG_LEVEL_ERROR);
	signal(SIGPIPE, SIG_IGN);
	target.base = event_base_new();
	target.clock = clock_new_virtual();
	target.mailbox = mailbox_new(NULL);
	target.post = post_new();
	target.throttle = throttle_new(target.clock);
	target.da = da_new(&da_config, target.mailbox);
	assert(target.base && target.mailbox && target.da);
	struct local_config config = {
		.clock = target.clock,
		.da = target.da,
		.post = target.post,
		.device = "volume",
		.path = "local",
		.volume = volume_new_with_ops(&volume_ops, NULL),
		.track_bytes = TRACK_BYTES_MIN,
		.throttle = target.throttle,
	};
	target.local = local_new(&config);
	build_link(&target);
	return &target;
}

/* What goes with the first byte of the stream; -1: nothing. */
static int make_memory(unsigned variant)
{
	static const struct {
		off_t bytes;
		int seals;
	} memory[] = {
		{ MEMORY_BYTES, SEALS },
		{ MEMORY_BYTES, 0 },
		{ MEMORY_BYTES / 2, SEALS },
		{ MEMORY_BYTES * 2, SEALS },
		{ MEMORY_BYTES, SEALS | F_SEAL_WRITE },
	};
	int fds[2];
	if (variant < sizeof(memory) / sizeof(memory[0])) {
		int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		int error = ftruncate(fd, memory[variant].bytes) | fcntl(fd, F_ADD_SEALS, memory[variant].seals);
		assert(fd >= 0 && error == 0);
		return fd;
	}
	if (variant > sizeof(memory) / sizeof(memory[0]) || pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	close(fds[1]);
	return fds[0];
}

static void send_piece(int fd, const uint8_t *data, size_t bytes, int memory_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)(uintptr_t)data, bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (memory_fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &memory_fd, sizeof(memory_fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
	}
	(void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_gone(void *arg, bool clean)
{
	struct target *target = arg;
	(void)clean;
	host_free(target->host);
	target->host = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct host_ops ops = { .gone = on_gone };
	struct target *target = target_build();
	uint8_t replies[4096];
	int fds[2];
	if (bytes < 3 || bytes > INPUT_BYTES_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	struct primary_device device = { .name = "volume", .local = target->local, .remote = target->remote };
	struct host_config config = {
		.base = target->base,
		.clock = target->clock,
		.throttle = target->throttle,
		.find_device = find_device,
		.find_arg = &device,
	};
	target->host = host_new(&config, fds[0], &ops, target);
	int memory_fd = make_memory(data[0] % 8);
	size_t piece_bytes = data[1] ? data[1] : INPUT_BYTES_MAX;
	for (size_t at = 2; at < bytes && target->host; at += piece_bytes) {
		size_t left = bytes - at;
		send_piece(fds[1], data + at, left < piece_bytes ? left : piece_bytes, at == 2 ? memory_fd : -1);
		settle(target);
		while (recv(fds[1], replies, sizeof(replies), MSG_DONTWAIT) > 0)
			;
	}
	if (memory_fd >= 0)
		close(memory_fd);
	close(fds[1]);
	settle(target);
	assert(!target->host && local_is_idle(target->local));
	return 0;
}
