/* MONITOR: every command that is run, as a line for those who asked to see them. What is sent to clients, and
 * what may be a password, is shown as its length. */
#ifndef WSPUSH_CONTROL_MONITOR_H
#define WSPUSH_CONTROL_MONITOR_H

#include "control/dispatch.h"

/* Call it where control->watch.monitors is not empty. */
void monitor_show(const struct session *s, const struct command *command, const struct resp_request *r);

#endif
