/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses in numbers: nobody is asked for names.
 */
#include "wire/address.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/un.h>

void address_name(const struct sockaddr *address, socklen_t bytes, char text[ADDRESS_BYTES])
{
	const struct sockaddr_un *local = (const void *)address;
	char host[ADDRESS_BYTES - 16], port[6];

	if (address->sa_family == AF_UNIX)
		snprintf(text, ADDRESS_BYTES, "%.*s", (int)sizeof(local->sun_path), local->sun_path);
	else if (getnameinfo(address, bytes, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(text, ADDRESS_BYTES, "an address without a name");
	else
		snprintf(text, ADDRESS_BYTES, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
