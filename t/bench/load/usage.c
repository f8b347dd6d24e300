#include "usage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../must.h"

struct usage_of usage_parse(const char *pids)
{
    struct usage_of of = {.count = 0};
    for (const char *p = pids; *p;) {
        char *end;
        long pid = strtol(p, &end, 10);
        if (end == p || pid < 1 || of.count == USAGE_PROCESSES)
            die("not a list of at most %d processes: %s", USAGE_PROCESSES, pids);
        of.pid[of.count++] = (pid_t)pid;
        p = *end == ',' ? end + 1 : end;
    }
    return of;
}

/* schedstat counts nanoseconds; stat would count hundredths of a second. */
static double thread_cpu(pid_t pid, const char *thread)
{
    char path[320];
    unsigned long long ns;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, thread);
    FILE *f = fopen(path, "re");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        die("cannot read %s: has the server ended?", path);
    fclose(f);
    return (double)ns / 1e9;
}

static double process_cpu(pid_t pid)
{
    char path[64];
    double sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        die("process %d is gone", (int)pid);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            sum += thread_cpu(pid, entry->d_name);
    closedir(dir);
    return sum;
}

static double process_anonymous_kib(pid_t pid)
{
    char path[64], line[256];
    double kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        die("process %d is gone", (int)pid);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtod(line + 8, NULL);
    fclose(f);
    return kib;
}

struct usage usage_read(const struct usage_of *of)
{
    struct usage u = {.anonymous_kib = 0};
    for (size_t i = 0; i < of->count; i++) {
        u.cpu_s[i] = process_cpu(of->pid[i]);
        u.anonymous_kib += process_anonymous_kib(of->pid[i]);
    }
    return u;
}

void section_begin(struct section *s, const struct usage_of *of)
{
    *s = (struct section){.of = of, .before = usage_read(of)};
    s->start_ns = now_ns();
}

void section_end(struct section *s)
{
    s->seconds = (double)(now_ns() - s->start_ns) / 1e9;
    s->after = usage_read(s->of);
    for (size_t i = 0; i < s->of->count; i++)
        s->cpu_s += s->after.cpu_s[i] - s->before.cpu_s[i];
}

void section_print(const struct section *s, double count)
{
    double millions = count / 1e6;
    printf("\"seconds\": %.6f, \"cpu\": %.6f, \"cpu_per_million\": %.4f, \"rate\": %.0f, \"cpu_each\": [",
           s->seconds, s->cpu_s, s->cpu_s / millions, count / s->seconds);
    for (size_t i = 0; i < s->of->count; i++)
        printf("%s%.4f", i ? ", " : "", (s->after.cpu_s[i] - s->before.cpu_s[i]) / millions);
    printf("]");
}
