/* SPDX-License-Identifier: Apache-2.0
 *
 * One configuration file: read whole, checked byte by byte, then given to inih line by line. The hard thing: inih cuts
 * what does not fit (lines at 199 bytes, section names at 49), drops what stands behind " ;" and "]", tells nothing of
 * an empty section, and takes an indented line for more of the value above. So section lines are taken apart here,
 * and a line reaches inih only when inih will read it as it stands.
 */
#include "base/config_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"

#define CONFIG_FILE_MAGIC 0x434f4e46u
#define FILE_BYTES_MAX MIB
#define BLANKS " \t"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct config_file {
	uint32_t magic;
	const char *path;
	const struct config_file_ops *ops;
	void *arg;
	char *why;
	char *next;         /* the rest of the text; NULL at its end */
	unsigned line;      /* that inih has now, from 1 */
	bool is_more;       /* this line is more of the value above */
	bool has_failed;    /* why is written */
};

static struct config_file *config_file_of(void *arg)
{
	struct config_file *file = arg;

	assert(file->magic == CONFIG_FILE_MAGIC);
	return file;
}

/* The first failure is kept. */
__attribute__((format(printf, 3, 4))) static void fail(struct config_file *file, unsigned line, const char *format, ...)
{
	va_list args;
	int used;

	if (file->has_failed)
		return;
	file->has_failed = true;
	if (line != 0)
		used = snprintf(file->why, CONFIG_WHY_BYTES, "%s:%u: ", file->path, line);
	else
		used = snprintf(file->why, CONFIG_WHY_BYTES, "%s: ", file->path);
	if (used < 0 || (unsigned)used >= CONFIG_WHY_BYTES)
		return;
	va_start(args, format);
	vsnprintf(file->why + used, CONFIG_WHY_BYTES - (unsigned)used, format, args);
	va_end(args);
}

/* Bytes of the character at text; 0 when it is no well-formed UTF-8: overlong, a surrogate, beyond U+10FFFF. */
static unsigned character_bytes(const unsigned char *text)
{
	unsigned first = text[0], bytes, low = 0x80, high = 0xbf;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first == 0xe0 || first == 0xf0)
		low = first == 0xe0 ? 0xa0 : 0x90;
	if (first == 0xed || first == 0xf4)
		high = first == 0xed ? 0x9f : 0x8f;
	for (unsigned i = 1; i < bytes; i++, low = 0x80, high = 0xbf)
		if (text[i] < low || text[i] > high)
			return 0;
	return bytes;
}

/* text ends with a NUL that does not count. */
static void check_bytes(struct config_file *file, const char *text, size_t bytes)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
	unsigned line = 1, step;

	for (; at < end; at += step) {
		step = character_bytes(at);
		if (step == 0) {
			fail(file, line, "byte 0x%02x is no UTF-8", *at);
			return;
		}
		if ((*at < ' ' && strchr("\t\n", *at) == NULL && !(*at == '\r' && at[1] == '\n')) || *at == 0 || *at == 0x7f) {
			fail(file, line, "control character 0x%02x", *at);
			return;
		}
		line += *at == '\n';
	}
}

static int open_regular(struct config_file *file, size_t *bytes)
{
	struct stat status;
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
	int rc = fd < 0 ? -errno : fstat(fd, &status) != 0 ? -errno : 0;

	if (rc != 0)
		fail(file, 0, "%s", strerror(-rc));
	else if (!S_ISREG(status.st_mode))
		fail(file, 0, "%s, expected a file", S_ISDIR(status.st_mode) ? "is a directory" : "is no regular file");
	else if (status.st_size > (off_t)FILE_BYTES_MAX)
		fail(file, 0, "has %lld bytes, at most %u are read", (long long)status.st_size, FILE_BYTES_MAX);
	if (!file->has_failed) {
		*bytes = (size_t)status.st_size;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return rc != 0 ? rc : -EINVAL;
}

/* The whole file with a NUL behind it. */
static int read_text(struct config_file *file, char **out)
{
	size_t bytes = 0, done = 0;
	ssize_t got = 1;
	char *text;
	int fd = open_regular(file, &bytes);

	if (fd < 0)
		return fd;
	text = xcalloc(bytes + 1, 1);
	while (done < bytes && got > 0) {
		got = read(fd, text + done, bytes - done);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			done += (size_t)got;
	}
	if (got < 0) {
		int rc = -errno;

		fail(file, 0, "%s", strerror(-rc));
		close(fd);
		free(text);
		return rc;
	}
	close(fd);
	text[done] = '\0';
	check_bytes(file, text, done);
	*out = text;
	return 0;
}

static void trim_end(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && strchr(BLANKS "\r", text[length - 1]) != NULL)
		text[--length] = '\0';
}

/* "[device web1]", blanks around it taken off. */
static void take_section(struct config_file *file, char *text)
{
	char *end = strchr(text, ']'), *kind = text + 1, *name;

	if (end == NULL || end[1] != '\0') {
		fail(file, file->line, "%.200s: %s", text,
			end == NULL ? "expected ']' at its end" : "nothing may stand behind ']'");
		return;
	}
	*end = '\0';
	trim_end(kind);
	kind += strspn(kind, BLANKS);
	name = kind + strcspn(kind, BLANKS);
	if (*name != '\0')
		*name++ = '\0';
	name += strspn(name, BLANKS);
	if (!file->ops->section(file->arg, file->line, kind, name))
		file->has_failed = true;
}

/* inih ends a value there, and only there. */
static bool has_inline_comment(const char *text)
{
	for (const char *at = text; (at = strpbrk(at, ";#")) != NULL; at++)
		if (at > text && strchr(BLANKS, at[-1]) != NULL)
			return true;
	return false;
}

/* What inih shall see of a line: itself without the blanks before it, one blank in front of more of a value. */
static const char *take_line(struct config_file *file, char *line)
{
	char *text = line + strspn(line, BLANKS);
	bool is_section;

	trim_end(text);
	file->is_more = false;
	if (text[0] == '\0' || strchr(";#", text[0]) != NULL)
		return "";
	if (has_inline_comment(text)) {
		fail(file, file->line, "%.200s: a comment must stand on a line of its own", text);
		return "";
	}
	is_section = text[0] == '[' && text[strlen(text) - 1] == ']'; /* "[::]:7447" is an address */
	if (text > line && !is_section && strchr(text, '=') == NULL && file->ops->may_continue(file->arg)) {
		file->is_more = true;
		text[-1] = ' ';
		return text - 1;
	}
	if (text[0] == '[') {
		take_section(file, text);
		return "";
	}
	return text;
}

/* In the manner of fgets. */
static char *give_line(char *out, int out_bytes, void *arg)
{
	struct config_file *file = config_file_of(arg);
	const char *shown;
	char *line;

	if (file->next == NULL || file->has_failed)
		return NULL;
	line = strsep(&file->next, "\n");
	file->line++;
	shown = take_line(file, line);
	if (strlen(shown) + 1 > (size_t)out_bytes) {
		fail(file, file->line, "the line is longer than %d bytes", out_bytes - 1);
		return NULL;
	}
	return file->has_failed ? NULL : strcpy(out, shown);
}

/* inih tells the section too, but cut: ours is known from take_section. */
static int take_pair(void *arg, const char *section, const char *key, const char *value)
{
	struct config_file *file = config_file_of(arg);
	bool is_good;

	(void)section;
	if (file->is_more)
		is_good = file->ops->more(file->arg, file->line, value);
	else
		is_good = file->ops->key(file->arg, file->line, key, value);
	if (!is_good)
		file->has_failed = true;
	return 1;
}

int config_file_read(const char *path, const struct config_file_ops *ops, void *arg, char why[CONFIG_WHY_BYTES])
{
	struct config_file file = { .magic = CONFIG_FILE_MAGIC, .path = path, .ops = ops, .arg = arg, .why = why };
	char *text = NULL;
	int rc = read_text(&file, &text), bad_line;

	if (rc != 0)
		return rc;
	if (!file.has_failed) {
		file.next = text;
		if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
			file.next += strlen(BYTE_ORDER_MARK);
		bad_line = ini_parse_stream(give_line, &file, take_pair, &file);
		/* It goes on after a bad line, so what failed later is less to the point. */
		if (bad_line != 0) {
			file.has_failed = false;
			fail(&file, bad_line > 0 ? (unsigned)bad_line : 0, "expected [SECTION] or KEY = VALUE");
		}
	}
	free(text);
	return file.has_failed ? -EINVAL : 0;
}
