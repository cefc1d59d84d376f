/* SPDX-License-Identifier: Apache-2.0
 *
 * Identities in files. A private key that others can read is no longer private, so such a file is refused, in words
 * that say what to do. And a certificate that runs out would end the link one night: who starts the daemon is told
 * before.
 * Loop thread only.
 */
#include "wire/tls_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "wire/tls_identity.h"

#define FILE_BYTES_MAX (256u * KIB)
#define WARN_DAYS 30

#define refuse(why, rc, ...) (snprintf((why), DETAIL_MAX + 1, __VA_ARGS__), (rc))

/* ---- Reading ---- */

static int refuse_open(const char *path, bool is_secret, int number, char why[DETAIL_MAX + 1])
{
	if (number == ELOOP)
		return refuse(why, -number, "%s: this is a symbolic link; give the file itself", path);
	if (number == ENOENT && is_secret)
		return refuse(why, -number, "%s: there is no such file; ra-ctl keygen makes one", path);
	return refuse(why, -number, "%s: %s", path, strerror(number));
}

static int check(const char *path, const struct stat *stat, enum tls_file_kind kind, char why[DETAIL_MAX + 1])
{
	unsigned mode = stat->st_mode & 07777, others = kind == TLS_FILE_CREDENTIAL ? 037 : 077;
	bool is_secret = kind != TLS_FILE_PUBLIC;

	if (!S_ISREG(stat->st_mode))
		return refuse(why, -EINVAL, "%s: this is no regular file", path);
	if (is_secret && stat->st_uid != 0 && stat->st_uid != geteuid())
		return refuse(why, -EACCES, "%s: it belongs to uid %u; only root%s may own it", path, stat->st_uid,
			geteuid() == 0 ? "" : " and the user of this program");
	if (is_secret && (mode & others) != 0)
		return refuse(why, -EACCES, "%s: others can %s it (mode %04o); chmod 600 it", path,
			mode & 044 ? "read" : mode & 022 ? "change" : "use", mode);
	if (mode & 002)
		return refuse(why, -EACCES, "%s: everybody can change it (mode %04o); chmod 644 it", path, mode);
	if (stat->st_size > FILE_BYTES_MAX)
		return refuse(why, -EFBIG, "%s: it has more than %u bytes", path, FILE_BYTES_MAX);
	return 0;
}

/* Bytes, or -errno. */
static ssize_t read_whole(int fd, char *text, size_t bytes_max)
{
	size_t bytes = 0;
	ssize_t taken;

	do {
		taken = read(fd, text + bytes, bytes_max - bytes);
		bytes += taken > 0 ? (size_t)taken : 0;
	} while (taken > 0 || (taken < 0 && errno == EINTR));
	return taken < 0 ? -errno : (ssize_t)bytes;
}

int tls_file_read(const char *path, enum tls_file_kind kind, char **text, char why[DETAIL_MAX + 1])
{
	bool is_secret = kind != TLS_FILE_PUBLIC;
	/* Non-blocking: a pipe in its place must not stop the program. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (is_secret ? O_NOFOLLOW : 0)), rc;
	struct stat stat;
	ssize_t taken;

	if (fd < 0)
		return refuse_open(path, is_secret, errno, why);
	rc = fstat(fd, &stat) == 0 ? check(path, &stat, kind, why) : refuse_open(path, is_secret, errno, why);
	if (rc != 0)
		goto out;
	*text = xcalloc(FILE_BYTES_MAX + 1, 1);
	taken = read_whole(fd, *text, FILE_BYTES_MAX);
	if (taken < 0) {
		rc = refuse_open(path, is_secret, (int)-taken, why);
		free(*text);
	}
out:
	close(fd);
	return rc;
}

/* ---- Identities ---- */

static void print_time(const ASN1_TIME *time, char text[16])
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(text, 16, "%Y-%m-%d", &tm) == 0)
		strcpy(text, "an unknown day");
}

void tls_certificate_warn_of_dates(const X509 *certificate, const char *path, const char *what)
{
	const ASN1_TIME *begin = X509_get0_notBefore(certificate), *end = X509_get0_notAfter(certificate);
	char text[16];
	int days, seconds;

	if (ASN1_TIME_diff(&days, &seconds, NULL, begin) == 1 && (days > 0 || seconds > 0)) {
		print_time(begin, text);
		log_warning("%s: %s is not valid before %s: names are not proven by it until then", path, what, text);
	}
	if (ASN1_TIME_diff(&days, &seconds, NULL, end) != 1)
		return;
	print_time(end, text);
	if (days < 0 || seconds < 0)
		log_warning("%s: %s ended on %s: names are not proven by it any more", path, what, text);
	else if (days < WARN_DAYS)
		log_warning("%s: %s ends on %s, in %d days", path, what, text, days);
}

/* A certificate that signed itself proves nothing, so its dates do not matter. */
void tls_identity_warn_of_dates(const struct tls_identity *identity, const char *path)
{
	if (X509_self_signed(identity->certificate, 0) == 0)
		tls_certificate_warn_of_dates(identity->certificate, path, "its certificate");
}

static int read_identity(const char *path, enum tls_file_kind kind, struct tls_identity **out,
	char why[DETAIL_MAX + 1])
{
	char reason[DETAIL_MAX + 1], *text;
	int rc = tls_file_read(path, kind, &text, why);

	if (rc != 0)
		return rc;
	rc = tls_identity_parse(text, out, reason);
	if (rc == 0)
		tls_identity_warn_of_dates(*out, path);
	else
		snprintf(why, DETAIL_MAX + 1, "%s: %.200s", path, reason);
	explicit_bzero(text, FILE_BYTES_MAX);
	free(text);
	return rc;
}

int tls_identity_from_file(const char *path, struct tls_identity **out, char why[DETAIL_MAX + 1])
{
	return read_identity(path, TLS_FILE_SECRET, out, why);
}

int tls_identity_from_credential(const char *path, struct tls_identity **out, char why[DETAIL_MAX + 1])
{
	return read_identity(path, TLS_FILE_CREDENTIAL, out, why);
}

static int write_whole(int fd, const char *text)
{
	size_t bytes = strlen(text), position = 0;

	while (position < bytes) {
		ssize_t taken = write(fd, text + position, bytes - position);

		if (taken < 0 && errno != EINTR)
			return -errno;
		position += taken > 0 ? (size_t)taken : 0;
	}
	/* The umask may have taken from the mode. */
	return fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int tls_identity_to_file(const struct tls_identity *identity, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
	char *pem;

	if (fd < 0)
		return -errno;
	pem = tls_identity_to_pem(identity);
	rc = write_whole(fd, pem);
	explicit_bzero(pem, strlen(pem));
	free(pem);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc != 0)
		unlink(path);
	return rc;
}
