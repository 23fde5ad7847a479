/*
 * What a Redis Cluster should not do, and a node of it may do all the same: nodes that send a command in circles, that
 * do not know where it belongs, whose maps are empty or old, whose answers come in pieces. The nodes are pretenders.
 */
#include "redis/cluster.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pretender.h"
#include "server.h"

enum { READY_MS = 10000, PATIENCE_MS = 300, NODES = 2, TEXT_BYTES = 1024, ANSWERS = 3 };

TestSuite(redis_cluster_lies, .timeout = 60);

/* -------------------- a node -------------------- */

/* What it says. "A" and "B" behind ':' stand for the ports of the nodes, "N" for one where nobody listens. */
static struct node {
    struct pretender pretender;
    int port;
    const char *slots, *hello, *state;
    int epoch;
    const char *answers[ANSWERS]; /* to one SET after the other; the last one that is there also to all others */
    int asked, asking;            /* commands SET, and ASKING */
} nodes[NODES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void append(char *reply, size_t size, const char *text)
{
    for (; *text != '\0'; text++) {
        size_t length = strlen(reply);
        bool is_port = text[0] == ':' && strchr("ABN", text[1]) != NULL && text[1] != '\0';
        int port = text[1] == 'N' ? 1 : nodes[text[1] == 'B'].port;
        if (is_port)
            snprintf(reply + length, size - length, ":%d", port);
        else
            snprintf(reply + length, size - length, "%c", *text);
        text += is_port;
    }
}

static const char *answer_to_set(struct node *node)
{
    int number = node->asked++;
    while (number > 0 && (number >= ANSWERS || node->answers[number] == NULL))
        number--;
    return node->answers[number];
}

/* The answer to one command, whose words are in `rest` up to the next one. */
static void answer_one(struct node *node, const char *command, char *reply, size_t size)
{
    char text[96], info[128];
    int bytes = snprintf(text, sizeof(text), "cluster_state:%s\r\ncluster_current_epoch:%d\r\n",
                         node->state != NULL ? node->state : "ok", node->epoch);
    snprintf(info, sizeof(info), "$%d\r\n%s\r\n", bytes, text);
    const struct {
        const char *word, *says;
    } rows[] = {
        {"\r\nINFO\r\n", info},
        {"\r\nSLOTS\r\n", node->slots},
        {"\r\nHELLO\r\n", node->hello != NULL ? node->hello : "-ERR unknown command\r\n"},
        {"\r\nTIME\r\n", "*2\r\n$10\r\n1800000000\r\n$1\r\n0\r\n"},
        {"\r\nASKING\r\n", "+OK\r\n"},
        {"\r\nPING\r\n", "+PONG\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strstr(command, rows[i].word) != NULL) {
            node->asking += rows[i].word[2] == 'A';
            append(reply, size, rows[i].says);
            return;
        }
    append(reply, size, answer_to_set(node));
}

static void answer_all(struct node *node, const char *request, char *reply, size_t size)
{
    char command[TEXT_BYTES];
    reply[0] = '\0';
    pthread_mutex_lock(&lock);
    while (*request == '*') {
        const char *next = strstr(request, "\r\n*");
        size_t bytes = next != NULL ? (size_t)(next + 2 - request) : strlen(request);
        snprintf(command, sizeof(command), "%.*s", (int)bytes, request);
        answer_one(node, command, reply, size);
        request += bytes;
    }
    pthread_mutex_unlock(&lock);
}

static void answer_as_a(const char *request, char *reply, size_t size)
{
    answer_all(&nodes[0], request, reply, size);
}

static void answer_as_b(const char *request, char *reply, size_t size)
{
    answer_all(&nodes[1], request, reply, size);
}

#define RANGE_OF(id, first, last, port)                                                                                \
    "*3\r\n:" first "\r\n:" last "\r\n*3\r\n$9\r\n127.0.0.1\r\n" port "\r\n$4\r\n" id "\r\n"
#define RANGE(first, last, port) RANGE_OF("beef", first, last, port)
static const char all_at_a[] = "*1\r\n" RANGE("0", "16383", ":A");
static const char all_at_b[] = "*1\r\n" RANGE("0", "16383", ":B");

static struct redis_client *client;

static void start_nodes(void)
{
    static pretender_fn *const functions[NODES] = {answer_as_a, answer_as_b};
    for (int i = 0; i < NODES; i++) {
        nodes[i] = (struct node){.slots = all_at_a, .epoch = 5, .answers = {"+OK\r\n"}};
        nodes[i].port = pretender_start_tcp(&nodes[i].pretender, functions[i]);
    }
}

static void stop_nodes(void)
{
    for (int i = 0; i < NODES; i++)
        pretender_stop(&nodes[i].pretender);
}

static struct redis_client *new_client(int64_t timeout_ms)
{
    char address[32];
    struct redis_options options = quick_options();
    snprintf(address, sizeof(address), "127.0.0.1:%d", nodes[0].port);
    options.address = address;
    options.topology = REDIS_CLUSTER;
    options.tls = NULL;
    options.timeout_ms = timeout_ms;
    return redis_client_new(&options);
}

/* A write about "a", whose slot is 15495. */
static enum mid_error set(bool *was_sent)
{
    const struct redis_argument words[] = {REDIS_TEXT("SET"), REDIS_TEXT("a"), REDIS_TEXT("1")};
    struct redis_call call = {.patience_ms = PATIENCE_MS};
    enum mid_error error = redis_command(client, 3, words, &call);
    *was_sent = call.was_sent;
    return error;
}

/* -------------------- journeys -------------------- */

/* The map says that A has all slots. */
static const struct journey {
    const char *what;
    const char *at_a[ANSWERS], *at_b[ANSWERS];
    enum mid_error result;
    int asked_a, asked_b; /* how often; -1: more than once, and not for ever */
    bool was_asking;
    bool lasts; /* as long as the patience, less what is too little for another question */
} journeys[] = {
    {"another node has it", {"-MOVED 15495 127.0.0.1:B\r\n"}, {"+OK\r\n"}, MID_OK, 1, 1, false, false},
    {"one that says no host", {"-MOVED 15495 :B\r\n"}, {"+OK\r\n"}, MID_OK, 1, 1, false, false},
    {"one with a name", {"-MOVED 15495 localhost:B\r\n"}, {"+OK\r\n"}, MID_OK, 1, 1, false, false},
    {"it is on its way", {"-ASK 15495 127.0.0.1:B\r\n"}, {"+OK\r\n"}, MID_OK, 1, 1, true, false},
    {"the slot is another one", {"-MOVED 3 127.0.0.1:B\r\n"}, {"+OK\r\n"}, MID_OK, 1, 1, false, false},
    {"the answer comes in pieces",
     {"-MOV" PRETENDER_CUT "ED 15495 127.0.0.1:B\r" PRETENDER_CUT "\n"},
     {"+O" PRETENDER_CUT "K\r\n"},
     MID_OK,
     1,
     1,
     false,
     false},
    {"it comes back",
     {"-ASK 15495 127.0.0.1:B\r\n", "+OK\r\n"},
     {"-MOVED 15495 127.0.0.1:A\r\n"},
     MID_OK,
     2,
     1,
     true,
     false},
    {"it waits a moment",
     {"-TRYAGAIN not yet\r\n", "-TRYAGAIN not yet\r\n", "+OK\r\n"},
     {""},
     MID_OK,
     3,
     0,
     false,
     false},
    {"a node that names itself", {"-MOVED 15495 127.0.0.1:A\r\n"}, {""}, MID_UNAVAILABLE, -1, 0, false, false},
    {"two that name each other",
     {"-MOVED 15495 127.0.0.1:B\r\n"},
     {"-MOVED 15495 127.0.0.1:A\r\n"},
     MID_UNAVAILABLE,
     -1,
     -1,
     false,
     false},
    {"two that ask each other",
     {"-ASK 15495 127.0.0.1:B\r\n"},
     {"-ASK 15495 127.0.0.1:A\r\n"},
     MID_UNAVAILABLE,
     -1,
     -1,
     true,
     false},
    {"nobody is there", {"-MOVED 15495 127.0.0.1:N\r\n"}, {""}, MID_UNAVAILABLE, 1, 0, false, false},
    {"nobody is there to be asked", {"-ASK 15495 127.0.0.1:N\r\n"}, {""}, MID_UNAVAILABLE, 1, 0, false, false},
    {"a node without a name", {"-MOVED 15495 ?:B\r\n"}, {""}, MID_UNAVAILABLE, -1, 0, false, false},
    {"it waits for ever", {"-TRYAGAIN not yet\r\n"}, {""}, MID_UNAVAILABLE, -1, 0, false, true},
    {"it is on its way, and not all of it is there",
     {"-ASK 15495 127.0.0.1:B\r\n"},
     {"-TRYAGAIN not yet\r\n"},
     MID_UNAVAILABLE,
     -1,
     -1,
     true,
     true},
    {"it is on its way, and then there",
     {"-ASK 15495 127.0.0.1:B\r\n"},
     {"-TRYAGAIN not yet\r\n", "-TRYAGAIN not yet\r\n", "+OK\r\n"},
     MID_OK,
     3,
     3,
     true,
     false},
    {"nobody serves the slot", {"-CLUSTERDOWN Hash slot not served\r\n"}, {""}, MID_UNAVAILABLE, 1, 0, false, false},
    {"a slot that there is not", {"-MOVED 16384 127.0.0.1:B\r\n"}, {""}, MID_FAILED, 1, 0, false, false},
    {"no address", {"-MOVED 15495\r\n"}, {""}, MID_FAILED, 1, 0, false, false},
    {"an address that is none", {"-MOVED 15495 127.0.0.1:B:x y\r\n"}, {""}, MID_FAILED, 1, 0, false, false},
    {"the other one refuses", {"-MOVED 15495 127.0.0.1:B\r\n"}, {"-ERR no\r\n"}, MID_FAILED, 1, 1, false, false},
    {"the other one is full", {"-MOVED 15495 127.0.0.1:B\r\n"}, {"-OOM no\r\n"}, MID_UNAVAILABLE, 1, 1, false, false},
};

static bool is_as_often(int count, int expected)
{
    return expected >= 0 ? count == expected : count > 1 && count < 60;
}

static void go(void *arg)
{
    const struct journey *journey = &journeys[*(const size_t *)arg];
    bool was_sent;
    client = new_client(2000);
    cr_assert(redis_client_wait_ready(client, READY_MS), "%s", redis_client_failure(client));
    memcpy(nodes[0].answers, journey->at_a, sizeof(journey->at_a));
    memcpy(nodes[1].answers, journey->at_b, sizeof(journey->at_b));
    int64_t begun_ms = loop_now_ms();
    enum mid_error error = set(&was_sent);
    cr_expect_eq(error, journey->result, "%s: %s", journey->what, mid_error_name(error));
    cr_expect_lt(loop_now_ms() - begun_ms, PATIENCE_MS + 1000, "%s", journey->what);
    if (journey->lasts)
        cr_expect_geq(loop_now_ms() - begun_ms, PATIENCE_MS - 100, "%s: it was given up early", journey->what);
    cr_expect_eq(redis_client_counts(client)->suspicions, 0, "%s: a node is blamed", journey->what);
    cr_expect_eq(was_sent, error == MID_OK || error == MID_FAILED, "%s: nothing was carried out", journey->what);
    cr_expect(is_as_often(nodes[0].asked, journey->asked_a), "%s: A was asked %d times", journey->what, nodes[0].asked);
    cr_expect(is_as_often(nodes[1].asked, journey->asked_b), "%s: B was asked %d times", journey->what, nodes[1].asked);
    cr_expect_eq(nodes[0].asking + nodes[1].asking > 0, journey->was_asking, "%s", journey->what);
    redis_client_free(client);
}

static size_t current;

static void go_current(void *arg)
{
    (void)arg;
    go(&current);
}

Test(redis_cluster_lies, a_command_arrives_or_is_given_up_in_time)
{
    for (current = 0; current < sizeof(journeys) / sizeof(journeys[0]); current++) {
        start_nodes();
        run_scenario(go_current);
        stop_nodes();
    }
}

/* -------------------- maps -------------------- */

static const struct {
    const char *slots, *says;
} maps[] = {
    {"*0\r\n", "no node of the cluster has any slots"},
    {"-NOPERM this user has no permissions to run the 'cluster|slots' command\r\n", "NOPERM"},
    {"*1\r\n" RANGE("5", "4", ":A"), "makes no sense"},
    {"*1\r\n" RANGE("0", "16384", ":A"), "makes no sense"},
    {"*1\r\n:7\r\n", "makes no sense"},
};

static void read_map(void *arg)
{
    (void)arg;
    nodes[0].slots = maps[current].slots;
    client = new_client(300);
    cr_expect_not(redis_client_wait_ready(client, 300), "%s", maps[current].says);
    cr_expect_not_null(strstr(redis_client_failure(client), maps[current].says), "%s", redis_client_failure(client));
    nodes[0].slots = all_at_a;
    cr_expect(redis_client_wait_ready(client, READY_MS), "it asks again");
    redis_client_free(client);
}

Test(redis_cluster_lies, a_map_that_makes_no_sense_is_told_and_asked_for_again)
{
    for (current = 0; current < sizeof(maps) / sizeof(maps[0]); current++) {
        start_nodes();
        run_scenario(read_map);
        stop_nodes();
    }
}

static int owner_port(void)
{
    const struct cluster_node *owner = client->cluster->owners[15495];
    return owner != NULL ? owner->address.port : 0;
}

/* B is asked for the map, being the master of half of the slots. */
static void hear_old_news(void *arg)
{
    (void)arg;
    static const char halves[] = "*2\r\n" RANGE("0", "8000", ":B") RANGE("8001", "16383", ":A");
    nodes[0].slots = halves;
    nodes[1].slots = all_at_b;
    nodes[1].epoch = 4;
    client = new_client(300);
    cr_assert(redis_client_wait_ready(client, READY_MS));
    int64_t end_ms = loop_now_ms() + 1000;
    for (int i = 0; loop_now_ms() < end_ms; i++) {
        redis_cluster_refresh(client->cluster);
        loop_park(20);
        cr_assert_eq(owner_port(), nodes[0].port, "an older map was believed");
    }
    nodes[1].epoch = 6;
    end_ms = loop_now_ms() + READY_MS;
    while (owner_port() != nodes[1].port && loop_now_ms() < end_ms) {
        redis_cluster_refresh(client->cluster);
        loop_park(20);
    }
    cr_expect_eq(owner_port(), nodes[1].port, "a newer one was not");
    redis_client_free(client);
}

Test(redis_cluster_lies, an_older_map_is_not_believed_and_a_newer_one_is)
{
    start_nodes();
    run_scenario(hear_old_news);
    stop_nodes();
}

/* Everybody says that it takes nothing (as all do while one master is away, unless cluster-require-full-coverage is
 * no). */
static void wait_until_it_is_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < NODES; i++)
        nodes[i].state = "fail";
    client = new_client(2000);
    cr_expect_not(redis_client_wait_ready(client, 300));
    cr_expect_eq(redis_client_counts(client)->unserved_slots, REDIS_SLOTS);
    cr_expect_not_null(strstr(redis_client_failure(client), "cluster_state:fail"), "%s", redis_client_failure(client));
    for (int i = 0; i < NODES; i++)
        nodes[i].state = "ok";
    cr_expect(redis_client_wait_ready(client, READY_MS));
    cr_expect_eq(redis_client_counts(client)->unserved_slots, 0);
    redis_client_free(client);
}

Test(redis_cluster_lies, a_cluster_that_takes_no_commands_is_not_ready)
{
    start_nodes();
    run_scenario(wait_until_it_is_up);
    stop_nodes();
}

/* Where a node has moved to is no cluster. */
static void be_sent_to_a_stranger(void *arg)
{
    (void)arg;
    bool was_sent;
    nodes[1].hello = "*4\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n";
    nodes[1].slots = "*1\r\n" RANGE_OF("dead", "0", "16383", ":B");
    nodes[1].epoch = 99;
    nodes[0].answers[0] = "-MOVED 15495 127.0.0.1:B\r\n";
    client = new_client(2000);
    cr_assert(redis_client_wait_ready(client, READY_MS));
    cr_expect_eq(set(&was_sent), MID_UNAVAILABLE);
    cr_expect_eq(client->cluster->owners[0]->address.port, nodes[0].port, "its map was believed");
    cr_expect_eq(nodes[1].asked, 0, "it was sent what belongs to the cluster");
    redis_client_free(client);
}

Test(redis_cluster_lies, a_redis_that_is_of_no_cluster_is_sent_nothing)
{
    start_nodes();
    run_scenario(be_sent_to_a_stranger);
    stop_nodes();
}
