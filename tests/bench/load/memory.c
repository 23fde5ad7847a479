/* Memory from /proc: files of lines "Name: number kB", and one line of sockstat. */
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool memory_group_parse(struct memory_group *group, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof(group->name))
        return false;
    *group = (struct memory_group){.pid_count = 0};
    memcpy(group->name, text, (size_t)(equals - text));
    for (const char *next = equals + 1; *next != '\0';) {
        char *end;
        long pid = strtol(next, &end, 10);
        if (end == next || pid <= 0 || group->pid_count == MEMORY_PIDS_MAX || (*end != ',' && *end != '\0'))
            return false;
        group->pids[group->pid_count++] = (int)pid;
        next = *end == ',' ? end + 1 : end;
    }
    return group->pid_count > 0;
}

/* The sum of the lines "NAME: number kB" of the file, in bytes; -1 when the file cannot be read. */
static int64_t kilobyte_lines(const char *path, const char *const *names)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    int64_t bytes = 0;
    char name[64];
    char line[256];
    int64_t kilobytes;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%63[^:]: %" SCNd64 " kB", name, &kilobytes) != 2)
            continue;
        for (const char *const *wanted = names; *wanted != NULL; wanted++)
            if (strcmp(name, *wanted) == 0)
                bytes += kilobytes * 1024;
    }
    fclose(file);
    return bytes;
}

static bool read_group(struct memory_of_group *memory, const struct memory_group *group)
{
    *memory = (struct memory_of_group){.pss_bytes = 0};
    for (unsigned i = 0; i < group->pid_count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", group->pids[i]);
        int64_t pss = kilobyte_lines(path, (const char *const[]){"Pss", NULL});
        int64_t private = kilobyte_lines(path, (const char *const[]){"Private_Clean", "Private_Dirty", NULL});
        if (pss < 0 || private < 0)
            return false;
        memory->pss_bytes += pss;
        memory->private_bytes += private;
    }
    return true;
}

static int64_t tcp_pages_bytes(void)
{
    FILE *file = fopen("/proc/net/sockstat", "re");
    if (file == NULL)
        return 0;
    int64_t pages = 0;
    char line[256];
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *mem = strncmp(line, "TCP:", 4) == 0 ? strstr(line, " mem ") : NULL;
        if (mem != NULL)
            pages = strtoll(mem + strlen(" mem "), NULL, 10);
    }
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

bool memory_read(struct memory *memory, const struct memory_group *groups, unsigned group_count)
{
    for (unsigned i = 0; i < group_count; i++)
        if (!read_group(&memory->groups[i], &groups[i]))
            return false;
    memory->tcp_pages_bytes = tcp_pages_bytes();
    memory->slab_bytes = kilobyte_lines("/proc/meminfo", (const char *const[]){"Slab", NULL});
    memory->page_table_bytes = kilobyte_lines("/proc/meminfo", (const char *const[]){"PageTables", NULL});
    memory->kernel_stack_bytes = kilobyte_lines("/proc/meminfo", (const char *const[]){"KernelStack", NULL});
    return true;
}
