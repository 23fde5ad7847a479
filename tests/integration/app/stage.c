/* The stage on which acts are played: notes that the test reads, and gates that it opens. See app.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

static const char *stage_path(struct mid_request *rq, const char *who, const char *name)
{
    const char *stage = getenv("STAGE");
    return mid_printf(rq, "%s/%s%s%s", stage != NULL ? stage : "/nonexistent", who, who[0] != '\0' ? "." : "", name);
}

void stage_note(struct mid_request *rq, const char *line)
{
    size_t length = strlen(line);
    int fd = open(stage_path(rq, "", "notes"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, length) != (ssize_t)length)
        abort();
    close(fd);
}

static void nap(void *arg)
{
    (void)arg;
    usleep(STAGE_LOOK_MS * 1000);
}

enum mid_error stage_pass_gate(struct mid_request *rq, const char *who, const char *name, bool is_deaf)
{
    const char *path = stage_path(rq, who, name);
    stage_note(rq, mid_printf(rq, "%s at %s\n", who, name));
    while (access(path, F_OK) != 0)
        MID_TRY(is_deaf ? mid_offload(rq, nap, NULL) : mid_sleep_ms(rq, STAGE_LOOK_MS));
    return MID_OK;
}
