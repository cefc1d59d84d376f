/* SPDX-License-Identifier: Apache-2.0
 *
 * The sizes and times that more than one module, or both ends of a connection, must agree on. Each is a limit of
 * PROTOCOL.md or a default of DESIGN; nothing here is changed at run time.
 */
#ifndef RA_BASE_LIMITS_H
#define RA_BASE_LIMITS_H

#define RA_VERSION "0.1.0"
#define RA_PROTOCOL_VERSION 1u

#define KIB 1024u
#define MIB (1024u * 1024u)

#define TRACK_BYTES_DEFAULT (64u * KIB)
#define TRACK_BYTES_MIN (4u * KIB)
#define TRACK_BYTES_MAX (1u * MIB)
#define RUN_TRACKS_MAX 64u    /* of data */
#define RUN_DIGESTS_MAX 1024u /* tracks of digests */
#define RUN_BYTES_MAX (4u * MIB)
#define RUN_BYTES_DEFAULT (1u * MIB) /* of what ra-ctl reads at once, and the first run of digests */

#define DEVICE_NAME_MAX 63u /* characters */
#define DETAIL_MAX 255u     /* characters */
#define SOFTWARE_MAX 63u
#define PATH_BYTES_MAX 4096u /* with the final NUL */

#define TRACK_SET_RANGES_MAX 131072u /* of a set that is sent or kept */
#define TRACKS_END (1ull << 51)      /* no volume has a track of this number, or a higher one */

#define DEVICES_MAX 256u    /* slots of the device record array (Fig. 9) */
#define JOBS_MAX_DEFAULT 2048u /* elements of the job array (Fig. 13) */
#define DA_QUEUE_ELEMENTS 256u
#define LOCAL_QUEUE_ELEMENTS 2048u /* of a primary: each stream of each host may have a read in it */
#define DA_THREADS_DEFAULT 8u /* half of them for one volume: so many reads are in flight on a disk */
#define DA_THREADS_SMALL_CACHE 4u /* instead, where the cache has less than RUN_BYTES_MAX for each */
#define DA_EXTRA_THREADS_MAX 16u
#define CACHE_BYTES_DEFAULT (64u * MIB)
#define PRIVATE_CACHE_BYTES (32u * MIB) /* nobody else shares it, and less stays in the CPU's caches */

#define WINDOW_READS_DEFAULT 32u
#define WINDOW_READS_MAX 1024u
#define STREAMS_MAX 64u
#define HOST_SLOTS_MAX 1024u
#define HOST_MEMORY_BYTES_MAX (64u * MIB)

#define REQUEST_TIMEOUT_MS 30000 /* step 156 */
#define DA_TIMEOUT_MS 8000       /* step 186 */
#define WAIT_TASK_TIMEOUT_MS 4000 /* step 112 */
#define RETRY_DELAY_MS 100       /* step 66 */
#define HELLO_DEADLINE_MS 10000  /* from accept to an accepted Hello */
#define PING_PERIOD_MS 5000
#define PINGS_UNANSWERED_MAX 3   /* 15 s */
#define OUTPUT_STALL_MS 10000    /* a peer that takes no output for so long is dropped */
#define OUTPUT_STALL_BYTES (64u * KIB) /* nor one that takes less than this of a longer queue */

#endif
