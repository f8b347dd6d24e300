/* The worker's figures, as tests ask for them over the control socket: INFO's fields and commands that answer
 * a number. */
#ifndef WSPUSH_T_FIGURES_H
#define WSPUSH_T_FIGURES_H

#include "resp.h"

/* A field of INFO; fails the test if there is none of that name. */
long long info_get(struct resp *control, const char *field);
/* Waits until the field has this value; fails the test after ten seconds. */
void info_until(struct resp *control, const char *field, long long value);
/* The same for a command, as a line. */
void integer_until(struct resp *control, const char *command, long long value);

#endif
