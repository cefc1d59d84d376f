/* SPDX-License-Identifier: Apache-2.0
 *
 * replicator [OPTION]... A B: an asynchronous replication, and the program that keeps writing to it. Changes A at
 * random places, and makes the same changes to B in the same order, each some time later. SIGTERM: writes no more,
 * makes B what A is, says how it went and ends with 0. It ends with its parent. Prints "ready" when it has begun.
 *   --seed N        what is written where, and the lags; only the times differ between two runs
 *   --rate N        writes a second (200); 0: none by chance
 *   --writes N      ends by itself after so many, made as fast as they can be, without lag
 *   --lag MIN-MAX   how far B is behind, in ms (0-2000): another time within that every 200 ms
 *   --track BYTES   (65536): a write is a whole track, or one to eight sectors in one
 *   --hot N         N tracks, spread over A, get three of four writes
 *   --drop-track N  loses one write to that track before it is ready; the track is then left alone
 *   --alternate N   that track goes from one content to another and back for ever, a sector at a time in random order
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/alloc.h"

#define SECTOR_BYTES 512u
#define TRACK_BYTES_MAX (1u << 20)
#define SECTORS_MAX (TRACK_BYTES_MAX / SECTOR_BYTES)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define LAG_LASTS_NS (200 * NS_PER_MS)
#define STEP_NS (2 * NS_PER_MS) /* between two writes to a track that alternates */
#define LATE_NS (100 * NS_PER_MS) /* so late, what was missed is left out */
#define NO_TRACK UINT64_MAX

/* What was written to A and not yet to B, oldest first. */
struct change {
	struct change *next;
	uint64_t offset, content; /* content: what random_fill makes the bytes of */
	size_t bytes;
	int64_t made_ns, due_ns;
};

struct replicator {
	int fd_a, fd_b;
	uint64_t tracks, writes_left; /* of --writes */
	uint32_t track_bytes;
	uint64_t rate, hot, drop, alternate;
	int64_t lag_min_ns, lag_max_ns;

	uint64_t random_place, random_lag, random_order; /* each goes on by itself, whatever the times */
	int64_t lag_ns, lag_until_ns, next_write_ns, next_step_ns;
	uint32_t order[SECTORS_MAX], step; /* of the track that alternates */
	bool is_other;                     /* the content it goes to */

	struct change *first, *last;
	uint64_t made;
	int64_t longest_ns;
};

static void fail(const char *what)
{
	fprintf(stderr, "replicator: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
	uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

static void random_fill(unsigned char *data, size_t bytes, uint64_t content)
{
	for (size_t at = 0; at < bytes; at += sizeof(content)) {
		const uint64_t value = random_next(&content);

		memcpy(data + at, &value, sizeof(value));
	}
}

static void write_all(int fd, uint64_t offset, size_t bytes, uint64_t content)
{
	static unsigned char data[TRACK_BYTES_MAX];

	random_fill(data, bytes, content);
	if (pwrite(fd, data, bytes, (off_t)offset) != (ssize_t)bytes)
		fail("write");
}

static int64_t lag_now(struct replicator *replicator, int64_t now)
{
	const uint64_t width = (uint64_t)(replicator->lag_max_ns - replicator->lag_min_ns) + 1;

	if (now >= replicator->lag_until_ns) {
		replicator->lag_ns = replicator->lag_min_ns + (int64_t)(random_next(&replicator->random_lag) % width);
		replicator->lag_until_ns = now + LAG_LASTS_NS;
	}
	return replicator->lag_ns;
}

/* A changes now, B will: no change overtakes another. */
static void make(struct replicator *replicator, uint64_t offset, size_t bytes, uint64_t content)
{
	struct change *change = xcalloc(1, sizeof(*change));

	*change = (struct change){ .offset = offset, .bytes = bytes, .content = content, .made_ns = now_ns() };
	change->due_ns = change->made_ns + lag_now(replicator, change->made_ns);
	if (replicator->last && replicator->last->due_ns > change->due_ns)
		change->due_ns = replicator->last->due_ns;
	write_all(replicator->fd_a, offset, bytes, content);
	if (replicator->last)
		replicator->last->next = change;
	else
		replicator->first = change;
	replicator->last = change;
	replicator->made++;
}

static void replicate_first(struct replicator *replicator)
{
	struct change *change = replicator->first;
	int64_t lag_ns;

	write_all(replicator->fd_b, change->offset, change->bytes, change->content);
	lag_ns = now_ns() - change->made_ns;
	if (lag_ns > replicator->longest_ns)
		replicator->longest_ns = lag_ns;
	replicator->first = change->next;
	if (!replicator->first)
		replicator->last = NULL;
	free(change);
}

static void write_somewhere(struct replicator *replicator)
{
	const uint64_t sectors = replicator->track_bytes / SECTOR_BYTES;
	uint64_t *random = &replicator->random_place;
	uint64_t track = random_next(random), choice = random_next(random), sector = random_next(random) % sectors;
	uint64_t count = 1 + random_next(random) % 8;
	const uint64_t content = random_next(random);

	if (replicator->hot > 0 && choice % 4 != 0)
		track = track % replicator->hot * (replicator->tracks / replicator->hot);
	else
		track %= replicator->tracks;
	if (track == replicator->drop || track == replicator->alternate)
		return;
	if (choice / 4 % 16 == 0) {
		sector = 0;
		count = sectors;
	} else if (count > sectors - sector) {
		count = sectors - sector;
	}
	make(replicator, track * replicator->track_bytes + sector * SECTOR_BYTES, count * SECTOR_BYTES, content);
}

static void shuffle(struct replicator *replicator, uint32_t sectors)
{
	for (uint32_t i = 0; i < sectors; i++) {
		const uint32_t j = (uint32_t)(random_next(&replicator->random_order) % (i + 1));

		replicator->order[i] = replicator->order[j];
		replicator->order[j] = i;
	}
}

/* The next write to the track that alternates. */
static void step(struct replicator *replicator)
{
	const uint32_t sectors = replicator->track_bytes / SECTOR_BYTES;
	uint32_t sector;

	if (replicator->step == 0) {
		shuffle(replicator, sectors);
		replicator->is_other = !replicator->is_other;
	}
	sector = replicator->order[replicator->step];
	make(replicator, replicator->alternate * replicator->track_bytes + sector * SECTOR_BYTES, SECTOR_BYTES,
		replicator->is_other ? sector : ~(uint64_t)sector);
	replicator->step = (replicator->step + 1) % sectors;
}

/* The write that B never gets. */
static void lose(struct replicator *replicator)
{
	const uint64_t sectors = replicator->track_bytes / SECTOR_BYTES;
	const uint64_t offset = replicator->drop * replicator->track_bytes +
		random_next(&replicator->random_place) % sectors * SECTOR_BYTES;
	unsigned char data[SECTOR_BYTES];

	if (pread(replicator->fd_b, data, sizeof(data), (off_t)offset) != (ssize_t)sizeof(data))
		fail("read");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)~data[i];
	if (pwrite(replicator->fd_a, data, sizeof(data), (off_t)offset) != (ssize_t)sizeof(data))
		fail("write");
}

/* When next_ns has come: it is then the next one of a steady pace. */
static bool is_due(int64_t *next_ns, int64_t period_ns, int64_t now)
{
	if (period_ns == 0 || now < *next_ns)
		return false;
	*next_ns += period_ns;
	if (*next_ns < now - LATE_NS)
		*next_ns = now;
	return true;
}

/* Does what is due; returns when the next thing is. */
static int64_t work(struct replicator *replicator)
{
	const bool has_steps = replicator->alternate != NO_TRACK;
	int64_t next_ns = now_ns() + LAG_LASTS_NS;

	while (replicator->first && replicator->first->due_ns <= now_ns())
		replicate_first(replicator);
	if (is_due(&replicator->next_write_ns, replicator->rate > 0 ? NS_PER_S / (int64_t)replicator->rate : 0, now_ns()))
		write_somewhere(replicator);
	if (is_due(&replicator->next_step_ns, has_steps ? STEP_NS : 0, now_ns()))
		step(replicator);
	if (replicator->first && replicator->first->due_ns < next_ns)
		next_ns = replicator->first->due_ns;
	if (replicator->rate > 0 && replicator->next_write_ns < next_ns)
		next_ns = replicator->next_write_ns;
	return has_steps && replicator->next_step_ns < next_ns ? replicator->next_step_ns : next_ns;
}

static void run(struct replicator *replicator, const sigset_t *signals)
{
	for (;;) {
		int64_t wait_ns = work(replicator) - now_ns();
		struct timespec wait;

		if (wait_ns < 0)
			wait_ns = 0;
		wait = (struct timespec){ wait_ns / NS_PER_S, wait_ns % NS_PER_S };
		if (sigtimedwait(signals, NULL, &wait) > 0)
			return;
	}
}

static uint64_t number(const char *text)
{
	char *end;
	const uint64_t value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "replicator: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

static void set_lag(struct replicator *replicator, const char *text)
{
	uint64_t min_ms, max_ms;

	if (sscanf(text, "%" SCNu64 "-%" SCNu64, &min_ms, &max_ms) != 2 || min_ms > max_ms) {
		fprintf(stderr, "replicator: not a lag: %s\n", text);
		exit(2);
	}
	replicator->lag_min_ns = (int64_t)min_ms * NS_PER_MS;
	replicator->lag_max_ns = (int64_t)max_ms * NS_PER_MS;
}

static void set_seed(struct replicator *replicator, uint64_t seed)
{
	replicator->random_place = seed;
	replicator->random_lag = seed ^ UINT64_C(0x5555555555555555);
	replicator->random_order = ~seed;
}

static void parse(struct replicator *replicator, int argc, char **argv)
{
	static const struct option options[] = { { "seed", 1, NULL, 's' }, { "rate", 1, NULL, 'r' },
		{ "writes", 1, NULL, 'w' }, { "lag", 1, NULL, 'l' }, { "track", 1, NULL, 't' }, { "hot", 1, NULL, 'h' },
		{ "drop-track", 1, NULL, 'd' }, { "alternate", 1, NULL, 'a' }, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's': set_seed(replicator, number(optarg)); break;
		case 'r': replicator->rate = number(optarg); break;
		case 'w': replicator->writes_left = number(optarg); break;
		case 'l': set_lag(replicator, optarg); break;
		case 't': replicator->track_bytes = (uint32_t)number(optarg); break;
		case 'h': replicator->hot = number(optarg); break;
		case 'd': replicator->drop = number(optarg); break;
		case 'a': replicator->alternate = number(optarg); break;
		default: exit(2);
		}
	}
	if (argc - optind != 2 || replicator->track_bytes < SECTOR_BYTES || replicator->track_bytes > TRACK_BYTES_MAX) {
		fprintf(stderr, "usage: replicator [OPTION]... A B\n");
		exit(2);
	}
}

static void open_both(struct replicator *replicator, const char *path_a, const char *path_b)
{
	struct stat a, b;

	replicator->fd_a = open(path_a, O_RDWR | O_CLOEXEC);
	replicator->fd_b = open(path_b, O_RDWR | O_CLOEXEC);
	if (replicator->fd_a < 0 || replicator->fd_b < 0 || fstat(replicator->fd_a, &a) != 0 ||
	    fstat(replicator->fd_b, &b) != 0)
		fail("open");
	replicator->tracks = (uint64_t)a.st_size / replicator->track_bytes;
	if (a.st_size != b.st_size || replicator->tracks == 0 || replicator->hot > replicator->tracks) {
		fprintf(stderr, "replicator: two files of one size, of a track or more for each hot one\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct replicator replicator = { .rate = 200, .track_bytes = 65536, .drop = NO_TRACK,
		.alternate = NO_TRACK, .lag_max_ns = 2 * NS_PER_S };
	sigset_t signals;

	set_seed(&replicator, 1);
	parse(&replicator, argc, argv);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	open_both(&replicator, argv[optind], argv[optind + 1]);
	if (replicator.drop != NO_TRACK)
		lose(&replicator);
	puts("ready");
	fflush(stdout);
	replicator.next_write_ns = replicator.next_step_ns = now_ns();
	if (replicator.writes_left == 0)
		run(&replicator, &signals);
	while (replicator.writes_left-- > 0) {
		write_somewhere(&replicator);
		if (replicator.first)
			replicate_first(&replicator);
	}
	while (replicator.first)
		replicate_first(&replicator);
	printf("%" PRIu64 " writes, longest lag %" PRId64 " ms\n", replicator.made, replicator.longest_ns / NS_PER_MS);
	return 0;
}
