/* SPDX-License-Identifier: Apache-2.0
 *
 * HA 28: what the primary keeps of a host's device, at the host's request. Loop thread only. The hard thing is that an
 * answer comes when the disk is done with it: at most one request waits, and a host that goes is forgotten by whoever
 * has it.
 */
#include "primary/record.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "primary/host_session.h"
#include "primary/keep.h"
#include "primary/reports.h"
#include "wire/conn.h"

static void payload_sent(void *arg, bool sent)
{
	(void)sent;
	free(arg);
}

/* Takes bytes over; NULL: none. */
static void answer(struct host *host, uint32_t tag, enum status status, const char *detail, uint8_t *bytes,
	size_t count)
{
	struct conn_piece piece = { .data = bytes, .bytes = count };
	struct msg_host_record_reply *reply = &host->out.host_record_reply;
	host->out.type = MESSAGE_HOST_RECORD_REPLY;
	*reply = (struct msg_host_record_reply){ .tag = tag, .status = status };
	snprintf(reply->detail, sizeof(reply->detail), "%s", detail);
	if (count > 0) {
		conn_send(host->conn, &host->out, &piece, 1, payload_sent, bytes);
		return;
	}
	free(bytes);
	host_send(host);
}

static void refuse(struct host *host, uint32_t tag, enum status status, const char *detail)
{
	answer(host, tag, status, detail, NULL, 0);
}

static void begin(struct host *host, uint32_t tag)
{
	host->record.is_pending = true;
	host->record.tag = tag;
}

void record_answer(struct host *host, enum status status, const char *detail, uint8_t *bytes, size_t count)
{
	assert(host->magic == HOST_MAGIC && host->record.is_pending);
	host->record.is_pending = false;
	answer(host, host->record.tag, status, detail, bytes, count);
}

static void on_record(void *arg, enum status status, const char *detail, uint8_t *bytes, size_t count)
{
	record_answer(arg, status, detail, bytes, count);
}

/* ---- The ledger ---- */

static void load_ledger(struct host *host, uint32_t tag)
{
	char detail[DETAIL_MAX + 1];
	enum status status = keep_load(host->device->keep, host->owner, on_record, host, detail);
	if (status == STATUS_OK)
		begin(host, tag);
	else
		refuse(host, tag, status, detail);
}

static void save_ledger(struct host *host, uint32_t tag, uint8_t *bytes, size_t count)
{
	char detail[DETAIL_MAX + 1];
	enum status status = keep_save(host->device->keep, bytes, count, on_record, host, detail);
	if (status == STATUS_OK)
		begin(host, tag);
	else
		refuse(host, tag, status, detail);
}

/* ---- Reports ---- */

static void on_report(void *arg, enum status status, const char *detail)
{
	record_answer(arg, status, detail, NULL, 0);
}

static void save_report(struct host *host, uint32_t tag, uint8_t *bytes, size_t count)
{
	char detail[DETAIL_MAX + 1];
	enum status status = reports_save(host->device->reports, bytes, count, on_report, host, detail);
	if (status == STATUS_OK)
		begin(host, tag);
	else
		refuse(host, tag, status, detail);
}

/* ---- What is found on the volume ---- */

static void on_layout(void *arg, enum status status, char *record, const char *detail)
{
	on_record(arg, status, detail, (uint8_t *)record, record ? strlen(record) : 0);
}

static void load_layout(struct host *host, uint32_t tag)
{
	enum status status = local_layout(host->local, on_layout, host);
	if (status == STATUS_OK)
		begin(host, tag);
	else
		refuse(host, tag, status, status == STATUS_NOT_READY ? "an earlier request to the volume hangs" :
			"no free DA request");
}

/* ---- Requests ---- */

/* False: the request was refused. */
static bool may_ask(struct host *host, uint32_t tag)
{
	const char *words = NULL;
	if (host->state != HOST_OPEN)
		words = "no device is open";
	else if (host->record.is_pending)
		words = "an earlier request for a record has no answer yet";
	if (words)
		refuse(host, tag, STATUS_BAD_REQUEST, words);
	return !words;
}

/* kept: where what is asked for is kept. False: nowhere, and the request was refused. */
static bool is_kept(struct host *host, uint32_t tag, const void *kept)
{
	if (!kept)
		refuse(host, tag, STATUS_BAD_REQUEST, "a private pair keeps nothing");
	return kept;
}

void *record_payload(struct host *host, const struct message *message, uint32_t payload_bytes)
{
	if (message->type != MESSAGE_HOST_SAVE || host->state != HOST_OPEN) {
		log_limited(LOG_STRANGER_LINES, "", LOG_LEVEL_WARNING, "%s with payload from a host, which has %s",
			message_name(message->type), host->state == HOST_OPEN ? "none to send with it" : "no device open");
		return NULL;
	}
	host->record.announced = payload_bytes;
	return payload_place(host->config.payloads, true, payload_bytes, &host->record.incoming);
}

void record_on_load(struct host *host, const struct msg_host_load *load)
{
	if (!may_ask(host, load->tag))
		return;
	switch (load->record) {
	case RECORD_LEDGER:
		if (is_kept(host, load->tag, host->device->keep))
			load_ledger(host, load->tag);
		break;
	case RECORD_INVALID:
		begin(host, load->tag);
		record_load_invalid(host);
		break;
	case RECORD_LAYOUT:
		load_layout(host, load->tag);
		break;
	default:
		refuse(host, load->tag, STATUS_BAD_REQUEST, "this record is not known here");
	}
}

void record_on_save(struct host *host, const struct msg_host_save *save)
{
	size_t count = host->record.incoming.count;
	bool has_all = count == host->record.announced, is_taken = false;
	uint8_t *bytes = payload_take(host->config.payloads, &host->record.incoming); /* NULL: it came without payload */
	host->record.announced = 0;
	if (!has_all)
		refuse(host, save->tag, STATUS_BUSY, "too many records of other hosts are on their way");
	if (!has_all || !may_ask(host, save->tag)) {
		free(bytes);
		return;
	}
	switch (save->record) {
	case RECORD_LEDGER:
		is_taken = is_kept(host, save->tag, host->device->keep);
		if (is_taken)
			save_ledger(host, save->tag, bytes, count);
		break;
	case RECORD_REPORT:
		is_taken = is_kept(host, save->tag, host->device->reports);
		if (is_taken)
			save_report(host, save->tag, bytes, count);
		break;
	case RECORD_INVALID:
		begin(host, save->tag);
		record_save_invalid(host, bytes, count);
		break;
	default:
		refuse(host, save->tag, STATUS_BAD_REQUEST, "this record is not known here");
	}
	if (!is_taken)
		free(bytes);
}

void record_detach(struct host *host)
{
	if (host->device && host->device->keep)
		keep_leave(host->device->keep, host);
	if (host->device && host->device->reports)
		reports_leave(host->device->reports, host);
	record_forget_invalid(host);
	host->record.is_pending = false;
	payload_drop(host->config.payloads, &host->record.incoming);
}
