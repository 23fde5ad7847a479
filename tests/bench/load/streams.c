/*
 * streams: the load client for server-sent events. One process, one thread, one epoll loop; HTTP/1.1 over loopback.
 *
 * It answers four questions about N concurrent streams: does every one arrive whole, how late are its events
 * (lateness.h says what that means), what does a waiting stream cost in memory (memory.h), and how soon does it show
 * what happens to its session (acts.h).
 */
#include <stdio.h>
#include <sys/resource.h>

#include "cookies.h"
#include "load.h"
#include "options.h"
#include "report.h"

enum { DESCRIPTORS_BESIDE_STREAMS = 32 };

/* A descriptor per stream; the soft limit is ours to raise. */
static bool descriptors_suffice(unsigned streams)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < (rlim_t)streams + DESCRIPTORS_BESIDE_STREAMS) {
        fprintf(stderr, "streams: %u streams, but at most %llu descriptors (ulimit -Hn)\n", streams,
                (unsigned long long)limit.rlim_max);
        return false;
    }
    return true;
}

static bool get_cookies(struct cookies *cookies, const struct options *options)
{
    char form[256];
    struct request request = {.method = "GET", .path = options->cookie_path};
    snprintf(form, sizeof(form), "user=%s", options->login != NULL ? options->login : "");
    if (options->login != NULL)
        request = (struct request){.method = "POST", .path = "/login", .form = form};
    if (!cookies_fetch(cookies, &options->address, &request, options->cookies))
        return false;
    if (options->cookie_file == NULL || cookies_write(cookies, options->cookie_file))
        return true;
    fprintf(stderr, "streams: cannot write %s\n", options->cookie_file);
    return false;
}

/* Runs and reports; true when no stream was truncated or failed, no event lost, and each act answered and seen. */
static bool measure(const struct options *options, const struct cookies *cookies)
{
    struct load load;
    load_init(&load, options, cookies);
    load_run(&load);

    struct report report;
    report_init(&report, &load);
    report_print(&report);
    unsigned good = report.by_state[STREAM_COMPLETE] + report.by_state[STREAM_HELD] +
                    (options->acts > 0 ? report.by_state[STREAM_ENDED] : 0);
    bool is_good = good == options->streams && report.lost == 0 && report.misnumbered == 0 &&
                   load.acts.answered.count == options->acts && load.acts.lost == 0;
    if (options->json_path != NULL && !report_write_json(&report, options->json_path)) {
        fprintf(stderr, "streams: cannot write %s\n", options->json_path);
        is_good = false;
    }
    report_fini(&report);
    load_fini(&load);
    return is_good;
}

int main(int argc, char **argv)
{
    struct options options;
    options_read(&options, argc, argv);
    struct cookies cookies = {.texts = NULL};
    bool is_good = descriptors_suffice(options.streams) && get_cookies(&cookies, &options);
    if (is_good && (options.streams > 0 || options.acts > 0))
        is_good = measure(&options, &cookies);
    cookies_free(&cookies);
    return is_good ? 0 : 1;
}
