/* HTTP/1.1 requests of a few hundred bytes. */
#include "request.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"

enum { REQUEST_MAX = 2048, READ_TIMEOUT_S = 10 };

int request_connect(const struct sockaddr_in *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0);
    struct timeval timeout = {.tv_sec = READ_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)server, sizeof(*server)) == 0)
        return fd;
    close(fd);
    return -1;
}

bool request_send(int fd, const struct request *request)
{
    char text[REQUEST_MAX];
    char form_fields[128] = "";
    if (request->form != NULL)
        snprintf(form_fields, sizeof(form_fields),
                 "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n", strlen(request->form));
    int length = snprintf(text, sizeof(text),
                          "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream, */*\r\n"
                          "Sec-Fetch-Site: same-origin\r\n%s%s%s%s\r\n%s",
                          request->method, request->path, request->cookie != NULL ? "Cookie: " : "",
                          request->cookie != NULL ? request->cookie : "", request->cookie != NULL ? "\r\n" : "",
                          form_fields, request->form != NULL ? request->form : "");
    ENSURE(length > 0 && (size_t)length < sizeof(text));
    return send(fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}
