/* A Redis Cluster that a test starts itself. See redis_cluster.h. */
#include "support/redis_cluster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/panic.h"
#include "redis/slot.h"
#include "support/owned.h"
#include "support/process.h"
#include "support/redis.h"
#include "support/redis_node.h"

enum { START_MS = 30000, LOOK_MS = 20, CALM_TIMEOUT_MS = 30000 };

const char *redis_cluster_id(int index, char id[static 41])
{
    snprintf(id, 41, "%040d", index + 1);
    return id;
}

/* Redis 7.0 knows no shards, and takes no line that names one. */
static bool are_shards_known(void)
{
    static int answer = -1;
    if (answer < 0)
        answer = system("redis-server --version | grep -q ' v=7\\.0\\.'") != 0;
    return answer == 1;
}

/* A replica is of its master's shard from the beginning: where the nodes find that out among themselves, one that is
 * restarted meanwhile may not understand what it has written (Valkey 8.1.1, valkey-io/valkey#2171). */
static void write_shard(FILE *file, int master)
{
    if (are_shards_known())
        fprintf(file, ",,shard-id=%040d", 100 + master);
}

static void write_line(FILE *file, const struct redis_cluster_nodes *nodes, int index, bool is_myself)
{
    char id[41], master_id[41];
    int master = index % nodes->masters;
    bool is_master = index < nodes->masters;
    int port = nodes->tls_ports[index] != 0 ? nodes->tls_ports[index] : nodes->ports[index];
    fprintf(file, "%s 127.0.0.1:%d@%d", redis_cluster_id(index, id), port, nodes->bus_ports[index]);
    write_shard(file, master);
    fprintf(file, " %s%s %s 0 0 %d connected", is_myself ? "myself," : "", is_master ? "master" : "slave",
            is_master ? "-" : redis_cluster_id(master, master_id), master + 1);
    if (is_master)
        fprintf(file, " %d-%d", master * REDIS_SLOTS / nodes->masters, (master + 1) * REDIS_SLOTS / nodes->masters - 1);
    fputc('\n', file);
}

static void write_nodes(const struct redis_cluster_nodes *nodes, int myself)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/nodes-%d.conf", nodes->directory, myself);
    FILE *file = fopen(path, "we");
    ENSURE(file != NULL);
    for (int i = 0; i < nodes->count; i++)
        write_line(file, nodes, i, i == myself);
    fprintf(file, "vars currentEpoch %d lastVoteEpoch 0\n", nodes->masters);
    fclose(file);
}

static void write_configuration(const struct redis_cluster_nodes *nodes, int index)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/cluster-%d.conf", nodes->directory, index);
    FILE *file = fopen(path, "we");
    ENSURE(file != NULL);
    fprintf(file,
            "port %d\ncluster-port %d\nbind 127.0.0.1\ncluster-enabled yes\ncluster-config-file nodes-%d.conf\n"
            "cluster-node-timeout %d\ncluster-require-full-coverage no\nsave \"\"\ndir %s\nlogfile cluster-%d.log\n"
            "repl-diskless-sync-delay 0\n%s",
            nodes->ports[index], nodes->bus_ports[index], index, nodes->node_timeout_ms, nodes->directory, index,
            nodes->more);
    if (nodes->tls_ports[index] != 0)
        fprintf(file, "tls-port %d\ntls-cluster yes\ntls-replication yes\n", nodes->tls_ports[index]);
    fclose(file);
}

static void spawn(struct redis_cluster_nodes *nodes, int index)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/cluster-%d.conf", nodes->directory, index);
    nodes->pids[index] =
        process_spawn((const char *const[]){"setpriv", "--pdeathsig", "KILL", "redis-server", path, NULL}, NULL);
}

static bool is_up(const struct redis_cluster_nodes *nodes, int index)
{
    int port = nodes->ports[index];
    return redis_node_says(port, "CLUSTER INFO", (const char *const[]){"cluster_state:ok", NULL}) &&
           (index < nodes->masters || redis_node_is_in_step(&port));
}

void redis_cluster_start(struct redis_cluster_nodes *nodes, const struct redis_cluster_options *options)
{
    *nodes = (struct redis_cluster_nodes){.masters = options->masters};
    nodes->count = options->masters * (1 + options->replicas);
    nodes->node_timeout_ms = options->node_timeout_ms != 0 ? options->node_timeout_ms : CALM_TIMEOUT_MS;
    ENSURE(nodes->count <= CLUSTER_NODES_MAX);
    snprintf(nodes->directory, sizeof(nodes->directory), "%s", options->directory);
    snprintf(nodes->more, sizeof(nodes->more), "%s", options->more != NULL ? options->more : "");
    for (int i = 0; i < nodes->count; i++) {
        nodes->ports[i] = redis_node_port();
        nodes->bus_ports[i] = redis_node_port();
        nodes->tls_ports[i] = options->has_tls ? redis_node_port() : 0;
    }
    snprintf(nodes->url, sizeof(nodes->url), "redis+cluster://127.0.0.1:%d,127.0.0.1:%d", nodes->ports[0],
             nodes->ports[nodes->count - 1]);
    for (int i = 0; i < nodes->count; i++) {
        write_nodes(nodes, i);
        write_configuration(nodes, i);
        spawn(nodes, i);
    }
    int64_t waited_ms = 0;
    for (int i = 0; i < nodes->count; waited_ms += LOOK_MS) {
        if (is_up(nodes, i))
            i++;
        else
            usleep(LOOK_MS * 1000);
        if (waited_ms > START_MS)
            panic("node %d of the cluster in %s does not serve", i, nodes->directory);
    }
}

void redis_cluster_restart(struct redis_cluster_nodes *nodes, int index)
{
    spawn(nodes, index);
}

void redis_cluster_replace(struct redis_cluster_nodes *nodes, int index)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/nodes-%d.conf", nodes->directory, index);
    ENSURE(unlink(path) == 0);
    spawn(nodes, index);
    while (!redis_node_says(nodes->ports[index], "PING", (const char *const[]){"PONG", NULL}))
        usleep(LOOK_MS * 1000);
}

bool redis_cluster_says(void *wish)
{
    const struct redis_cluster_wish *wanted = wish;
    return redis_node_says(wanted->nodes->ports[wanted->index], "CLUSTER NODES",
                           (const char *const[]){wanted->words, NULL});
}

void redis_cluster_kill(struct redis_cluster_nodes *nodes, int index)
{
    process_signal(nodes->pids[index], SIGKILL);
    ENSURE(process_wait(nodes->pids[index], START_MS) >= 0);
    nodes->pids[index] = 0;
}

void redis_cluster_stop(struct redis_cluster_nodes *nodes)
{
    for (int i = 0; i < nodes->count; i++)
        if (nodes->pids[i] != 0)
            redis_cluster_kill(nodes, i);
}

int redis_cluster_master_of(const struct redis_cluster_nodes *nodes, int asked, int slot)
{
    struct redis_probe *probe = redis_probe_open_port(nodes->ports[asked]);
    if (probe == NULL)
        return -1;
    int found = -1;
    OWNED char *text = redis_text(probe, "CLUSTER NODES");
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        int port = 0, first, last;
        sscanf(line, "%*s %*[^:]:%d", &port);
        char *ranges = strstr(line, " connected ");
        ranges = ranges != NULL ? ranges + strlen(" connected ") : NULL;
        for (char *range; ranges != NULL && (range = strsep(&ranges, " ")) != NULL;) {
            int count = sscanf(range, "%d-%d", &first, &last);
            if (count >= 1 && slot >= first && slot <= (count == 2 ? last : first))
                for (int i = 0; i < nodes->count; i++)
                    if (nodes->ports[i] == port)
                        found = i;
        }
    }
    redis_probe_close(probe);
    return found;
}
