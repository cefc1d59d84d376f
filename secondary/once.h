/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-secondaryd --once: one primary on standard input and output, set up by its first frame.
 */
#ifndef RA_SECONDARY_ONCE_H
#define RA_SECONDARY_ONCE_H

int secondary_once_run(void); /* until the connection ends; the exit code */

#endif
