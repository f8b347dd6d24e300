/* The commands; each is defined in the file that is named after it or its family. */
#ifndef WSPUSH_CTL_VERBS_H
#define WSPUSH_CTL_VERBS_H

#include "ctl/ctl.h"

extern const struct ctl_verb verb_send;
extern const struct ctl_verb verb_wait;
extern const struct ctl_verb verb_read;
extern const struct ctl_verb verb_count;
extern const struct ctl_verb verb_has;
extern const struct ctl_verb verb_close;
extern const struct ctl_verb verb_list;
extern const struct ctl_verb verb_presence;
extern const struct ctl_verb verb_refused;
extern const struct ctl_verb verb_console;
extern const struct ctl_verb verb_each;
extern const struct ctl_verb verb_tail;
extern const struct ctl_verb verb_history;
extern const struct ctl_verb verb_drain;
extern const struct ctl_verb verb_reload;
extern const struct ctl_verb verb_info;
extern const struct ctl_verb verb_ping;
extern const struct ctl_verb verb_help;

#endif
