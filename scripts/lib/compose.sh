# Docker Compose in either of its forms, and what the scripts ask of its containers.
# shellcheck shell=bash

# shellcheck disable=SC2034  # for whoever sources this file
readonly HEALTHY_SECONDS=90

# compose ARGUMENTS...: Compose v2 where the docker client has it, else docker-compose. COMPOSE=docker-compose chooses.
compose() {
    if [[ -z ${COMPOSE:-} ]]; then
        COMPOSE='docker compose'
        docker compose version >/dev/null 2>&1 || COMPOSE=docker-compose
    fi
    # Two words.
    # shellcheck disable=SC2086
    (cd "$ROOT" && $COMPOSE "$@" </dev/null)
}

# containers_of SERVICE: prints the identifiers of those that run.
containers_of() {
    local container
    for container in $(compose ps -q "$1"); do
        [[ $(docker inspect --format '{{.State.Running}}' "$container") != true ]] || printf '%s\n' "$container"
    done
}

# redis_containers: prints those of Redis that run; several with the profiles `sentinel` and `cluster`.
redis_containers() {
    local service
    for service in $(compose ps --services | grep -E '^redis(-[0-9]+)?$'); do
        containers_of "$service"
    done
}

# are_healthy CONTAINER...
are_healthy() {
    local health
    (($# > 0)) || return 1
    for health in $(docker inspect --format '{{.State.Health.Status}}' "$@"); do
        [[ $health == healthy ]] || return 1
    done
}

# address_in CONTAINER NETWORK: prints the container's address in that network of the project.
address_in() {
    docker inspect --format '{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{$network.IPAddress}}{{"\n"}}{{end}}' "$1" |
        awk -v suffix="_$2" 'substr($1, length($1) - length(suffix) + 1) == suffix {print $2}'
}
