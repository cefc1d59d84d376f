/* SPDX-License-Identifier: Apache-2.0
 *
 * What host.c (the session), host_open.c (its device), host_read.c (its reads) and record.c (what is kept) share.
 * Nobody else includes this.
 */
#ifndef RA_PRIMARY_HOST_SESSION_H
#define RA_PRIMARY_HOST_SESSION_H

#include "primary/host.h"
#include "primary/local.h"
#include "primary/record.h"
#include "primary/remote.h"
#include "wire/message.h"

#define HOST_MAGIC 0x484f5354u
#define HOST_SLOT_MAGIC 0x534c4f54u
#define HOST_STREAM_MAGIC 0x5354524du

enum host_state { HOST_HELLO, HOST_READY, HOST_OPENING, HOST_OPEN, HOST_GONE };

enum slot_use { SLOT_FREE, SLOT_LOCAL, SLOT_REMOTE, SLOT_LOST };

struct host_slot {
	uint32_t magic;
	enum slot_use use;
	struct host *host;
	uint32_t tag; /* of the HostRead that has the slot */
	uint64_t first_track;
	uint32_t track_count;
};

/* One link job of the host. */
struct host_stream {
	uint32_t magic;
	struct host *host;
	struct remote_job *job; /* NULL until its first remote read */
};

/* What one side answered to HostOpen or HostStatus. */
struct side_answer {
	enum status status;
	uint32_t track_bytes;
	bool digest_only;
	struct volume_info info; /* when OK */
	char detail[DETAIL_MAX + 1];
};

struct host {
	uint32_t magic;
	enum host_state state;
	struct host_config config;
	const struct host_ops *ops;
	void *arg;
	struct conn *conn;
	struct shm *shm;
	struct host_slot *slots;
	uint32_t slot_count;

	char owner[OWNER_MAX + 1];
	const struct primary_device *device; /* OPENING, OPEN; NULL else, as are the next four */
	struct local_user *local;
	struct remote_device *remote;
	struct rate *local_rate, *remote_rate; /* of this run; NULL: no limit */
	uint32_t query_tag; /* of the HostOpen or HostStatus that is being answered */
	unsigned query_pending; /* sides that have not answered it; 0: there is none */
	struct side_answer local_answer, remote_answer;

	struct host_stream streams[STREAMS_MAX];
	uint32_t release_tag; /* of the HostRelease that is being answered */
	unsigned release_pending; /* jobs it waits for; 0: there is none */
	bool has_progress;
	struct msg_host_progress progress; /* that it told last; with has_progress */
	struct host_record record;
	struct message out;
};

void host_set_state(struct host *host, enum host_state state, const char *reason);
void host_send(struct host *host); /* host->out */
void host_on_open(struct host *host, const struct msg_host_open *open);
void host_on_status(struct host *host, const struct msg_host_status *status);
/* Gives back both sides, all streams and limits; harmless when no device is open. */
void host_detach(struct host *host);
/* Why the link cannot be asked. */
const char *host_remote_words(enum status status);
void host_on_read(struct host *host, const struct msg_host_read *read);
/* Those of the remote side end with LINK_LOST. */
void host_end_remote_reads(struct host *host, const char *reason);

#endif
