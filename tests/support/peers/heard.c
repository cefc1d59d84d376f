/* SPDX-License-Identifier: Apache-2.0
 *
 * heard SOCKET: binds this datagram socket, as a service manager does for NOTIFY_SOCKET, and prints what services say
 * there, line by line. It ends with its parent.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char message[4096];
	ssize_t bytes;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: heard SOCKET\n");
		return 2;
	}
	strcpy(address.sun_path, argv[1]);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || fd < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		perror(argv[1]);
		return 1;
	}
	while ((bytes = recv(fd, message, sizeof(message), 0)) >= 0) {
		printf("%.*s\n", (int)bytes, message);
		fflush(stdout);
	}
	perror(argv[1]);
	return 1;
}
