/* SPDX-License-Identifier: Apache-2.0
 *
 * See fair_bed.h. The secondary is this process; each primary is a child, because in truth it is another machine. What
 * the processes share is a board of counts.
 */
#include "tests/support/fair_bed.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pthread.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/post.h"
#include "secondary/device.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/session.h"
#include "storage/da.h"
#include "storage/volume.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define TRACKS 32768u /* of a volume; the half of either primary is more than the cache holds */
#define DEVICES 3u
#define LINKS 4u
#define JOBS_PER_LINK 64u
#define TURNS 5u

static const struct fair_plan *plan;

/* What the processes share. */
struct board {
	atomic_uint is_over;
	atomic_uint delivery[2];   /* what the polite (0) and the greedy one (1) may ask by; unset: nothing */
	atomic_uint ready_links[2];
	atomic_uint asked[2];      /* Reads without an answer */
	atomic_ullong tracks[2];
};

static struct board *board;
static struct tls_identity *identities[3]; /* polite, greedy, secondary */

static void *admit_anybody(void *arg, const char *key, const struct tls_proof *proof)
{
	(void)key;
	(void)proof;
	return arg;
}

/* ---- A primary: a process ---- */

struct stream {
	uint64_t link_id, next, floor;
	uint32_t device;
	bool is_asked, is_connected; /* asked and not answered; nor disconnected */
	bool has_timed_out;
	int64_t not_before_ms; /* a poll that found nothing comes back later */
};

struct link {
	struct clock *clock;
	unsigned who;         /* 0: polite */
	uint64_t first_track; /* of the half of each volume that it reads: what it finds in the cache is its own */
	struct conn *conn;
	uint32_t numbers[DEVICES], numbers_known;
	struct stream streams[JOBS_PER_LINK];
	unsigned jobs, links_known, connected;
	uint8_t *payload;
};

static void ask(struct link *link, unsigned i, enum delivery delivery)
{
	struct stream *stream = &link->streams[i];
	const struct message read = { .type = MESSAGE_READ, .read = { .tag = i, .link_id = stream->link_id,
		.device_number = stream->device, .first_track = stream->next, .track_count = plan->run_tracks,
		.delivery = delivery, .floor = stream->floor, .reread = stream->has_timed_out } };

	conn_send(link->conn, &read, NULL, 0, NULL, NULL);
	stream->is_asked = stream->is_connected = true;
	link->connected++;
	board->asked[link->who]++;
}

static void ask_for_runs(struct link *link)
{
	enum delivery delivery = (enum delivery)board->delivery[link->who];

	if (delivery == DELIVERY_UNSET || link->links_known < link->jobs)
		return;
	for (unsigned i = 0; i < link->jobs && link->connected < WINDOW_READS_DEFAULT; i++)
		if (!link->streams[i].is_asked && link->streams[i].not_before_ms <= clock_now_ms(link->clock))
			ask(link, i, delivery);
}

static void take_run(struct link *link, const struct msg_read_reply *reply)
{
	struct stream *stream = &link->streams[reply->tag];

	link->connected -= stream->is_connected;
	stream->is_connected = false;
	if (reply->status == STATUS_DISCONNECT)
		return;
	stream->is_asked = false;
	board->asked[link->who]--;
	stream->floor = reply->status == STATUS_DATA_NOT_FOUND ? reply->floor : 0;
	stream->not_before_ms = reply->status == STATUS_DATA_NOT_FOUND ? clock_now_ms(link->clock) + RETRY_DELAY_MS : 0;
	stream->has_timed_out = reply->status == STATUS_TIMEOUT;
	stream->next += reply->track_count;
	if (stream->next - link->first_track + plan->run_tracks > TRACKS / 2)
		stream->next = link->first_track;
	board->tracks[link->who] += reply->track_count;
}

static void send_setup(struct link *link, enum message_type type)
{
	static const char *const names[DEVICES] = { "f0", "f1", "f2" };
	struct message message = { .type = type };

	for (uint32_t i = 0; type == MESSAGE_DEVICE_QUERY && i < DEVICES; i++) {
		message.device_query.tag = i;
		strcpy(message.device_query.device, names[i]);
		conn_send(link->conn, &message, NULL, 0, NULL, NULL);
	}
	for (uint32_t i = 0; type == MESSAGE_READ && i < link->jobs; i++) {
		link->streams[i].device = link->numbers[i % DEVICES];
		message.read.tag = i;
		message.read.device_number = link->streams[i].device;
		conn_send(link->conn, &message, NULL, 0, NULL, NULL);
	}
}

static void *link_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	(void)message;
	(void)payload_bytes;
	return ((struct link *)arg)->payload;
}

static int link_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct link *link = arg;

	(void)payload_bytes;
	if (message->type == MESSAGE_HELLO_REPLY) {
		conn_accept(link->conn);
		send_setup(link, MESSAGE_DEVICE_QUERY);
	} else if (message->type == MESSAGE_DEVICE_REPLY) {
		link->numbers[message->device_reply.tag] = message->device_reply.device_number;
		if (++link->numbers_known == DEVICES)
			send_setup(link, MESSAGE_READ);
	} else if (message->read_reply.link_id != 0) {
		link->streams[message->read_reply.tag].link_id = message->read_reply.link_id;
		board->ready_links[link->who] += ++link->links_known == link->jobs;
	} else {
		take_run(link, &message->read_reply);
		ask_for_runs(link);
	}
	return 0;
}

static void link_up(void *arg)
{
	struct link *link = arg;
	const struct message hello = { .type = MESSAGE_HELLO, .hello = { .protocol_min = 1, .protocol_max = 1 } };

	conn_send(link->conn, &hello, NULL, 0, NULL, NULL);
}

static void link_closed(void *arg, const char *reason, bool clean)
{
	(void)arg;
	(void)reason;
	(void)clean;
	_exit(0);
}

static const struct conn_ops link_ops = { .up = link_up, .payload = link_payload, .frame = link_frame,
	.closed = link_closed };

static _Noreturn void run_primary(unsigned who, const int *fds, unsigned count, unsigned jobs)
{
	struct event_base *base = event_base_new();
	struct clock *clock = clock_new(base);
	struct tls_context *context = tls_context_new(identities[who], TLS_CLIENT, admit_anybody, base);
	struct link *links = calloc(count, sizeof(*links));
	const struct timeval look = { 0, 5000 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < count; i++) {
		links[i] = (struct link){ .clock = clock, .who = who, .jobs = jobs, .payload = calloc(1, RUN_BYTES_MAX),
			.first_track = who * TRACKS / 2 };
		for (unsigned j = 0; j < jobs; j++) /* all over its half */
			links[i].streams[j].next = links[i].first_track + (i * jobs + j) * (TRACKS / 2 / (count * jobs));
		links[i].conn = conn_new_tls(base, clock, tls_new(context, fds[i], fds[i]), fds[i], fds[i], "primary",
			&link_ops, &links[i]);
	}
	while (!board->is_over) {
		for (unsigned i = 0; i < count; i++)
			ask_for_runs(&links[i]);
		event_base_loopexit(base, &look);
		event_base_loop(base, 0);
	}
	_exit(0);
}

/* ---- Volumes ---- */

struct disk {
	pthread_mutex_t mutex;
	int64_t busy_until_us; /* one by one: what was asked first is read first */
};

static struct disk disks[DEVICES];

/* Until the disk has read it: one half to one and a half of read_ms. If all took the same, they would come in step. */
static void wait_for_disk(struct disk *disk)
{
	static atomic_uint count;
	int64_t read_us = plan->read_ms * (500 + 10 * (int64_t)(count++ * 37 % 100)), begin_us;
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	begin_us = time.tv_sec * INT64_C(1000000) + time.tv_nsec / 1000;
	pthread_mutex_lock(&disk->mutex);
	if (plan->is_one_by_one && disk->busy_until_us > begin_us)
		begin_us = disk->busy_until_us;
	disk->busy_until_us = begin_us + read_us;
	pthread_mutex_unlock(&disk->mutex);
	time = (struct timespec){ (begin_us + read_us) / 1000000, (begin_us + read_us) % 1000000 * 1000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int op_open(void *arg, struct volume_info *info)
{
	(void)arg;
	*info = (struct volume_info){ .size_bytes = (uint64_t)TRACKS * TRACK_BYTES_DEFAULT, .kind = VOLUME_KIND_FILE,
		.io = IO_MODE_BUFFERED, .path = "fair" };
	return 0;
}

static int op_size(void *arg, uint64_t *size_bytes)
{
	(void)arg;
	*size_bytes = (uint64_t)TRACKS * TRACK_BYTES_DEFAULT;
	return 0;
}

static ssize_t op_read(void *arg, const struct iovec *iov, int iov_count, uint64_t offset)
{
	ssize_t bytes = 0;

	(void)offset;
	if (plan->read_ms > 0)
		wait_for_disk(arg);
	for (int i = 0; i < iov_count; i++) {
		memset(iov[i].iov_base, 7, iov[i].iov_len);
		bytes += (ssize_t)iov[i].iov_len;
	}
	return bytes;
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

static const struct volume_ops fair_ops = { op_open, op_size, op_read, op_next_data, op_lock, op_unlock,
	op_close };

/* ---- The secondary: this process ---- */

static struct {
	struct event_base *base;
	struct clock *clock;
	struct mailbox *mailbox;
	struct post *post;
	struct ra *ra;
	struct peer_list *peers;
	struct tls_context *contexts[2];
	pid_t pids[2];
} side;

static void start_session(unsigned who, struct peer *peer, int fd)
{
	struct session *session = session_new(side.ra, peer->name, peer, NULL, NULL);

	session_start(session, conn_new_tls(side.base, side.clock, tls_new(side.contexts[who], fd, fd), fd, fd,
		peer->name, &session_conn_ops, session));
}

/* Before there are threads. */
static void start_primary(unsigned who, unsigned count, unsigned jobs, int ours[])
{
	int theirs[LINKS];

	for (unsigned i = 0; i < count; i++) {
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		ours[i] = fds[0];
		theirs[i] = fds[1];
	}
	side.pids[who] = fork();
	if (side.pids[who] == 0) {
		for (unsigned i = 0; i < count; i++)
			close(ours[i]);
		run_primary(who, theirs, count, jobs);
	}
	assert_true(side.pids[who] > 0);
	for (unsigned i = 0; i < count; i++)
		close(theirs[i]);
}

static void run_for(int ms)
{
	const struct timeval wait = { ms / 1000, ms % 1000 * 1000 };

	event_base_loopexit(side.base, &wait);
	event_base_loop(side.base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void start_secondary(const int polite_fd, const int greedy_fds[])
{
	static const char *const devices[] = { "f0", "f1", "f2", NULL };
	const struct peer_config polite = { .name = "polite", .devices = devices, .links_max = 1, .jobs_max = 1 };
	const struct peer_config greedy = { .name = "greedy", .devices = devices, .links_max = LINKS,
		.jobs_max = LINKS * JOBS_PER_LINK };
	struct ra_config config;
	struct peer *peer;

	side.base = event_base_new();
	side.clock = clock_new(side.base);
	side.mailbox = mailbox_new(side.base);
	side.post = post_new();
	ra_config_default(&config);
	side.ra = ra_new(&config, side.clock, side.mailbox, side.post);
	assert_non_null(side.ra);
	for (unsigned i = 0; i < DEVICES; i++) {
		pthread_mutex_init(&disks[i].mutex, NULL);
		device_array_add(side.ra->devices, devices[i], volume_new_with_ops(&fair_ops, &disks[i]));
	}
	side.peers = peer_list_new(side.ra->throttle);
	for (unsigned who = 0; who < 2; who++)
		side.contexts[who] = tls_context_new(identities[2], TLS_SERVER, admit_anybody, &side);
	start_session(0, peer_list_add(side.peers, &polite), polite_fd);
	peer = peer_list_add(side.peers, &greedy);
	for (unsigned i = 0; i < LINKS; i++)
		start_session(1, peer, greedy_fds[i]);
}

void fair_bed_start(const struct fair_plan *of)
{
	int polite_fd, greedy_fds[LINKS];

	plan = of;
	log_level_max = LOG_LEVEL_ERROR;
	signal(SIGPIPE, SIG_IGN);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(board, MAP_FAILED);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tls_identity_generate(&identities[i]), 0);
	start_primary(0, 1, 1, &polite_fd);
	start_primary(1, LINKS, JOBS_PER_LINK, greedy_fds);
	start_secondary(polite_fd, greedy_fds);
	for (unsigned i = 0; i < 3000 && (board->ready_links[0] < 1 || board->ready_links[1] < LINKS); i++)
		run_for(10);
	assert_int_equal(board->ready_links[0], 1);
	assert_int_equal(board->ready_links[1], LINKS);
}

void fair_bed_end(void)
{
	board->is_over = 1;
	for (unsigned who = 0; who < 2; who++)
		waitpid(side.pids[who], NULL, 0);
	ra_end_sessions(side.ra);
	peer_list_free(side.peers);
	assert_true(ra_free(side.ra));
	for (unsigned who = 0; who < 2; who++)
		tls_context_free(side.contexts[who]);
	post_free(side.post);
	mailbox_free(side.mailbox);
	clock_free(side.clock);
	event_base_free(side.base);
	for (unsigned i = 0; i < 3; i++)
		tls_identity_free(identities[i]);
	munmap(board, sizeof(*board));
}

/* ---- Turns ---- */

/* MiB a second of each. */
static void turn(enum delivery of_polite, enum delivery of_greedy, double rates[2])
{
	uint64_t tracks[2] = { board->tracks[0], board->tracks[1] };
	int64_t begin_ms = clock_now_ms(side.clock);

	board->delivery[0] = of_polite;
	board->delivery[1] = of_greedy;
	run_for(plan->turn_ms);
	for (unsigned who = 0; who < 2; who++)
		rates[who] = (double)(board->tracks[who] - tracks[who]) * 1000 * TRACK_BYTES_DEFAULT / MIB /
			(double)(clock_now_ms(side.clock) - begin_ms);
}

static void calm_down(void)
{
	struct da_counts da;

	board->delivery[0] = board->delivery[1] = DELIVERY_UNSET;
	do {
		run_for(10);
		da_count(side.ra->da, &da);
	} while (board->asked[0] + board->asked[1] + da.elements_used > 0);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double values[TURNS])
{
	qsort(values, TURNS, sizeof(values[0]), by_size);
	return values[TURNS / 2];
}

double fair_kept_percent(enum delivery of_polite, enum delivery of_greedy)
{
	double alone[TURNS], beside[TURNS], greedy[TURNS], rates[2], kept;

	for (unsigned i = 0; i < TURNS; i++) {
		turn(of_polite, DELIVERY_UNSET, rates);
		alone[i] = rates[0];
		turn(of_polite, of_greedy, rates); /* until it is in full swing */
		turn(of_polite, of_greedy, rates);
		beside[i] = rates[0];
		greedy[i] = rates[1];
		calm_down();
	}
	kept = 100 * median(beside) / median(alone);
	print_message("polite by %s beside greedy by %s: keeps %.0f %% (%.1f of %.1f MiB/s), the other gets %.1f MiB/s\n",
		delivery_name(of_polite), delivery_name(of_greedy), kept, median(beside), median(alone),
		median(greedy));
	return kept;
}
