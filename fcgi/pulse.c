#include "pulse.h"

#include <sys/eventfd.h>
#include <sys/mman.h>

struct pulse *pulse_map(size_t count, int bell_fd)
{
    int shared = MAP_SHARED | MAP_ANONYMOUS;
    /* cppcheck-suppress invalidFunctionArg ; no file is behind it */
    struct pulse *pulses = mmap(NULL, count * sizeof *pulses, PROT_READ | PROT_WRITE, shared, -1, 0);
    if (pulses == MAP_FAILED)
        return NULL;
    for (size_t i = 0; i < count; i++)
        pulses[i].bell_fd = bell_fd;
    return pulses;
}

void pulse_unmap(struct pulse *pulses, size_t count)
{
    munmap(pulses, count * sizeof *pulses);
}

void pulse_reset(struct pulse *p)
{
    atomic_store(&p->turns, 0);
    atomic_store(&p->gate, PULSE_GATE_NOT_YET);
}

void pulse_beat(struct pulse *p)
{
    atomic_fetch_add(&p->turns, 1);
}

void pulse_set_gate(struct pulse *p, enum pulse_gate gate)
{
    atomic_store(&p->gate, (int)gate);
    eventfd_write(p->bell_fd, 1);
}
