/* AUTH. See auth.h. */
#include "redis/auth.h"

#include <string.h>

#include "redis/resp.h"

enum { FRAME_BYTES = 128 }; /* of the command without user and password; more than enough */

bool redis_auth_send(struct redis_socket *socket, struct buffer *request, const struct redis_credentials *credentials,
                     redis_answer_fn *fn, void *arg)
{
    if (credentials->password == NULL)
        return false;
    size_t user_bytes = credentials->username != NULL ? strlen(credentials->username) : 0;
    resp_begin(request, credentials->username != NULL ? 3 : 2);
    buffer_reserve(request, user_bytes + strlen(credentials->password) + FRAME_BYTES); /* it does not grow behind it */
    resp_add_text(request, "AUTH");
    if (credentials->username != NULL)
        resp_add_text(request, credentials->username);
    resp_add_text(request, credentials->password);
    bool is_sent = redis_socket_send(socket, request, fn, arg);
    explicit_bzero(request->data, request->length);
    return is_sent;
}
