/* SPDX-License-Identifier: Apache-2.0
 *
 * measure -o FILE [-s PID]... -- COMMAND...: runs the command and writes one line to FILE:
 *
 *   wall_s cpu_s lo_bytes peak_kib [NAME=rss_anon_kib]...
 *
 * of the command, all its descendants, and what the servers (-s) and theirs did meanwhile. lo_bytes went over the
 * loopback interface of the network namespace, whoever sent it. peak_kib is the sum of each process's largest resident
 * size; NAME=... is the largest RssAnon of any process of that name. Sizes are sampled, so a short run may have none.
 * The exit status is the command's.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 256
#define SERVERS_MAX 8
#define NAME_BYTES 32
#define SAMPLE_MS 20
#define SETTLE_ROUNDS 100 /* of SAMPLE_MS */
#define NS_PER_S 1000000000

struct process {
	pid_t pid;
	char name[NAME_BYTES];
	uint64_t peak_kib, anon_kib;
};

static struct process processes[PROCESSES_MAX];
static size_t process_count;
static pid_t servers[SERVERS_MAX];
static size_t server_count;

static void fail(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(125);
}

static double now_s(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}

static struct process *process_of(pid_t pid)
{
	for (size_t i = 0; i < process_count; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	if (process_count == PROCESSES_MAX)
		return NULL;
	processes[process_count].pid = pid;
	return &processes[process_count++];
}

/* Also before the exec of its program, whose name and sizes then replace these. */
static void sample(pid_t pid)
{
	struct process *process = process_of(pid);
	char path[64], line[128];
	uint64_t anon_kib;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = process == NULL ? NULL : fopen(path, "re");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "Name: %31[^\n]", process->name);
		sscanf(line, "VmHWM: %" SCNu64, &process->peak_kib);
		if (sscanf(line, "RssAnon: %" SCNu64, &anon_kib) == 1 && anon_kib > process->anon_kib)
			process->anon_kib = anon_kib;
	}
	fclose(file);
}

/* Samples the process and all its descendants, and returns how many descendants there are. */
static size_t sample_tree(pid_t pid)
{
	char path[320];
	const struct dirent *entry;
	size_t count = 0;
	pid_t child;
	DIR *threads;

	sample(pid);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	while (threads != NULL && (entry = readdir(threads)) != NULL) {
		FILE *children;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, entry->d_name);
		children = fopen(path, "re");
		while (children != NULL && fscanf(children, "%d", &child) == 1)
			count += 1 + sample_tree(child);
		if (children != NULL)
			fclose(children);
	}
	if (threads != NULL)
		closedir(threads);
	return count;
}

static size_t sample_servers(void)
{
	size_t descendants = 0;

	for (size_t i = 0; i < server_count; i++)
		descendants += sample_tree(servers[i]);
	return descendants;
}

/* Of the servers, and of those of their children that have ended. */
static double servers_cpu_s(void)
{
	double cpu_s = 0;

	for (size_t i = 0; i < server_count; i++) {
		long user = 0, system = 0;
		char path[64], text[512] = "";
		clockid_t clock;
		FILE *file;

		if (clock_getcpuclockid(servers[i], &clock) == 0)
			cpu_s += now_s(clock);
		snprintf(path, sizeof(path), "/proc/%d/stat", servers[i]);
		file = fopen(path, "re");
		if (file == NULL || fgets(text, sizeof(text), file) == NULL || strrchr(text, ')') == NULL)
			fail("a server has ended");
		sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld", &user, &system);
		cpu_s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
		fclose(file);
	}
	return cpu_s;
}

static uint64_t lo_bytes(void)
{
	FILE *file = fopen("/proc/net/dev", "re");
	uint64_t bytes = 0;
	char line[512];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, " lo: %" SCNu64, &bytes) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return bytes;
}

static void report(FILE *out, double wall_s, double cpu_s, uint64_t wire_bytes)
{
	uint64_t peak_kib = 0;

	for (size_t i = 0; i < process_count; i++)
		peak_kib += processes[i].peak_kib;
	fprintf(out, "%.6f %.6f %" PRIu64 " %" PRIu64, wall_s, cpu_s, wire_bytes, peak_kib);
	for (size_t i = 0; i < process_count; i++)
		if (processes[i].name[0] != '\0')
			fprintf(out, " %s=%" PRIu64, processes[i].name, processes[i].anon_kib);
	fputc('\n', out);
	if (fclose(out) != 0)
		fail("the output file");
}

static pid_t start(char *const command[], const sigset_t *signals)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		execvp(command[0], command);
		fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
		_exit(127);
	}
	return pid;
}

/* Samples until the command has ended. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
	const struct timespec interval = { .tv_nsec = SAMPLE_MS * 1000000L };
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		sample_tree(pid);
		sample_servers();
		sigtimedwait(signals, NULL, &interval);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Orphans come to this process; the children of servers end by themselves. */
static void settle(size_t descendants_before)
{
	const struct timespec interval = { .tv_nsec = SAMPLE_MS * 1000000L };

	for (int i = 0; i < SETTLE_ROUNDS; i++) {
		pid_t ended;

		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (ended < 0 && sample_servers() <= descendants_before)
			return;
		nanosleep(&interval, NULL);
	}
	fputs("measure: processes stay behind, their time does not count\n", stderr);
}

int main(int argc, char *argv[])
{
	double began_s, wall_s, before_s;
	FILE *out = NULL;
	size_t descendants;
	uint64_t bytes;
	struct rusage usage;
	sigset_t signals;
	int option, code;

	while ((option = getopt(argc, argv, "+o:s:")) != -1) {
		if (option == 'o' && (out = fopen(optarg, "we")) == NULL)
			fail(optarg);
		if (option == 's' && server_count++ < SERVERS_MAX)
			servers[server_count - 1] = atoi(optarg);
	}
	if (out == NULL || optind == argc || server_count > SERVERS_MAX) {
		fputs("usage: measure -o FILE [-s PID]... -- COMMAND...\n", stderr);
		return 125;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	descendants = sample_servers();
	before_s = servers_cpu_s();
	bytes = lo_bytes();
	began_s = now_s(CLOCK_MONOTONIC);
	code = wait_for(start(argv + optind, &signals), &signals);
	wall_s = now_s(CLOCK_MONOTONIC) - began_s;
	settle(descendants);
	getrusage(RUSAGE_CHILDREN, &usage);
	report(out, wall_s,
		servers_cpu_s() - before_s + (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
		lo_bytes() - bytes);
	return code;
}
