/* SPDX-License-Identifier: Apache-2.0
 *
 * The configured daemon: see service.h. Parts are made in the order in which they need each other, and ended the other
 * way round: first nobody new comes in, then links and their jobs go, then volumes are closed.
 *
 * The hard thing: a volume may hang in its close. ra_free waits for a moment; after that the process leaves the thread
 * behind and ends.
 */
#include "secondary/service.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/notify.h"
#include "base/plural.h"
#include "base/post.h"
#include "local/expiry.h"
#include "local/named.h"
#include "secondary/accept.h"
#include "secondary/control.h"
#include "secondary/device.h"
#include "secondary/job.h"
#include "secondary/link_id.h"
#include "secondary/peer.h"
#include "secondary/ra.h"
#include "secondary/settings.h"
#include "storage/invalid_table.h"
#include "storage/volume.h"
#include "wire/inherited.h"

#define MAIN "secondary"
#define EXIT_NOT_STARTED 1
#define EXIT_SETTINGS 2

/* ---- What the settings name ---- */

/* Whose link is it? Both outcomes are logged, with key and address, by those who know the address: session and conn. */
static void *admit(void *arg, const char *key, const struct tls_proof *proof)
{
	const struct service *service = arg;

	return peer_list_admit(service->peers, key, proof);
}

struct tls_context *secondary_service_tls(struct service *service, const struct secondary_settings *settings,
	const struct tls_identity *identity)
{
	return named_context(settings->daemon.config, MAIN, identity, TLS_SERVER, admit, service);
}

static bool build_tls(struct service *service)
{
	const struct config *config = service->settings->daemon.config;
	struct tls_identity *identity = named_identity(config, MAIN);

	if (identity == NULL)
		return false;
	tls_identity_key(identity, service->key);
	service->tls = secondary_service_tls(service, service->settings, identity);
	service->expiry = expiry_new(daemon_clock(service->daemon), identity,
		config_text(config, MAIN, NULL, "identity"), config_text(config, MAIN, NULL, "ca"));
	return service->tls != NULL && named_groups_exist(config, MAIN);
}

/* ---- Parts ---- */

static struct ra_config ra_config_of(const struct secondary_settings *settings)
{
	struct ra_config config;

	ra_config_default(&config);
	config.secondary_id = link_id_new_secondary();
	config.jobs = settings->jobs;
	config.track_bytes = settings->daemon.track_bytes;
	config.cache_bytes = settings->cache_bytes;
	config.da_threads = settings->daemon.da_threads;
	config.window_reads = settings->window_reads;
	return config;
}

static void add_table(struct service *service, const struct device_settings *device, uint32_t number)
{
	const struct invalid_config config = { .clock = service->ra->clock, .da = service->ra->da,
		.post = service->post, .state = service->started_with->daemon.state, .device = device->name,
		.track_bytes = service->started_with->daemon.track_bytes, .offset_bytes = device->offset_bytes };

	device_array_set_invalid(service->ra->devices, number, invalid_table_new(&config));
}

static uint32_t add_device(struct service *service, const struct device_settings *device)
{
	struct volume *volume = volume_new(device->volume, device->io);
	int number;

	volume_set_part(volume, device->offset_bytes, device->length_bytes, device->is_common);
	if (device->is_known_by_name)
		volume_set_known_by_name(volume);
	if (device->is_yielding)
		volume_set_yielding(volume);
	number = device_array_add(service->ra->devices, device->name, volume);
	if (number < 0)
		log_abort("device %s: not added (%d); the settings were to be checked", device->name, number);
	service->made_with[number] = device_settings_copy(device);
	add_table(service, service->made_with[number], (uint32_t)number);
	return (uint32_t)number;
}

void secondary_service_take_device(struct service *service, const struct secondary_settings *settings,
	unsigned index)
{
	const struct device_settings *wanted = &settings->daemon.devices[index];
	int known = device_array_find_any(service->ra->devices, wanted->name);
	uint32_t number = known >= 0 ? (uint32_t)known : add_device(service, wanted);
	bool is_replaced = device_settings_warn_fixed(service->made_with[number], &settings->daemon, wanted);

	rate_set(device_array_rate(service->ra->devices, number), &wanted->limit);
	device_array_set_listing(service->ra->devices, number, is_replaced ? DEVICE_REPLACED : DEVICE_LISTED);
}

static bool build_ra(struct service *service)
{
	const struct secondary_settings *settings = service->settings;
	const struct ra_config config = ra_config_of(settings);

	service->mailbox = mailbox_new(daemon_base(service->daemon));
	if (service->mailbox == NULL)
		return false;
	service->ra = ra_new(&config, daemon_clock(service->daemon), service->mailbox, service->post);
	if (service->ra == NULL)
		return false;
	rate_set(service->ra->total_rate, &settings->daemon.limit);
	for (unsigned i = 0; i < settings->daemon.device_count; i++)
		secondary_service_take_device(service, settings, i);
	service->peers = peer_list_new(service->ra->throttle);
	for (unsigned i = 0; i < settings->peer_count; i++)
		peer_list_add(service->peers, &settings->peers[i]);
	return true;
}

/* From here on others can connect. */
static bool open_doors(struct service *service)
{
	char why[CONFIG_WHY_BYTES];

	service->accept = accept_new(service->ra, daemon_base(service->daemon), service->tls);
	for (const char *const *address = service->settings->listen; *address != NULL; address++)
		if (!accept_listen(service->accept, *address, why, sizeof(why))) {
			log_error("listen: %s", why);
			return false;
		}
	service->control = control_new(service, daemon_base(service->daemon), why, sizeof(why));
	if (service->control == NULL)
		log_error("socket: %s", why);
	return service->control != NULL;
}

static void log_begin(const struct service *service)
{
	const struct secondary_settings *settings = service->settings;
	const char *address;

	log_info("version %s, configuration %s", RA_VERSION, settings->daemon.path);
	log_info("key %s", service->key);
	for (unsigned i = 0; (address = accept_address(service->accept, i)) != NULL; i++)
		log_info("listening on %s", address);
	log_info("socket %s", settings->daemon.socket);
	log_info("%u %s, %u %s", settings->daemon.device_count,
		plural(settings->daemon.device_count, "device", "devices"), settings->peer_count,
		plural(settings->peer_count, "peer", "peers"));
}

/* ---- The service manager ---- */

static void say_status(void *arg, char text[NOTIFY_STATUS_BYTES])
{
	const struct service *service = arg;
	unsigned devices = service->settings->daemon.device_count, links = 0;
	uint32_t jobs = job_array_used(service->ra->jobs, JOB_LINK);

	for (const struct peer *peer = peer_list_first(service->peers); peer != NULL; peer = peer->next)
		links += peer->links;
	snprintf(text, NOTIFY_STATUS_BYTES, "%u %s, %u %s, %u %s", devices, plural(devices, "device", "devices"), links,
		plural(links, "link", "links"), jobs, plural(jobs, "job", "jobs"));
}

/* ---- Signals ---- */

static void on_stop(int signal_number, void *arg)
{
	struct service *service = arg;

	log_info("%s: ending", strsignal(signal_number));
	notify_stopping(service->notify);
	daemon_stop(service->daemon, 0);
}

static void on_hangup(int signal_number, void *arg)
{
	(void)signal_number;
	secondary_service_reload(arg);
}

static void on_dump(int signal_number, void *arg)
{
	struct service *service = arg;

	(void)signal_number;
	ra_dump(service->ra);
}

/* ---- Life ---- */

static int end(struct service *service, int code)
{
	notify_free(service->notify);
	expiry_free(service->expiry);
	accept_free(service->accept);
	control_free(service->control);
	if (service->ra != NULL)
		ra_end_sessions(service->ra);
	peer_list_free(service->peers);
	if (!ra_free(service->ra)) {
		log_warning("a request to a volume hangs: leaving it behind");
		_exit(code);
	}
	tls_context_free(service->tls);
	mailbox_free(service->mailbox);
	post_free(service->post);
	daemon_free(service->daemon);
	for (uint32_t i = 0; i < DEVICES_MAX; i++)
		device_settings_free(service->made_with[i]);
	if (service->settings != service->started_with)
		secondary_settings_free((struct secondary_settings *)service->settings);
	return code;
}

int secondary_service_run(const struct program *program, const struct secondary_settings *settings)
{
	struct service service = { .program = program, .started_with = settings, .settings = settings };
	bool is_open;

	service.daemon = daemon_new();
	service.started_ms = clock_now_ms(daemon_clock(service.daemon));
	service.post = post_new();
	daemon_on_signal(service.daemon, SIGTERM, on_stop, &service);
	daemon_on_signal(service.daemon, SIGINT, on_stop, &service);
	daemon_raise_descriptors();
	service.notify = notify_new(daemon_clock(service.daemon), say_status, &service);
	if (!build_tls(&service))
		return end(&service, EXIT_SETTINGS);
	inherited_take();
	daemon_on_signal(service.daemon, SIGHUP, on_hangup, &service); /* runs when the loop does */
	is_open = build_ra(&service) && open_doors(&service);
	inherited_end();
	if (!is_open)
		return end(&service, EXIT_NOT_STARTED);
	daemon_on_signal(service.daemon, SIGUSR2, on_dump, &service);
	log_begin(&service);
	notify_ready(service.notify);
	return end(&service, daemon_run(service.daemon));
}
