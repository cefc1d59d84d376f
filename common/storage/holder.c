/* SPDX-License-Identifier: Apache-2.0
 *
 * Holders: see holder.h. The hard thing is the owner of an OFD lock: the kernel gives its pid nowhere, not even in
 * /proc/locks. But the fdinfo of a descriptor lists the locks that were taken by it, so all descriptors of all
 * processes are looked at, as far as this process may.
 */
#include "storage/holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define TEXT_BYTES 4096u
#define NAME_CHARS 100 /* of a path or device in the words */

/* What is in the file, cut; false when it cannot be read. */
static bool read_text(const char *path, char text[TEXT_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes;

	if (fd < 0)
		return false;
	bytes = read(fd, text, TEXT_BYTES - 1);
	close(fd);
	if (bytes < 0)
		return false;
	text[bytes] = '\0';
	return true;
}

static void name_process(pid_t pid, char words[HOLDER_BYTES])
{
	char path[64], comm[TEXT_BYTES];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (!read_text(path, comm))
		snprintf(comm, sizeof(comm), "process");
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(words, HOLDER_BYTES, "in use by %.*s[%d]", NAME_CHARS, comm, (int)pid);
}

/* ---- Locks ---- */

/* Was an OFD lock on this file taken by the descriptor? */
static bool has_lock(pid_t pid, int number, const struct stat *file)
{
	char path[64], text[TEXT_BYTES];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, number);
	if (!read_text(path, text) || strstr(text, "OFDLCK") == NULL)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, number);
	return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static bool has_lock_by_any(pid_t pid, int own_fd, const struct stat *file)
{
	const struct dirent *entry;
	char path[64];
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		int number = atoi(entry->d_name);

		found = entry->d_name[0] != '.' && (pid != getpid() || number != own_fd) && has_lock(pid, number, file);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* 0: none that this process may see. */
static pid_t find_process(int own_fd)
{
	const struct dirent *entry;
	pid_t found = 0;
	struct stat file;
	DIR *dir;

	if (fstat(own_fd, &file) < 0)
		return 0;
	dir = opendir("/proc");
	while (dir != NULL && found == 0 && (entry = readdir(dir)) != NULL) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && has_lock_by_any(pid, own_fd, &file))
			found = pid;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

void holder_of_file(int fd, pid_t pid, char words[HOLDER_BYTES])
{
	if (pid <= 0)
		pid = find_process(fd);
	if (pid > 0)
		name_process(pid, words);
	else
		snprintf(words, HOLDER_BYTES, "in use by another program");
}

/* ---- Block devices ---- */

static bool name_mount(dev_t device, char words[HOLDER_BYTES])
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, target[PATH_MAX];
	size_t line_bytes = 0;
	unsigned major, minor;
	bool found = false;

	while (file != NULL && !found && getline(&line, &line_bytes, file) > 0)
		found = sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, target) == 3 &&
			makedev(major, minor) == device;
	if (found)
		snprintf(words, HOLDER_BYTES, "mounted on %.*s", NAME_CHARS, target);
	free(line);
	if (file != NULL)
		fclose(file);
	return found;
}

/* A line of each begins with its path; the first line has headings. */
static bool name_swap(dev_t device, char words[HOLDER_BYTES])
{
	FILE *file = fopen("/proc/swaps", "re");
	char *line = NULL;
	size_t line_bytes = 0;
	bool found = false;
	struct stat st;

	while (file != NULL && !found && getline(&line, &line_bytes, file) > 0) {
		line[strcspn(line, " \t\n")] = '\0';
		found = stat(line, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device;
	}
	if (found)
		snprintf(words, HOLDER_BYTES, "in use as swap");
	free(line);
	if (file != NULL)
		fclose(file);
	return found;
}

/* A device that is made of this one. */
static bool name_upper(const char *sys, char words[HOLDER_BYTES])
{
	const struct dirent *entry;
	char path[PATH_MAX];
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/holders", sys);
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		found = entry->d_name[0] != '.';
		if (found)
			snprintf(words, HOLDER_BYTES, "in use by %.*s", NAME_CHARS, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static bool name_holder(dev_t device, char words[HOLDER_BYTES])
{
	char sys[64];

	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(device), minor(device));
	return name_mount(device, words) || name_swap(device, words) || name_upper(sys, words);
}

/* A device is taken while one of its partitions is. */
static bool name_holder_of_partition(dev_t device, char words[HOLDER_BYTES])
{
	const struct dirent *entry;
	char sys[64], path[PATH_MAX], text[TEXT_BYTES];
	unsigned major, minor;
	bool found = false;
	DIR *dir;

	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(device), minor(device));
	dir = opendir(sys);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s/partition", sys, entry->d_name);
		if (access(path, F_OK) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/dev", sys, entry->d_name);
		found = read_text(path, text) && sscanf(text, "%u:%u", &major, &minor) == 2 &&
			name_holder(makedev(major, minor), words);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

void holder_of_device(dev_t device, char words[HOLDER_BYTES])
{
	if (!name_holder(device, words) && !name_holder_of_partition(device, words))
		snprintf(words, HOLDER_BYTES, "in use by another program or the kernel");
}
