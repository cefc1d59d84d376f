/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of sockets as text.
 */
#ifndef RA_WIRE_ADDRESS_H
#define RA_WIRE_ADDRESS_H

#include <sys/socket.h>

#define ADDRESS_BYTES 112u /* "[IPv6%scope]:port", or the path of a Unix socket */

void address_name(const struct sockaddr *address, socklen_t bytes, char text[ADDRESS_BYTES]);

#endif
