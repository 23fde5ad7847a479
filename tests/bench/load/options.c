/* The command line of the load client. */
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "streams: opens many server-sent event streams and measures how late their events come.\n"
    "\n"
    "  --url URL            http://ADDRESS:PORT of the server, an IPv4 address\n"
    "  --path PATH          what each stream asks for, e.g. '/events?count=30&interval_ms=1000'; the events' number\n"
    "                       and schedule are taken from its query\n"
    "  --streams N          how many at once (default 100)\n"
    "  --open-rate R        opened per second (default 500)\n"
    "  --cookies N          fetch so many sessions first; stream i sends cookie i modulo N (default: none is sent)\n"
    "  --cookie-path PATH   where a visitor without a session gets one (default /counter)\n"
    "  --login USER         each of these logs in as USER instead, at POST /login\n"
    "  --cookie-file FILE   write the cookies, one a line, for wrk.lua\n"
    "  --act 'METHOD PATH'  when all are open, send this, and measure how soon it is answered and seen by the streams of the\n"
    "                       same session; with more cookies than streams, by all streams. Then the streams are closed\n"
    "  --acts N             so many times, by one session after the other (default 1)\n"
    "  --act-interval-ms M  from one to the next, at least (default 0)\n"
    "  --hold-s S           close all streams S seconds after the last was opened, instead of reading them to the end\n"
    "  --memory NAME=PIDS   memory of these processes (comma-separated) before the streams and while all are open;\n"
    "                       may be given several times. Looking costs time: do not ask for it where lateness counts\n"
    "  --json FILE          write the figures there\n"
    "\n"
    "Exit status: 0 when every stream was complete (or held, or ended by an act) and every act answered and seen, 1 when\n"
    "one was not, 2 for a wrong option.\n";

static _Noreturn void refuse(const char *what, const char *value)
{
    fprintf(stderr, "streams: %s: %s\n", what, value);
    exit(2);
}

static unsigned number(const char *option, const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value > max || text[0] == '-')
        refuse(option, text);
    return (unsigned)value;
}

static struct sockaddr_in url_address(const char *url)
{
    char host[INET_ADDRSTRLEN];
    unsigned port;
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (sscanf(url, "http://%15[0-9.]:%u", host, &port) != 2 || port == 0 || port > 65535 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1)
        refuse("--url wants http://ADDRESS:PORT", url);
    address.sin_port = htons((uint16_t)port);
    return address;
}

/* The number that the query gives to `name`, 0 when it does not. */
static unsigned query_number(const char *path, const char *name)
{
    const char *at = strchr(path, '?');
    while (at != NULL) {
        at++;
        if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == '=')
            return (unsigned)strtoul(at + strlen(name) + 1, NULL, 10);
        at = strchr(at, '&');
    }
    return 0;
}

static void add_group(struct options *options, const char *text)
{
    if (options->group_count == MEMORY_GROUPS_MAX || !memory_group_parse(&options->groups[options->group_count], text))
        refuse("--memory wants NAME=PID,PID,...", text);
    options->group_count++;
}

enum {
    URL,
    PATH,
    STREAMS,
    OPEN_RATE,
    COOKIES,
    COOKIE_PATH,
    COOKIE_FILE,
    LOGIN,
    ACT,
    ACTS,
    ACT_INTERVAL,
    HOLD,
    MEMORY,
    JSON,
    HELP
};
static const struct option names[] = {
    {"url", required_argument, NULL, URL},
    {"path", required_argument, NULL, PATH},
    {"streams", required_argument, NULL, STREAMS},
    {"open-rate", required_argument, NULL, OPEN_RATE},
    {"cookies", required_argument, NULL, COOKIES},
    {"cookie-path", required_argument, NULL, COOKIE_PATH},
    {"cookie-file", required_argument, NULL, COOKIE_FILE},
    {"login", required_argument, NULL, LOGIN},
    {"act", required_argument, NULL, ACT},
    {"acts", required_argument, NULL, ACTS},
    {"act-interval-ms", required_argument, NULL, ACT_INTERVAL},
    {"hold-s", required_argument, NULL, HOLD},
    {"memory", required_argument, NULL, MEMORY},
    {"json", required_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {0},
};

static void set_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case URL:
        options->url = value;
        options->address = url_address(value);
        break;
    case PATH:
        options->path = value;
        break;
    case STREAMS:
        options->streams = number("--streams", value, 1000000);
        break;
    case OPEN_RATE:
        options->opens_per_second = number("--open-rate", value, 1000000);
        break;
    case COOKIES:
        options->cookies = number("--cookies", value, 1000000);
        break;
    case COOKIE_PATH:
        options->cookie_path = value;
        break;
    case COOKIE_FILE:
        options->cookie_file = value;
        break;
    case LOGIN:
        options->login = value;
        break;
    case ACT:
        if (strchr(value, ' ') == NULL)
            refuse("--act wants 'METHOD PATH'", value);
        options->act = value;
        break;
    case ACTS:
        options->acts = number("--acts", value, 100000000);
        break;
    case ACT_INTERVAL:
        options->act_interval_us = (int64_t)number("--act-interval-ms", value, 3600000) * 1000;
        break;
    case HOLD:
        options->hold_us = (int64_t)number("--hold-s", value, 86400) * 1000000;
        break;
    case MEMORY:
        add_group(options, value);
        break;
    case JSON:
        options->json_path = value;
        break;
    case HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        exit(2); /* getopt has said why */
    }
}

void options_read(struct options *options, int argc, char **argv)
{
    *options = (struct options){
        .path = "/events?count=10&interval_ms=1000",
        .streams = 100,
        .opens_per_second = 500,
        .cookie_path = "/counter",
        .acts = 1,
        .hold_us = -1,
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        set_option(options, option, optarg);
    if (optind < argc)
        refuse("not an option", argv[optind]);
    if (options->url == NULL)
        refuse("missing", "--url");
    if (options->act == NULL)
        options->acts = 0;
    if (options->acts > 0 && options->cookies == 0)
        refuse("missing, for --act", "--cookies");
    if (options->opens_per_second == 0)
        refuse("--open-rate", "0");
    options->expected_events = query_number(options->path, "count");
    options->interval_us = (int64_t)query_number(options->path, "interval_ms") * 1000;
}
