/* Connecting: how fast, at what cost, and whether anybody is refused. */
#include <stdio.h>

#include "clients.h"
#include "modes.h"
#include "../must.h"

void mode_connect(const struct options *o)
{
    struct section section;
    struct clients *c = clients_new(o->server, o->path, o->clients, NULL, NULL);
    clients_spread(c, o->channels, o->first);
    section_begin(&section, &o->processes);
    clients_open(c, o->clients, o->at_a_time);
    section_end(&section);
    printf("{\"mode\": \"connect\", \"clients\": %zu, \"at_a_time\": %zu, \"refused\": %llu, ", o->clients,
           o->at_a_time, (unsigned long long)clients_refused(c));
    section_print(&section, (double)o->clients);
    printf("}\n");
    clients_free(c);
}
