/* Lines of the history. See notes.h. */
#include "notes.h"

#include "app/journal.h"

void note_sent(unsigned long run, const char *kind, const struct cookie *cookie)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " + %lu %s %s %u", run, kind, cookie->rid, cookie->generation);
    line_write(&line);
}

void note_heard(unsigned long run, const char *verdict, const struct cookie *cookie)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " = %lu %s %s %u", run, verdict, cookie->rid, cookie->generation);
    line_write(&line);
}

void note_unclear(unsigned long run, const struct cookie *cookie)
{
    struct line line;
    line_begin(&line);
    line_printf(&line, " ? %lu %s", run, cookie->rid);
    line_write(&line);
}
