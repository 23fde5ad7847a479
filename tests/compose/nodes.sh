# Checks of tests/compose/run: several Redis, with Sentinels or as a cluster (compose/nodes.yml).
# shellcheck shell=bash disable=SC2034,SC2154  # what run reads, and what it has set

readonly FAILOVER_SECONDS=40
readonly VISITORS=40

# use_profile NAME URL SERVICE...: as .env would say it.
use_profile() {
    export COMPOSE_FILE=docker-compose.yml:compose/nodes.yml COMPOSE_PROFILES=$1 MIDSTREAM_REDIS=$2
    export MIDSTREAM_COMMIT_DURABILITY=replica APP_CONTAINERS=2
    SERVICES=("${@:3}" app work nginx)
}

use_sentinels() {
    use_profile sentinel redis+sentinel://sentinel-1,sentinel-2,sentinel-3/midstream redis redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3
}

use_cluster() {
    use_profile cluster redis+cluster://redis,redis-2,redis-3,redis-4,redis-5,redis-6 redis redis-2 redis-3 redis-4 redis-5 redis-6 redis-cluster
}

# begin_anew: without any data.
begin_anew() {
    # Compose v2 would leave what other profiles have started.
    COMPOSE_PROFILES=sentinel,cluster quietly compose down --volumes --remove-orphans
    up
    docker exec "$(first_of nginx)" cat /secrets/tls/fullchain.pem >"$DIR/certificate.pem"
    rm -f "$DIR"/visitor*
    wait_until "$READY_SECONDS" app_answers || fail 'it does not answer'
    visitors_come
}

# visit NUMBER: prints the visitor's counter.
visit() {
    ask -b "$DIR/visitor.$1" -c "$DIR/visitor.$1" "$url/counter" 2>/dev/null | sed -n 's/.*"counter":\([0-9]*\).*/\1/p'
}

visitors_come() {
    local number
    for ((number = 0; number < VISITORS; number++)); do
        visit "$number" >"$DIR/visitor.$number.count"
        [[ $(<"$DIR/visitor.$number.count") == 1 ]] || fail "a new visitor's counter is \"$(<"$DIR/visitor.$number.count")\""
    done
}

# visitors_are_kept: each has more than before, so nobody has a new session.
visitors_are_kept() {
    local number count
    for ((number = 0; number < VISITORS; number++)); do
        count=$(visit "$number")
        ((count > $(<"$DIR/visitor.$number.count"))) || return 1
        printf '%s\n' "$count" >"$DIR/visitor.$number.count"
    done
}

# facts_of SERVICE: prints what a Redis says of its role.
facts_of() {
    docker exec "$(first_of "$1")" redis-operator info replication 2>/dev/null
}

is_master() {
    [[ $(facts_of "$1") == *role:master* ]]
}

# is_replica SERVICE: and has all that its master has.
is_replica() {
    local facts
    facts=$(facts_of "$1")
    [[ $facts == *role:slave* && $facts == *master_link_status:up* ]]
}

# are_replicas SERVICE...
are_replicas() {
    local service
    for service; do
        is_replica "$service" || return 1
    done
}

# kill_one SERVICE: Docker does not start again what was killed by name.
kill_one() {
    docker kill "$(first_of "$1")" >/dev/null
}

# start_one SERVICE: and returns when it is a replica.
start_one() {
    quietly compose start "$1"
    wait_until "$FAILOVER_SECONDS" is_replica "$1" || fail "$1 does not become a replica: $(facts_of "$1")"
}

load_has_lost_nothing() {
    ! grep -q 'became' "$DIR/load" || fail "a committed change was lost: $(<"$DIR/load")"
    (($(load_count requests) > $(load_count failed))) || fail 'no request was answered'
}

# Two replicas: the one that is left confirms.
check_with_sentinels_a_redis_that_is_lost_is_replaced() {
    local began
    use_sentinels
    begin_anew
    rights_are_few
    wait_until "$FAILOVER_SECONDS" are_replicas redis-2 redis-3 || fail 'there are no replicas'
    load_begin --rate 50 --may-repeat
    kill_one redis
    began=$(now_ms)
    wait_until "$FAILOVER_SECONDS" visitors_are_kept || fail 'not all visitors have their sessions'
    note "all visitors were answered after $(($(now_ms) - began)) ms, with another master, and one replica"
    load_end 'the master was killed'
    load_has_lost_nothing
    start_one redis
}

check_with_sentinels_down_and_up_keep_master_and_sessions() {
    local master
    use_sentinels
    master=redis-2
    is_master "$master" || master=redis-3
    is_master "$master" || fail 'there is no master'
    quietly compose down
    up
    wait_until "$READY_SECONDS" visitors_are_kept || fail 'not all visitors have their sessions'
    wait_until "$READY_SECONDS" is_master "$master" || fail "$master was the master, and is not"
    wait_until "$FAILOVER_SECONDS" is_replica redis || fail 'the first Redis is no replica'
}

# Two that it would make the master: of each it says `slave`, as flags and as reported, and that the link is `ok`.
sentinel_has_replicas() {
    local facts
    facts=$(docker exec "$(first_of sentinel-1)" redis-operator -p 26379 sentinel replicas midstream) || return 1
    [[ $(grep -cx slave <<<"$facts") == 4 && $(grep -cx ok <<<"$facts") == 2 ]]
}

check_sentinels_do_what_the_operator_says_and_nobody_else() {
    local answer master
    use_sentinels
    answer=$(docker exec "$(first_of sentinel-1)" redis-cli -p 26379 sentinel failover midstream 2>&1)
    [[ $answer == *NOPERM* ]] || fail "without a user: $answer"
    master=redis-2
    is_master "$master" || master=redis-3
    wait_until "$FAILOVER_SECONDS" sentinel_has_replicas || fail 'there are not two replicas'
    answer=$(docker exec "$(first_of sentinel-1)" redis-operator -p 26379 sentinel failover midstream 2>&1)
    [[ $answer == OK ]] || fail "the operator: $answer"
    wait_until "$FAILOVER_SECONDS" is_replica "$master" || fail "$master remains the master"
    wait_until "$FAILOVER_SECONDS" visitors_are_kept || fail 'not all visitors have their sessions'
}

cluster_serves() {
    docker exec "$(first_of redis-cluster)" cluster-start --check redis-2 redis-3
}

# The first node counts as failed, and has no slots any more: those would stand behind the eight fields of its line.
first_is_replaced() {
    docker exec "$(first_of redis-2)" redis-operator cluster nodes |
        awk -v first="${STORE_SUBNET:-10.213.77}.11:" 'index($2, first) == 1 && $3 ~ /fail/ && NF == 8 {found = 1} END {exit !found}'
}

# A master whose only replica has become the master has none until it is back, as its replica.
check_in_a_cluster_a_master_that_is_lost_is_replaced() {
    local service began
    use_cluster
    begin_anew
    rights_are_few
    for service in redis redis-2 redis-3; do
        (($(docker exec "$(first_of "$service")" redis-operator dbsize) > 0)) || fail "$service has no session"
    done
    load_begin --rate 50 --may-repeat
    kill_one redis
    began=$(now_ms)
    wait_until "$FAILOVER_SECONDS" first_is_replaced || fail 'it is not replaced'
    wait_until "$READY_SECONDS" cluster_serves || fail 'not all slots are served'
    note "another master after $(($(now_ms) - began)) ms"
    start_one redis
    wait_until "$FAILOVER_SECONDS" visitors_are_kept || fail 'not all visitors have their sessions'
    load_end 'a master was killed'
    load_has_lost_nothing
}

check_a_cluster_that_was_down_keeps_the_sessions() {
    use_cluster
    quietly compose down
    up
    wait_until "$READY_SECONDS" visitors_are_kept || fail 'not all visitors have their sessions'
}

check_in_a_cluster_an_upgrade_reaches_every_node() {
    local password service answer
    use_cluster
    password=$(docker exec "$(first_of app)" cat /secrets/app/redis-password)
    [[ $(redis_says midstream "$password" role) == *NOPERM* ]] || fail 'the app may use ROLE before'
    next_version three
    next_init role
    quietly "$ROOT/scripts/compose-upgrade"
    for service in redis redis-5; do
        answer=$(docker exec -e "REDISCLI_AUTH=$password" "$(first_of "$service")" redis-cli --no-auth-warning --user midstream role 2>&1)
        [[ $answer == master* || $answer == slave* ]] || fail "$service has not taken the users of the new version: $answer"
    done
    ! "$ROOT/scripts/compose-backup" save "$DIR/none" >"$DIR/backup.log" 2>&1 || fail 'one node is taken for all'
    grep -q 'more than one Redis' "$DIR/backup.log" || fail "$(<"$DIR/backup.log")"
    visitors_are_kept || fail 'not all visitors have their sessions'
}
