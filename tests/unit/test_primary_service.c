/* SPDX-License-Identifier: Apache-2.0
 *
 * The configured primary as a process of its own: its hosts take the places of its socket, and give them back,
 * and those that fail do not fill its log.
 */
#include "primary/service.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/log.h"
#include "local/client.h"
#include "local/control_client.h"
#include "local/shm.h"
#include "local/program.h"
#include "primary/settings.h"
#include "wire/conn.h"
#include "wire/tls.h"

#define HOSTS_MAX 248u /* of 256 places, 8 are root's for something else */
#define HOSTS_OF_USER_MAX 128u

static char folder[64], path[96];
static pid_t daemon_pid;
static struct event_base *base;
static struct clock *clock_;
static struct client *clients[HOSTS_MAX + 1];
static unsigned ups, losts;
static char reason[DETAIL_MAX + 1];

static void on_up(void *arg)
{
	(void)arg;
	ups++;
}

static void on_lost(void *arg, const char *words)
{
	(void)arg;
	losts++;
	snprintf(reason, sizeof(reason), "%s", words);
}

/* In a child, until a signal ends it. */
static _Noreturn void be_the_daemon(const char *config, int log_fd)
{
	const struct program program = { .name = "ra-primaryd", .section = "primary" };
	char why[CONFIG_WHY_BYTES];
	struct primary_settings *settings;

	dup2(log_fd, STDERR_FILENO);
	log_start("ra-primaryd", LOG_LEVEL_INFO);
	if (primary_settings_load(config, &settings, why) != 0)
		log_abort("%s", why);
	alarm(120);
	_exit(service_run(&program, settings));
}

static int setup(void **state)
{
	char identity_path[96], config[96], line[512];
	struct tls_identity *identity;
	int log_pipe[2];
	FILE *file;

	(void)state;
	ups = losts = 0;
	snprintf(folder, sizeof(folder), "/tmp/ra-service.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/primary.sock", folder);
	snprintf(identity_path, sizeof(identity_path), "%s/identity.pem", folder);
	snprintf(config, sizeof(config), "%s/primary.conf", folder);
	assert_int_equal(tls_identity_generate(&identity), 0);
	assert_int_equal(tls_identity_to_file(identity, identity_path), 0);
	tls_identity_free(identity);
	file = fopen(config, "w");
	assert_non_null(file);
	fprintf(file, "[primary]\nidentity = %s\nsocket = %s\n", identity_path, path);
	fclose(file);
	assert_int_equal(pipe(log_pipe), 0);
	daemon_pid = fork();
	assert_true(daemon_pid >= 0);
	if (daemon_pid == 0)
		be_the_daemon(config, log_pipe[1]);
	close(log_pipe[1]);
	file = fdopen(log_pipe[0], "r");
	do
		assert_non_null(fgets(line, sizeof(line), file));
	while (strstr(line, "ready") == NULL);
	base = event_base_new();
	clock_ = clock_new(base);
	*state = file; /* its log: open, so that it can write */
	return 0;
}

static int teardown(void **state)
{
	int status;
	char command[128];

	for (unsigned i = 0; i <= HOSTS_MAX; i++)
		client_free(clients[i]);
	memset(clients, 0, sizeof(clients));
	clock_free(clock_);
	event_base_free(base);
	kill(daemon_pid, SIGTERM);
	assert_int_equal(waitpid(daemon_pid, &status, 0), daemon_pid);
	fclose(*state);
	assert_int_equal(status, 0);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* Until it is up or lost. */
static void host_comes(unsigned index)
{
	static const struct client_ops ops = { .up = on_up, .lost = on_lost };
	unsigned before = ups + losts;
	struct shm *shm;
	char why[256];
	int fd = control_connect(path, NULL, why, sizeof(why)), memory_fd;

	assert_true(fd >= 0);
	assert_int_equal(shm_create(1, 4096, &shm, &memory_fd), 0);
	clients[index] = client_new(base, clock_, fd, shm, memory_fd, &ops, NULL);
	shm_unref(shm);
	close(memory_fd);
	while (ups + losts == before)
		event_base_loop(base, EVLOOP_ONCE);
}

static enum status ask(void)
{
	struct msg_control request = { .verb = VERB_STATUS };
	char why[256];
	json_t *json;
	int fd = control_connect(path, NULL, why, sizeof(why));
	enum status status = control_call(fd, &request, NULL, 0, 30000, &json, why, sizeof(why));

	json_decref(json);
	close(fd);
	return status;
}

static void hosts_take_places_until_they_go(void **state)
{
	const bool is_root = getuid() == 0;
	const unsigned hosts_max = is_root ? HOSTS_MAX : HOSTS_OF_USER_MAX;

	(void)state;
	for (unsigned i = 0; i < hosts_max; i++)
		host_comes(i);
	assert_int_equal(ups, hosts_max);
	host_comes(hosts_max);
	assert_int_equal(losts, 1);
	assert_non_null(strstr(reason, "it was refused: too many programs"));
	assert_int_equal(ask(), is_root ? STATUS_OK : STATUS_BUSY);
	client_free(clients[hosts_max]);
	client_free(clients[0]);
	clients[0] = clients[hosts_max] = NULL;
	while (ask() != STATUS_OK) /* it has not heard of it yet */
		;
	host_comes(0);
	assert_int_equal(losts, 1);
}

/* Each says HostHello without memory. The daemon has logged that before it closes the connection. */
static void hosts_that_fail_are_a_few_lines(void **state)
{
	const struct message hello = { .type = MESSAGE_HOST_HELLO, .host_hello = { .protocol_min = RA_PROTOCOL_VERSION,
		.protocol_max = RA_PROTOCOL_VERSION, .slot_count = 1, .slot_bytes = 4096, .software = "test" } };
	char why[256], line[512];
	unsigned lines = 0;

	for (unsigned i = 0; i < 2 * LOG_STRANGER_LINES; i++) {
		int fd = control_connect(path, NULL, why, sizeof(why));

		assert_int_equal(conn_write_one(fd, &hello), 0);
		assert_true(read(fd, line, 1) <= 0);
		close(fd);
	}
	assert_int_equal(fcntl(fileno(*state), F_SETFL, O_NONBLOCK), 0);
	while (fgets(line, sizeof(line), *state) != NULL)
		lines += strstr(line, "shared memory refused: no descriptor") != NULL;
	assert_int_equal(lines, LOG_STRANGER_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hosts_take_places_until_they_go, setup, teardown),
		cmocka_unit_test_setup_teardown(hosts_that_fail_are_a_few_lines, setup, teardown),
	};

	return cmocka_run_group_tests_name("primary service", tests, NULL, NULL);
}
