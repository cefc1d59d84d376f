/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts and ends the two daemons of a private pair, the secondary perhaps by ssh on another host. Each gets its Setup
 * as first frame of the descriptor it will talk on, so keys and paths pass through no file, no environment, no argument
 * and no shell. Both are started at once, because starting takes most of the time of a short comparison; but the
 * secondary answers, on the link, before the primary gets its Setup: until then ssh may ask for a password, for which
 * nothing has a time-out. The children stay in the process group, so ^Z stops all three and ssh may read the terminal.
 * The hard thing is leaving nothing behind: descriptors are close-on-exec except the ones meant for the child, and a
 * child dies with its parent; what ssh started ends with its input.
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
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "primary/compare/ends.h"
#include "primary/compare/options.h"
#include "primary/compare/setup.h"
#include "wire/message.h"

#define GRACE_MS 2000  /* for ending by themselves */
#define KILLED_MS 1000 /* after SIGKILL; one in uninterruptible sleep is left to the system */
#define LOOK_MS 1
#define NOT_FOUND 127 /* exit status of a shell for a command that it does not find */
#define SSH_FAILED 255 /* exit status of ssh for its own failures */

struct child {
	const char *name;
	bool is_ssh;
	pid_t pid; /* 0: not started, or its end was seen */
	bool has_ended;
	bool was_killed; /* by pair_stop */
	int wait_status; /* with has_ended */
};

struct pair {
	struct child primary, secondary;
	char host[OPERAND_HOST_BYTES]; /* with ssh */
};

/* How a child is started. */
struct launch {
	char *const *argv;
	int fd0, fd1, fd3, fd4; /* the last two may be -1 */
	const sigset_t *mask;
};

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

/* ---- The end of children ---- */

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

static void kill_child(struct child *child)
{
	if (child->pid == 0)
		return;
	child->was_killed = true;
	kill(child->pid, SIGKILL);
}

/* No signal handler is needed for SIGCHLD: this happens when there is nothing else to do. */
static void wait_for(struct child *child, int64_t end_ms)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };

	for (look(child); child->pid != 0 && now_ms() < end_ms; look(child))
		nanosleep(&pause, NULL);
}

static void note_stuck(const struct child *child)
{
	if (child->pid != 0)
		log_warning("%s (process %d) cannot be killed; it ends when its disk answers", child->name, (int)child->pid);
}

void pair_stop(struct pair *pair)
{
	int64_t end_ms = now_ms() + GRACE_MS;

	wait_for(&pair->primary, end_ms);
	wait_for(&pair->secondary, end_ms);
	kill_child(&pair->primary);
	kill_child(&pair->secondary);
	end_ms = now_ms() + KILLED_MS;
	wait_for(&pair->primary, end_ms);
	wait_for(&pair->secondary, end_ms);
	note_stuck(&pair->primary);
	note_stuck(&pair->secondary);
}

/* ---- Why it ended ---- */

/* ssh passes the exit status of ra-secondaryd on, and has told its own failures itself. */
static void explain_ssh(int exit_status, const char *host, char *text, size_t text_bytes)
{
	if (exit_status == NOT_FOUND)
		snprintf(text, text_bytes, "RA is not installed on %s (ra-secondaryd was not found there)", host);
	else if (exit_status == SSH_FAILED)
		snprintf(text, text_bytes, "ssh to %s failed", host);
	else
		snprintf(text, text_bytes, "ra-secondaryd on %s ended with exit status %d", host, exit_status);
}

static bool explain_child(const struct child *child, const char *host, char *text, size_t text_bytes)
{
	if (child->was_killed)
		snprintf(text, text_bytes, "%s did not answer and was killed", child->name);
	else if (!child->has_ended)
		return false;
	else if (WIFSIGNALED(child->wait_status))
		snprintf(text, text_bytes, "%s was ended by signal %d (%s)", child->name, WTERMSIG(child->wait_status),
			strsignal(WTERMSIG(child->wait_status)));
	else if (!WIFEXITED(child->wait_status) || WEXITSTATUS(child->wait_status) == 0)
		return false;
	else if (child->is_ssh)
		explain_ssh(WEXITSTATUS(child->wait_status), host, text, text_bytes);
	else
		snprintf(text, text_bytes, "%s ended with exit status %d", child->name, WEXITSTATUS(child->wait_status));
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
	if (!explain_child(first, pair->host, text, text_bytes))
		explain_child(second, pair->host, text, text_bytes);
}

void pair_free(struct pair *pair)
{
	free(pair);
}

/* ---- In the child, between fork and exec: async-signal-safe calls only ---- */

/* Its own end tells the parent by error_fd, which exec closes. */
_Noreturn static void become(const struct launch *launch, bool is_ssh, int error_fd, pid_t parent)
{
	/* ssh gets the time to put the terminal in order when it is asking for a password. */
	int rc = prctl(PR_SET_PDEATHSIG, is_ssh ? SIGTERM : SIGKILL);
	int error;

	if (rc != 0 || getppid() != parent)
		_exit(NOT_FOUND); /* the parent died before the prctl */
	signal(SIGPIPE, SIG_DFL);
	if (dup2(launch->fd0, STDIN_FILENO) >= 0 && dup2(launch->fd1, STDOUT_FILENO) >= 0 &&
		(launch->fd3 < 0 || dup2(launch->fd3, SETUP_LINK_FD) >= 0) &&
		(launch->fd4 < 0 || dup2(launch->fd4, SETUP_RETURN_FD) >= 0) &&
		sigprocmask(SIG_SETMASK, launch->mask, NULL) == 0)
		execvp(launch->argv[0], launch->argv);
	error = errno;
	(void)!write(error_fd, &error, sizeof(error));
	_exit(NOT_FOUND);
}

static int start_child(struct child *child, const struct launch *launch)
{
	pid_t parent = getpid(), pid;
	int fds[2], error = 0;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	ends_move_up(&fds[1]);
	pid = fds[1] < 0 ? -1 : fork();
	if (pid == 0)
		become(launch, child->is_ssh, fds[1], parent);
	if (pid < 0)
		error = errno;
	ends_close(&fds[1]);
	if (pid > 0 && read(fds[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = 0; /* the pipe was closed by exec */
	close(fds[0]);
	child->pid = pid > 0 ? pid : 0;
	return -error;
}

/* ---- Start ---- */

/* Why a child ended before it answered. */
static void explain_end(struct child *child, const char *host, char why[PAIR_WHY_BYTES])
{
	wait_for(child, now_ms() + GRACE_MS);
	if (!explain_child(child, host, why, PAIR_WHY_BYTES))
		snprintf(why, PAIR_WHY_BYTES, "%s%s%s ended before it answered", child->is_ssh ? "ra-secondaryd" : child->name,
			host[0] ? " on " : "", host);
}

/* Waits for SetupReply: 0, or -errno with words in why. */
static int await_answer(struct pair *pair, struct child *child, int fd, const struct ends *ends,
	char why[PAIR_WHY_BYTES])
{
	const char *host = child->is_ssh ? pair->host : "";
	const char *name = child->is_ssh ? "ra-secondaryd" : child->name;
	char words[SETUP_WORDS_BYTES];

	switch (setup_wait(fd, ends->signal, words)) {
	case SETUP_OK:
		return 0;
	case SETUP_INTERRUPTED:
		snprintf(why, PAIR_WHY_BYTES, "interrupted before the comparison began");
		return -EINTR;
	case SETUP_ENDED:
		explain_end(child, host, why);
		return -EPIPE;
	case SETUP_VERSION:
		snprintf(why, PAIR_WHY_BYTES, "%s%s%s is %s; this ra-compare speaks protocol %u: install the same version",
			name, host[0] ? " on " : "", host, words, RA_PROTOCOL_VERSION);
		return -EPROTO;
	case SETUP_GARBAGE:
		break;
	}
	if (child->is_ssh)
		snprintf(why, PAIR_WHY_BYTES, "the login shell on %s prints \"%s\" where ra-secondaryd should answer: its "
			 "start-up files must print nothing when there is no terminal", host, words);
	else
		snprintf(why, PAIR_WHY_BYTES, "%s answered \"%s\", which is no SetupReply", name, words);
	return -EPROTO;
}

static int start_or_say(struct child *child, const struct launch *launch, char why[PAIR_WHY_BYTES])
{
	int rc = start_child(child, launch);

	if (rc != 0)
		snprintf(why, PAIR_WHY_BYTES, "cannot start %.300s: %s", launch->argv[0], strerror(-rc));
	return rc;
}

static int start_secondary(struct pair *pair, struct ends *ends, const char *path, const sigset_t *mask,
	char why[PAIR_WHY_BYTES])
{
	const char *const ssh[] = { "ssh", "-T", "--", pair->host, "ra-secondaryd", "--once", NULL };
	const char *const local[] = { path, "--once", NULL };
	const struct launch launch = {
		.argv = (char *const *)(uintptr_t)(pair->secondary.is_ssh ? ssh : local),
		.fd0 = ends->secondary_link,
		.fd1 = ends->return_out >= 0 ? ends->return_out : ends->secondary_link,
		.fd3 = -1,
		.fd4 = -1,
		.mask = mask,
	};
	int rc = start_or_say(&pair->secondary, &launch, why);

	ends_close(&ends->secondary_link);
	ends_close(&ends->return_out);
	return rc;
}

static int start_primary(struct pair *pair, struct ends *ends, const char *path, const sigset_t *mask,
	char why[PAIR_WHY_BYTES])
{
	const char *const argv[] = { path, "--once", NULL };
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC), rc;
	struct launch launch = {
		.argv = (char *const *)(uintptr_t)argv,
		.fd0 = ends->primary_host,
		.fd3 = ends->primary_link,
		.fd4 = ends->return_in,
		.mask = mask,
	};

	if (null_fd < 0) {
		rc = -errno;
		snprintf(why, PAIR_WHY_BYTES, "cannot start %.300s: /dev/null: %s", path, strerror(-rc));
		return rc;
	}
	ends_move_up(&null_fd);
	launch.fd1 = null_fd;
	rc = start_or_say(&pair->primary, &launch, why);
	ends_close(&null_fd);
	ends_close(&ends->primary_host);
	return rc;
}

static int send_setup(const struct setup *setup, const struct options *options, enum side side, int fd,
	char why[PAIR_WHY_BYTES])
{
	int rc = setup_send(setup, options, side, fd);

	if (rc != 0)
		snprintf(why, PAIR_WHY_BYTES, "cannot set up the %s daemon: %s", side == SIDE_LOCAL ? "local" : "remote",
			strerror(-rc));
	return rc;
}

/* One after the other. */
static int set_up_both(struct pair *pair, const struct options *options, struct ends *ends, char why[PAIR_WHY_BYTES])
{
	struct setup *setup;
	int rc = setup_new(ends->return_in >= 0, &setup);

	if (rc != 0) {
		snprintf(why, PAIR_WHY_BYTES, "cannot make keys for the two daemons: %s", strerror(-rc));
		return rc;
	}
	rc = send_setup(setup, options, SIDE_REMOTE, ends->primary_link, why);
	if (rc == 0)
		rc = await_answer(pair, &pair->secondary, ends->return_in >= 0 ? ends->return_in : ends->primary_link, ends,
			why);
	ends_close(&ends->primary_link);
	ends_close(&ends->return_in);
	if (rc == 0)
		rc = send_setup(setup, options, SIDE_LOCAL, ends->host, why);
	if (rc == 0)
		rc = await_answer(pair, &pair->primary, ends->host, ends, why);
	setup_free(setup);
	return rc;
}

/* A failed start: whatever was started ends now, ssh also at a password prompt. */
static void stop_early(struct pair *pair)
{
	if (pair->secondary.pid != 0)
		kill(pair->secondary.pid, SIGTERM);
	if (pair->primary.pid != 0)
		kill(pair->primary.pid, SIGTERM);
	pair_stop(pair);
	pair_free(pair);
}

static int start_both(struct pair *pair, struct ends *ends, const sigset_t *mask, char why[PAIR_WHY_BYTES])
{
	char *primary = find_program(pair->primary.name, why), *secondary = NULL;
	int rc = -ENOENT;

	if (primary && !pair->secondary.is_ssh)
		secondary = find_program(pair->secondary.name, why);
	if (primary && (secondary || pair->secondary.is_ssh))
		rc = start_secondary(pair, ends, secondary, mask, why);
	if (rc == 0)
		rc = start_primary(pair, ends, primary, mask, why);
	free(primary);
	free(secondary);
	return rc;
}

/* SIGINT and SIGTERM are blocked meanwhile: one that comes is seen by the waits, or by whoever takes it after them. */
int pair_start(const struct options *options, struct pair **out, int *host_fd, char why[PAIR_WHY_BYTES])
{
	struct pair *pair = xcalloc(1, sizeof(*pair));
	struct ends ends;
	sigset_t signals, mask;
	int rc;

	pair->primary.name = "ra-primaryd";
	pair->secondary.is_ssh = options->form == FORM_SSH;
	pair->secondary.name = pair->secondary.is_ssh ? "ssh" : "ra-secondaryd";
	memcpy(pair->host, options->host, sizeof(pair->host));
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &mask);
	rc = ends_make(&ends, pair->secondary.is_ssh, &signals);
	if (rc != 0)
		snprintf(why, PAIR_WHY_BYTES, "cannot prepare the two daemons: %s", strerror(-rc));
	if (rc == 0)
		rc = start_both(pair, &ends, &mask, why);
	if (rc == 0)
		rc = set_up_both(pair, options, &ends, why);
	ends_close_children(&ends);
	if (rc == 0) {
		*host_fd = ends.host;
		*out = pair;
	} else {
		stop_early(pair); /* before a primary that waits for its Setup complains that none comes */
		ends_close(&ends.host);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return rc;
}
