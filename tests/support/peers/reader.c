/* SPDX-License-Identifier: Apache-2.0
 *
 * reader ADDRESS:PORT IDENTITY KEY DEVICE [--stay]: a well-behaved primary for tests of ra-secondaryd. It reads the
 * whole device run by run on one link job and writes it to standard output. --stay: then it keeps link, device and job
 * until SIGTERM or its parent's end. IDENTITY is a PEM file, KEY the secondary's.
 *
 * Exit: 0 done, 1 an answer was a refusal (it is printed), 2 usage, 4 no link or it was lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/daemon.h"
#include "base/log.h"
#include "wire/conn.h"
#include "wire/tls.h"

struct reader {
	struct daemon *daemon;
	struct conn *conn;
	const char *key, *device;
	bool stays;
	uint32_t number, track_bytes;
	uint64_t size_bytes, link_id, next_track;
	unsigned char payload[FRAME_PAYLOAD_BYTES_MAX];
};

static void send_message(struct reader *reader, const struct message *message)
{
	conn_send(reader->conn, message, NULL, 0, NULL, NULL);
}

static void stop(struct reader *reader, int code)
{
	daemon_stop(reader->daemon, code);
}

static void on_term(int signal_number, void *arg)
{
	(void)signal_number;
	stop(arg, 0);
}

static void finish(struct reader *reader)
{
	fflush(stdout);
	if (reader->stays)
		fprintf(stderr, "reader: done, staying\n");
	else
		stop(reader, 0);
}

static uint64_t track_count(const struct reader *reader)
{
	return (reader->size_bytes + reader->track_bytes - 1) / reader->track_bytes;
}

/* The next run; link id 0 asks for the job first. */
static void read_on(struct reader *reader)
{
	uint64_t left = track_count(reader) - reader->next_track;
	struct message message = { .type = MESSAGE_READ };
	uint32_t run = RUN_BYTES_DEFAULT / reader->track_bytes;

	if (reader->link_id != 0 && left == 0) {
		finish(reader);
		return;
	}
	message.read = (struct msg_read){ .tag = 1, .link_id = reader->link_id, .device_number = reader->number };
	if (reader->link_id != 0) {
		message.read.first_track = reader->next_track;
		message.read.track_count = left < run ? (uint32_t)left : run;
		message.read.delivery = DELIVERY_DISCONNECT;
	}
	send_message(reader, &message);
}

static uint64_t bytes_of(const struct reader *reader, uint64_t track)
{
	uint64_t left = reader->size_bytes - track * reader->track_bytes;

	return left < reader->track_bytes ? left : reader->track_bytes;
}

static int refused(struct reader *reader, enum status status, const char *detail)
{
	fprintf(stderr, "reader: %s %s\n", status_name(status), detail);
	stop(reader, 1);
	return 0;
}

static int on_read_reply(struct reader *reader, const struct msg_read_reply *reply)
{
	static const unsigned char zeros[TRACK_BYTES_MAX];
	const unsigned char *at = reader->payload;

	if (reply->status == STATUS_DISCONNECT)
		return 0;
	if (reply->status != STATUS_OK && reply->status != STATUS_RECONNECT)
		return refused(reader, reply->status, reply->detail);
	if (reader->link_id == 0)
		reader->link_id = reply->link_id;
	for (uint32_t i = 0; i < reply->track_count; i++) {
		uint64_t bytes = bytes_of(reader, reader->next_track++);

		if (track_is_unreadable(reply->states[i]))
			return refused(reader, STATUS_VOLUME_ERROR, "a track cannot be read");
		fwrite(reply->states[i] == TRACK_DATA ? at : zeros, 1, bytes, stdout);
		at += reply->states[i] == TRACK_DATA ? bytes : 0;
	}
	read_on(reader);
	return 0;
}

static int on_device_reply(struct reader *reader, const struct msg_device_reply *reply)
{
	if (reply->status != STATUS_OK)
		return refused(reader, reply->status, reply->detail);
	reader->number = reply->device_number;
	reader->track_bytes = reply->track_bytes;
	reader->size_bytes = reply->volume.size_bytes;
	read_on(reader);
	return 0;
}

static int on_hello_reply(struct reader *reader, const struct msg_hello_reply *reply)
{
	struct message query = { .type = MESSAGE_DEVICE_QUERY, .device_query.tag = 1 };

	if (reply->status != STATUS_OK)
		return refused(reader, reply->status, "");
	conn_accept(reader->conn);
	snprintf(query.device_query.device, sizeof(query.device_query.device), "%s", reader->device);
	send_message(reader, &query);
	return 0;
}

static int on_frame(void *arg, const struct message *message, uint32_t payload_bytes)
{
	(void)payload_bytes;
	switch (message->type) {
	case MESSAGE_HELLO_REPLY:
		return on_hello_reply(arg, &message->hello_reply);
	case MESSAGE_DEVICE_REPLY:
		return on_device_reply(arg, &message->device_reply);
	case MESSAGE_READ_REPLY:
		return on_read_reply(arg, &message->read_reply);
	default:
		return -EPROTO;
	}
}

static void *on_payload(void *arg, const struct message *message, uint32_t payload_bytes)
{
	struct reader *reader = arg;

	(void)message;
	return payload_bytes <= sizeof(reader->payload) ? reader->payload : NULL;
}

static void on_up(void *arg)
{
	const struct message hello = { .type = MESSAGE_HELLO, .hello = { .protocol_min = RA_PROTOCOL_VERSION,
		.protocol_max = RA_PROTOCOL_VERSION, .software = "reader" } };

	send_message(arg, &hello);
}

static void on_closed(void *arg, const char *reason, bool clean)
{
	(void)clean;
	fprintf(stderr, "reader: link lost: %s\n", reason);
	stop(arg, 4);
}

static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	const struct reader *reader = arg;

	(void)proof;
	return strcmp(key, reader->key) == 0 ? arg : NULL;
}

static int connect_to(char *address)
{
	char *colon = strrchr(address, ':');
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (colon == NULL)
		return -1;
	*colon = '\0';
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return -1;
	return fd;
}

static struct tls_context *read_identity(struct reader *reader, const char *path)
{
	char pem[IDENTITY_PEM_BYTES_MAX] = "";
	struct tls_identity *identity;
	struct tls_context *context = NULL;
	FILE *file = fopen(path, "r");

	if (file != NULL && fread(pem, 1, sizeof(pem) - 1, file) > 0 && tls_identity_from_pem(pem, &identity) == 0) {
		context = tls_context_new(identity, TLS_CLIENT, admit, reader);
		tls_identity_free(identity);
	}
	if (file != NULL)
		fclose(file);
	return context;
}

int main(int argc, char **argv)
{
	static const struct conn_ops ops = { .up = on_up, .payload = on_payload, .frame = on_frame, .closed = on_closed };
	struct reader *reader = xcalloc(1, sizeof(*reader));
	struct tls_context *context;
	int fd, code = 2;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_start("reader", LOG_LEVEL_ERROR);
	reader->stays = argc == 6 && strcmp(argv[5], "--stay") == 0;
	if (argc != 5 && !reader->stays)
		goto out;
	reader->key = argv[3];
	reader->device = argv[4];
	context = read_identity(reader, argv[2]);
	if (context == NULL)
		goto out;
	code = 4;
	fd = connect_to(argv[1]);
	if (fd >= 0) {
		reader->daemon = daemon_new();
		daemon_on_signal(reader->daemon, SIGTERM, on_term, reader);
		reader->conn = conn_new_tls(daemon_base(reader->daemon), daemon_clock(reader->daemon), tls_new(context, fd, fd),
			fd, fd, "secondary", &ops, reader);
		code = daemon_run(reader->daemon);
		conn_free(reader->conn);
		daemon_free(reader->daemon);
	} else {
		fprintf(stderr, "reader: not connected: %s\n", strerror(errno));
	}
	tls_context_free(context);
out:
	free(reader);
	return code;
}
