/* What tests ask of the admin listener. See admin.h. */
#include "admin.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

int admin_send(const struct site *site, const char *method, const char *path, struct http_response *response)
{
    OWNED char *url = text_printf("http://admin%s", path);
    http_send(&(struct http_request){.method = method, .url = url, .unix_socket = site->stack->admin_socket}, response);
    return response->status;
}

int admin_get(const struct site *site, const char *path, char **body)
{
    struct http_response response;
    int status = admin_send(site, "GET", path, &response);
    cr_assert_eq(response.curl_code, CURLE_OK, "%s: %s", path, response.error);
    if (body != NULL)
        *body = strdup(response.body.data);
    http_response_fini(&response);
    return status;
}

double sample(const struct site *site, const char *series)
{
    char *text;
    double value = -1;
    cr_assert_eq(admin_get(site, "/metrics", &text), 200);
    OWNED char *line_begin = text_printf("\n%s ", series);
    const char *line = strstr(text, line_begin);
    if (line != NULL)
        value = strtod(line + strlen(line_begin), NULL);
    free(text);
    return value;
}
