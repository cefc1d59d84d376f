/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts and ends the two daemons of a private pair. Each gets its Setup as first frame of the descriptor it will talk
 * on, so keys and paths pass through no file, no environment and no argument. The children stay in the process group:
 * ^Z stops and continues all three. The hard thing is leaving nothing behind: descriptors are close-on-exec except the
 * ones meant for the child, and a child dies with its parent.
 */
#include "primary/compare/pair.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "primary/compare/options.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define GRACE_MS 2000  /* for ending by themselves */
#define KILLED_MS 1000 /* after SIGKILL; one in uninterruptible sleep is left to the system */
#define LOOK_MS 2
#define LINK_FD 3 /* of the primary */

struct child {
	const char *name;
	pid_t pid; /* 0: not started, or its end was seen */
	bool has_ended;
	bool was_killed; /* by pair_stop */
	int wait_status; /* with has_ended */
};

struct pair {
	struct child primary, secondary;
};

/* One end of a socket pair each. -1: closed or given away. */
struct ends {
	int host, primary_host;           /* ra-compare and primary */
	int primary_link, secondary_link; /* primary and secondary */
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Also moves the ends away from the low numbers, which a child gives new meanings. */
static int make_pair(int *a, int *b)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	*a = fcntl(fds[0], F_DUPFD_CLOEXEC, LINK_FD + 1);
	*b = fcntl(fds[1], F_DUPFD_CLOEXEC, LINK_FD + 1);
	close(fds[0]);
	close(fds[1]);
	return *a < 0 || *b < 0 ? -EMFILE : 0;
}

/* Beside this program, or where an installation has it. The caller frees it; NULL with words in why. */
static char *find_program(const char *name, char why[PAIR_WHY_BYTES])
{
	static const char *const places[] = { "", "../sbin/" };
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *path;

	self[length > 0 ? length : 0] = '\0';
	slash = strrchr(self, '/');
	if (!slash) {
		snprintf(why, PAIR_WHY_BYTES, "cannot start %s: /proc/self/exe is not readable", name);
		return NULL;
	}
	slash[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		path = xasprintf("%s%s%s", self, places[i], name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	snprintf(why, PAIR_WHY_BYTES, "cannot start %s: it is neither in %.300s nor in ../sbin", name, self);
	return NULL;
}

/* ---- In the child, between fork and exec: async-signal-safe calls only ---- */

_Noreturn static void become(const char *path, const char *name, int fd0, int fd1, int fd3, pid_t parent)
{
	char *const argv[] = { (char *)(uintptr_t)name, (char *)(uintptr_t)"--once", NULL };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(127); /* the parent died before the prctl */
	if (dup2(fd0, STDIN_FILENO) < 0 || dup2(fd1, STDOUT_FILENO) < 0 || (fd3 >= 0 && dup2(fd3, LINK_FD) < 0))
		_exit(127);
	execv(path, argv);
	_exit(127);
}

static int start_child(struct child *child, const char *path, int fd0, int fd1, int fd3)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(path, child->name, fd0, fd1, fd3, parent);
	child->pid = pid;
	return 0;
}

/* ---- Set-up ---- */

struct identities {
	struct tls_identity *primary, *secondary;
};

static int send_setup(int fd, const struct options *options, const char *volume_path, const struct tls_identity *own,
	const struct tls_identity *peer)
{
	struct message *message = xcalloc(1, sizeof(*message));
	struct msg_setup *setup = &message->setup;
	char *pem = tls_identity_to_pem(own);
	int rc;

	message->type = MESSAGE_SETUP;
	snprintf(setup->volume_path, sizeof(setup->volume_path), "%s", volume_path);
	snprintf(setup->identity_pem, sizeof(setup->identity_pem), "%s", pem);
	tls_identity_key(peer, setup->peer_key);
	setup->track_bytes = options->track_bytes;
	setup->cache_bytes = options->cache_bytes;
	setup->io = options->io;
	setup->verbose = options->verbose;
	rc = conn_write_one(fd, message);
	explicit_bzero(pem, strlen(pem));
	free(pem);
	explicit_bzero(message, sizeof(*message));
	free(message);
	return rc;
}

/* The frames wait in the sockets until the daemons read them. */
static int send_setups(const struct options *options, const struct ends *ends)
{
	struct identities identities = { NULL, NULL };
	int rc = tls_identity_generate(&identities.primary);

	if (rc == 0)
		rc = tls_identity_generate(&identities.secondary);
	if (rc == 0)
		rc = send_setup(ends->primary_link, options, options->path_remote, identities.secondary, identities.primary);
	if (rc == 0)
		rc = send_setup(ends->host, options, options->path_local, identities.primary, identities.secondary);
	tls_identity_free(identities.primary);
	tls_identity_free(identities.secondary);
	return rc;
}

static int start_children(struct pair *pair, const struct ends *ends, const char *primary, const char *secondary)
{
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int rc = null_fd < 0 ? -errno : 0;

	if (rc == 0)
		rc = start_child(&pair->secondary, secondary, ends->secondary_link, ends->secondary_link, -1);
	if (rc == 0)
		rc = start_child(&pair->primary, primary, ends->primary_host, null_fd, ends->primary_link);
	close_end(&null_fd);
	return rc;
}

int pair_start(const struct options *options, struct pair **out, int *host_fd, char why[PAIR_WHY_BYTES])
{
	struct pair *pair = xcalloc(1, sizeof(*pair));
	struct ends ends = { -1, -1, -1, -1 };
	char *primary = NULL, *secondary = NULL;
	int rc = -ENOENT;

	pair->primary.name = "ra-primaryd";
	pair->secondary.name = "ra-secondaryd";
	primary = find_program(pair->primary.name, why);
	if (primary)
		secondary = find_program(pair->secondary.name, why);
	if (!secondary)
		goto out;
	rc = make_pair(&ends.host, &ends.primary_host);
	if (rc == 0)
		rc = make_pair(&ends.primary_link, &ends.secondary_link);
	if (rc == 0)
		rc = send_setups(options, &ends);
	if (rc == 0)
		rc = start_children(pair, &ends, primary, secondary);
	if (rc != 0)
		snprintf(why, PAIR_WHY_BYTES, "cannot start the two daemons: %s", strerror(-rc));
out:
	free(primary);
	free(secondary);
	close_end(&ends.primary_host);
	close_end(&ends.primary_link);
	close_end(&ends.secondary_link);
	if (rc != 0) {
		close_end(&ends.host);
		pair_stop(pair);
		pair_free(pair);
		return rc;
	}
	*host_fd = ends.host;
	*out = pair;
	return 0;
}

/* ---- The end ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void look(struct child *child)
{
	if (child->pid == 0 || waitpid(child->pid, &child->wait_status, WNOHANG) != child->pid)
		return;
	child->pid = 0;
	child->has_ended = true;
}

/* No signal handler is needed for SIGCHLD: this happens once, when there is nothing else left to do. */
static void wait_for_both(struct pair *pair, int64_t limit_ms)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };
	int64_t end_ms = now_ms() + limit_ms;

	for (;;) {
		look(&pair->primary);
		look(&pair->secondary);
		if ((pair->primary.pid == 0 && pair->secondary.pid == 0) || now_ms() >= end_ms)
			return;
		nanosleep(&pause, NULL);
	}
}

static void kill_child(struct child *child)
{
	if (child->pid == 0)
		return;
	child->was_killed = true;
	kill(child->pid, SIGKILL);
}

static void note_stuck(const struct child *child)
{
	if (child->pid != 0)
		log_warning("%s (process %d) cannot be killed; it ends when its disk answers", child->name, (int)child->pid);
}

void pair_stop(struct pair *pair)
{
	wait_for_both(pair, GRACE_MS);
	kill_child(&pair->primary);
	kill_child(&pair->secondary);
	if (pair->primary.pid != 0 || pair->secondary.pid != 0)
		wait_for_both(pair, KILLED_MS);
	note_stuck(&pair->primary);
	note_stuck(&pair->secondary);
}

static bool explain_child(const struct child *child, char *text, size_t text_bytes)
{
	if (child->was_killed)
		snprintf(text, text_bytes, "%s did not answer and was killed", child->name);
	else if (!child->has_ended)
		return false;
	else if (WIFSIGNALED(child->wait_status))
		snprintf(text, text_bytes, "%s was ended by signal %d (%s)", child->name, WTERMSIG(child->wait_status),
			strsignal(WTERMSIG(child->wait_status)));
	else if (WIFEXITED(child->wait_status) && WEXITSTATUS(child->wait_status) != 0)
		snprintf(text, text_bytes, "%s ended with exit status %d", child->name, WEXITSTATUS(child->wait_status));
	else
		return false;
	return true;
}

static bool has_crashed(const struct child *child)
{
	return child->has_ended && !child->was_killed && WIFSIGNALED(child->wait_status);
}

void pair_explain(const struct pair *pair, char *text, size_t text_bytes)
{
	/* The one that a signal ended is the cause; the other's exit status may be its consequence. */
	const struct child *first = has_crashed(&pair->secondary) ? &pair->secondary : &pair->primary;
	const struct child *second = first == &pair->primary ? &pair->secondary : &pair->primary;

	text[0] = '\0';
	if (!explain_child(first, text, text_bytes))
		explain_child(second, text, text_bytes);
}

void pair_free(struct pair *pair)
{
	free(pair);
}
