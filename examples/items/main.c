/*
 * A JSON API that keeps its items in Redis, beside the sessions, and that pages of other sites may read.
 *
 *     midstream-run ./items
 *     curl -H 'Content-Type: application/json' -d '{"name":"tea","price":3}' URL/items
 *     curl URL/items; curl -X DELETE URL/items/1
 */
#include <jansson.h>
#include <midstream.h>
#include <stdlib.h>
#include <string.h>

enum { ITEM_BYTES_MAX = 4096, NAME_BYTES_MAX = 100 };

/* The item of the body: an object with a name and a price, and nothing else. */
static enum mid_error read_item(struct mid_request *rq, const char **name, json_int_t *price)
{
    json_t *body;
    json_error_t fault;
    MID_TRY(mid_body_json(rq, ITEM_BYTES_MAX, &body));
    if (json_unpack_ex(body, &fault, JSON_STRICT, "{s:s, s:I}", "name", name, "price", price) != 0)
        return mid_fail(rq, MID_UNPROCESSABLE, "an item is {\"name\":\"...\",\"price\":1}: %s", fault.text);
    if (strlen(*name) > NAME_BYTES_MAX || *price < 0)
        return mid_fail(rq, MID_UNPROCESSABLE, "a name has at most %d bytes, and a price is not negative",
                        NAME_BYTES_MAX);
    return MID_OK;
}

static enum mid_error add_item(struct mid_request *rq)
{
    const char *name;
    json_int_t price;
    const struct mid_redis_value *id;
    MID_TRY(read_item(rq, &name, &price));
    MID_TRY(mid_redis(rq, &id, "INCR app:items:last"));
    char *text = json_dumps(json_pack("{s:I,s:s,s:I}", "id", (json_int_t)id->integer, "name", name, "price", price),
                            JSON_COMPACT);
    mid_defer(rq, free, text);
    MID_TRY(mid_redis(rq, NULL, "HSET app:items %lld %s", (long long)id->integer, text));
    MID_TRY(mid_set_header(rq, "Location", mid_printf(rq, "/items/%lld", (long long)id->integer)));
    return mid_respond(rq, 201, "application/json", text, strlen(text));
}

static enum mid_error show_item(struct mid_request *rq)
{
    const struct mid_redis_value *item;
    MID_TRY(mid_redis(rq, &item, "HGET app:items %s", mid_param(rq, "id")));
    if (item->type == MID_REDIS_NIL)
        return mid_fail(rq, MID_NOT_FOUND, "there is no item %s", mid_param(rq, "id"));
    return mid_respond(rq, 200, "application/json", item->text, item->bytes);
}

/* A row each, so that neither side ever holds all of them as one document. */
static enum mid_error list_items(struct mid_request *rq)
{
    const struct mid_redis_value *items;
    MID_TRY(mid_redis(rq, &items, "HVALS app:items"));
    MID_TRY(mid_rows_begin(rq));
    for (size_t i = 0; i < items->count; i++)
        MID_TRY(mid_row_printf(rq, "%s", items->elements[i].text));
    return MID_OK;
}

static enum mid_error remove_item(struct mid_request *rq)
{
    const struct mid_redis_value *removed;
    MID_TRY(mid_redis(rq, &removed, "HDEL app:items %s", mid_param(rq, "id")));
    return removed->integer == 1 ? mid_respond_empty(rq, 204) : MID_NOT_FOUND;
}

static const struct mid_route routes[] = {
    MID_GET("/items", list_items, .cross_site = "*"),
    MID_POST("/items", add_item, .body_max_bytes = ITEM_BYTES_MAX),
    MID_GET("/items/{id}", show_item, .cross_site = "*"),
    MID_DELETE("/items/{id}", remove_item),
    {0},
};

int main(int argc, char **argv)
{
    return mid_main(argc, argv, routes);
}
