/* SPDX-License-Identifier: Apache-2.0
 *
 * ra-ctl metrics: what is known of a daemon, for Prometheus.
 */
#ifndef RA_CTL_METRICS_H
#define RA_CTL_METRICS_H

#include "primary/ctl/options.h"

enum ctl_exit ctl_run_metrics(const struct ctl_options *options);

#endif
