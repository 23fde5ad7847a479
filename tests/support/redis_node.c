/* Redis servers and Sentinels that a test starts itself. See redis_node.h. */
#include "redis_node.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"
#include "owned.h"
#include "process.h"
#include "redis.h"

/* The socket stays, so that neither another test nor the kernel, for a connection, takes the port before a server does:
 * that can bind to it all the same, as both have SO_REUSEADDR and ours does not listen. It is set behind our own
 * bind(), which so fails at a port that another test has. */
int redis_node_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(any);
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ENSURE(bind(fd, (struct sockaddr *)&any, size) == 0 && getsockname(fd, (struct sockaddr *)&any, &size) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0);
    return ntohs(any.sin_port);
}

pid_t redis_node_start(const char *directory, int port, int master_port)
{
    char port_text[8], dump[32], log[32], master[32];
    snprintf(port_text, sizeof(port_text), "%d", port);
    snprintf(dump, sizeof(dump), "node-%d.rdb", port);
    snprintf(log, sizeof(log), "node-%d.log", port);
    snprintf(master, sizeof(master), "127.0.0.1 %d", master_port);
    const char *argv[] = {"setpriv",
                          "--pdeathsig",
                          "KILL",
                          "redis-server",
                          "--port",
                          port_text,
                          "--bind",
                          "127.0.0.1",
                          "--save",
                          "",
                          "--dir",
                          directory,
                          "--dbfilename",
                          dump,
                          "--logfile",
                          log,
                          "--repl-diskless-sync-delay",
                          "0",
                          master_port != 0 ? "--replicaof" : NULL,
                          master,
                          NULL};
    return process_spawn(argv, NULL);
}

bool redis_node_says(int port, const char *command, const char *const words[])
{
    struct redis_probe *probe = redis_probe_open_port(port);
    if (probe == NULL)
        return false;
    OWNED char *text = redis_text(probe, command);
    bool says_all = true;
    for (; *words != NULL; words++)
        says_all = says_all && strstr(text, *words) != NULL;
    redis_probe_close(probe);
    return says_all;
}

bool redis_node_is_in_step(void *port)
{
    return redis_node_says(*(int *)port, "INFO replication", (const char *const[]){"master_link_status:up", NULL});
}

pid_t redis_sentinel_start(const char *directory, int port, int master_port, int down_after_ms, const char *more)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/sentinel-%d.conf", directory, port);
    bool is_by_tls = strstr(more, "tls-") != NULL;
    FILE *file = fopen(path, "we");
    ENSURE(file != NULL);
    fprintf(file,
            "%s %d\nbind 127.0.0.1\ndir %s\nlogfile sentinel-%d.log\n%s"
            "sentinel monitor ours 127.0.0.1 %d 2\nsentinel down-after-milliseconds ours %d\n"
            "sentinel failover-timeout ours 5000\n",
            is_by_tls ? "tls-port" : "port", port, directory, port, more, master_port, down_after_ms);
    fclose(file);
    return process_spawn(
        (const char *const[]){"setpriv", "--pdeathsig", "KILL", "redis-server", path, "--sentinel", NULL}, NULL);
}

/* It has asked the replica for its INFO: before that, it would not promote it. */
static bool has_replica(int port)
{
    struct redis_probe *probe = redis_probe_open_port(port);
    if (probe == NULL)
        return false;
    struct redis_texts texts = redis_texts(probe, "SENTINEL REPLICAS ours");
    bool is_linked = false;
    for (size_t i = 0; i + 1 < texts.count; i++)
        is_linked = is_linked || (texts.items[i] != NULL && strcmp(texts.items[i], "master-link-status") == 0 &&
                                  strcmp(texts.items[i + 1], "ok") == 0);
    redis_texts_fini(&texts);
    redis_probe_close(probe);
    return is_linked;
}

bool redis_sentinel_knows_all(void *port)
{
    return redis_node_says(*(int *)port, "INFO sentinel", (const char *const[]){"status=ok", "sentinels=3", NULL}) &&
           has_replica(*(int *)port);
}

int redis_sentinel_master(int port)
{
    struct redis_probe *probe = redis_probe_open_port(port);
    if (probe == NULL)
        return 0;
    struct redis_texts address = redis_texts(probe, "SENTINEL GET-MASTER-ADDR-BY-NAME ours");
    int master = address.count == 2 ? (int)strtol(address.items[1], NULL, 10) : 0;
    redis_texts_fini(&address);
    redis_probe_close(probe);
    return master;
}
