/*
 * A browser for the tests. See webdriver.h.
 *
 * chromedriver runs under a shell that reads from a pipe which only the test holds: however the test ends, the browser
 * ends with it.
 */
#include "support/webdriver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/panic.h"
#include "support/http.h"
#include "support/process.h"
#include "support/owned.h"

enum {
    START_TIMEOUT_MS = 30000,
    STOP_TIMEOUT_MS = 10000,
    COMMAND_TIMEOUT_MS = 60000,
    WAIT_STEP_US = 20000,
    DEFAULT_WIDTH = 1280,
    DEFAULT_HEIGHT = 800,
};

/* The name under which the protocol hands out elements (W3C WebDriver, 11: "web element identifier"). */
static const char element_key[] = "element-6066-11e4-a52e-4f735466cecf";

/* chromedriver does not take Chromium along when it is ended, but both are of one process group. */
static const char guard_script[] = "exec 2>/dev/null\n"
                                   "setsid chromedriver --port=0 >\"$1/chromedriver.log\" 2>&1 &\n"
                                   "driver=$!\n"
                                   "read -r end\n"
                                   "kill -s KILL -- -$driver\n"
                                   "wait $driver\n"
                                   "rm -rf \"$1\"\n"
                                   "exit 0\n";

struct browser {
    pid_t guard;
    int guard_fd;
    char *dir; /* the profile, and chromedriver's log */
    char *session_url;
};

/* -------------------- the protocol -------------------- */

/* Sends a command. `body` is taken (NULL for a GET or DELETE). Returns the answer's "value", or ends the test. */
static json_t *command(struct browser *browser, const char *method, const char *path, json_t *body)
{
    struct buffer url = {0};
    buffer_printf(&url, "%s%s", browser->session_url, path);
    buffer_append(&url, "", 1);
    OWNED char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_response response;
    http_send(&(struct http_request){.method = method,
                                     .url = url.data,
                                     .headers = (const char *const[]){"Content-Type: application/json", NULL},
                                     .body = text,
                                     .timeout_ms = COMMAND_TIMEOUT_MS},
              &response);
    if (response.curl_code != 0)
        panic("webdriver %s %s: %s", method, path, response.error);
    json_error_t error;
    json_t *answer = json_loadb(response.body.data, response.body.length, 0, &error);
    json_t *value = json_object_get(answer, "value");
    if (response.status != 200 || !value) {
        const char *why = json_string_value(json_object_get(value, "message"));
        panic("webdriver %s %s %.200s: %s", method, path, text ? text : "", why ? why : response.body.data);
    }
    json_incref(value);
    json_decref(answer);
    json_decref(body);
    http_response_fini(&response);
    buffer_fini(&url);
    return value;
}

static void order(struct browser *browser, const char *method, const char *path, json_t *body)
{
    json_decref(command(browser, method, path, body));
}

/* The path of a command on the first element that the selector finds; the caller frees it. */
static char *element_path(struct browser *browser, const char *css, const char *action)
{
    json_t *element =
        command(browser, "POST", "/element", json_pack("{s:s, s:s}", "using", "css selector", "value", css));
    struct buffer path = {0};
    buffer_printf(&path, "/element/%s/%s", json_string_value(json_object_get(element, element_key)), action);
    buffer_append(&path, "", 1);
    json_decref(element);
    return path.data;
}

/* -------------------- start and end -------------------- */

/* chromedriver chooses the port itself and prints it: "... was started successfully on port 12345." */
static int read_port(const char *log_path)
{
    static const char phrase[] = "started successfully on port ";
    int64_t deadline_ms = clock_monotonic_ms() + START_TIMEOUT_MS;
    while (clock_monotonic_ms() < deadline_ms) {
        OWNED char *text = file_read(log_path, NULL);
        const char *place = text ? strstr(text, phrase) : NULL;
        int port = place && strchr(place, '\n') ? atoi(place + sizeof(phrase) - 1) : 0;
        if (port > 0)
            return port;
        usleep(WAIT_STEP_US);
    }
    panic("chromedriver did not start; see %s", log_path);
}

/* Returns chromedriver's port. */
static int start_driver(struct browser *browser)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        panic("pipe: %s", strerror(errno));
    const char *const argv[] = {"/bin/sh", "-c", guard_script, "guard", browser->dir, NULL};
    browser->guard = process_spawn(argv, &(struct process_options){.input_fd = ends[0], .outlives_caller = true});
    close(ends[0]);
    browser->guard_fd = ends[1];
    struct buffer log = {0};
    buffer_printf(&log, "%s/chromedriver.log", browser->dir);
    buffer_append(&log, "", 1);
    int port = read_port(log.data);
    buffer_fini(&log);
    return port;
}

/*
 * No sandbox: as root, in a container, Chromium has none to offer. The rest keeps the browser from calling anybody but
 * the page's server.
 */
static json_t *capabilities(const struct browser *browser, const struct browser_options *options)
{
    char profile[256];
    snprintf(profile, sizeof(profile), "--user-data-dir=%s/profile", browser->dir);
    char size[64];
    snprintf(size, sizeof(size), "--window-size=%d,%d", options->width, options->height);
    json_t *arguments =
        json_pack("[s, s, s, s, s, s, s, s, s, s, s, s]", "--headless=new", "--no-sandbox", "--disable-gpu",
                  "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--hide-scrollbars", profile, size);
    if (options->is_dark)
        json_array_append_new(arguments, json_string("--force-dark-mode"));
    return json_pack("{s:{s:{s:s, s:{s:o}, s:{s:s}}}}", "capabilities", "alwaysMatch", "browserName", "chrome",
                     "goog:chromeOptions", "args", arguments, "goog:loggingPrefs", "browser", "ALL");
}

/* The page gets the size that was asked for: what the window's frame takes is seen once the window has some size. */
static void fit_window(struct browser *browser, const struct browser_options *options)
{
    int frame_width = 0;
    int frame_height = 0;
    for (int pass = 0; pass < 2; pass++) {
        order(browser, "POST", "/window/rect",
              json_pack("{s:i, s:i}", "width", options->width + frame_width, "height", options->height + frame_height));
        frame_width = options->width - (int)browser_number(browser, "return innerWidth;");
        frame_height = options->height - (int)browser_number(browser, "return innerHeight;");
    }
}

struct browser *browser_open(const struct browser_options *wanted)
{
    struct browser_options options = wanted ? *wanted : (struct browser_options){0};
    options.width = options.width > 0 ? options.width : DEFAULT_WIDTH;
    options.height = options.height > 0 ? options.height : DEFAULT_HEIGHT;
    struct browser *browser = calloc(1, sizeof(*browser));
    ENSURE(browser != NULL);
    browser->dir = strdup("/tmp/midstream-browser-XXXXXX");
    if (!mkdtemp(browser->dir))
        panic("mkdtemp %s: %s", browser->dir, strerror(errno));
    struct buffer url = {0};
    buffer_printf(&url, "http://127.0.0.1:%d/session", start_driver(browser));
    buffer_append(&url, "", 1);
    browser->session_url = url.data;
    json_t *session = command(browser, "POST", "", capabilities(browser, &options));
    url.length--;
    buffer_printf(&url, "/%s", json_string_value(json_object_get(session, "sessionId")));
    buffer_append(&url, "", 1);
    browser->session_url = url.data;
    json_decref(session);
    fit_window(browser, &options);
    return browser;
}

void browser_close(struct browser *browser)
{
    if (!browser)
        return;
    order(browser, "DELETE", "", NULL);
    close(browser->guard_fd);
    if (process_wait(browser->guard, STOP_TIMEOUT_MS) != 0)
        panic("chromedriver in %s does not end", browser->dir);
    free(browser->dir);
    free(browser->session_url);
    free(browser);
}

/* -------------------- pages -------------------- */

void browser_visit(struct browser *browser, const char *url)
{
    order(browser, "POST", "/url", json_pack("{s:s}", "url", url));
}

void browser_click(struct browser *browser, const char *css)
{
    OWNED char *path = element_path(browser, css, "click");
    order(browser, "POST", path, json_object());
}

void browser_type(struct browser *browser, const char *css, const char *text)
{
    OWNED char *clear = element_path(browser, css, "clear");
    OWNED char *keys = element_path(browser, css, "value");
    order(browser, "POST", clear, json_object());
    order(browser, "POST", keys, json_pack("{s:s}", "text", text));
}

char *browser_text(struct browser *browser, const char *css)
{
    OWNED char *path = element_path(browser, css, "text");
    json_t *value = command(browser, "GET", path, NULL);
    char *text = strdup(json_string_value(value));
    json_decref(value);
    return text;
}

json_t *browser_run(struct browser *browser, const char *script)
{
    return command(browser, "POST", "/execute/sync", json_pack("{s:s, s:[]}", "script", script, "args"));
}

double browser_number(struct browser *browser, const char *script)
{
    json_t *value = browser_run(browser, script);
    if (!json_is_number(value))
        panic("not a number: %s", script);
    double number = json_number_value(value);
    json_decref(value);
    return number;
}

bool browser_wait(struct browser *browser, const char *expression, int timeout_ms)
{
    struct buffer script = {0};
    buffer_printf(&script, "return Boolean(%s);", expression);
    buffer_append(&script, "", 1);
    int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    bool holds = false;
    do {
        json_t *value = browser_run(browser, script.data);
        holds = json_is_true(value);
        json_decref(value);
        if (!holds)
            usleep(WAIT_STEP_US);
    } while (!holds && clock_monotonic_ms() < deadline_ms);
    buffer_fini(&script);
    return holds;
}

/* -------------------- tabs -------------------- */

char *browser_tab(struct browser *browser)
{
    json_t *value = command(browser, "GET", "/window", NULL);
    char *tab = strdup(json_string_value(value));
    json_decref(value);
    return tab;
}

char *browser_new_tab(struct browser *browser)
{
    json_t *value = command(browser, "POST", "/window/new", json_pack("{s:s}", "type", "tab"));
    char *tab = strdup(json_string_value(json_object_get(value, "handle")));
    json_decref(value);
    return tab;
}

void browser_switch(struct browser *browser, const char *tab)
{
    order(browser, "POST", "/window", json_pack("{s:s}", "handle", tab));
}

/* -------------------- what Chromium adds to the protocol -------------------- */

void browser_limit_upload(struct browser *browser, int bytes_per_s)
{
    order(browser, "POST", "/chromium/network_conditions",
          json_pack("{s:{s:b, s:i, s:i, s:i}}", "network_conditions", "offline", 0, "latency", 0, "download_throughput",
                    -1, "upload_throughput", bytes_per_s > 0 ? bytes_per_s : -1));
}

json_t *browser_console_errors(struct browser *browser, const char *expected)
{
    json_t *lines = command(browser, "POST", "/se/log", json_pack("{s:s}", "type", "browser"));
    json_t *errors = json_array();
    size_t index;
    json_t *line;
    json_array_foreach(lines, index, line)
    {
        json_t *message = json_object_get(line, "message");
        const char *level = json_string_value(json_object_get(line, "level"));
        if (strcmp(level, "SEVERE") != 0 || (expected && strstr(json_string_value(message), expected)))
            continue;
        json_array_append(errors, message);
    }
    json_decref(lines);
    return errors;
}

/* -------------------- pictures -------------------- */

/* RFC 4648, section 4. What is no digit of the alphabet is skipped. */
static void decode_base64(const char *text, struct buffer *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int held = 0;
    for (; *text && *text != '='; text++) {
        const char *digit = strchr(alphabet, *text);
        if (!digit)
            continue;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        char byte = (char)(bits >> held & 0xff);
        buffer_append(out, &byte, 1);
    }
}

void browser_screenshot(struct browser *browser, const char *path)
{
    json_t *value = command(browser, "GET", "/screenshot", NULL);
    struct buffer picture = {0};
    decode_base64(json_string_value(value), &picture);
    FILE *file = fopen(path, "we");
    if (!file || fwrite(picture.data, 1, picture.length, file) != picture.length || fclose(file) != 0)
        panic("%s: %s", path, strerror(errno));
    buffer_fini(&picture);
    json_decref(value);
}
