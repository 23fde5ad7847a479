# Puts the values into the templates of nginx/, which nginx.conf describes.
# shellcheck shell=bash

# nginx_render FROM TO NAME=VALUE...: copies the templates of one directory to another.
nginx_render() {
    local from=$1 to=$2 file text pair
    shift 2
    mkdir -p "$to"
    for file in "$from"/*; do
        [[ -f $file ]] || continue
        text=$(<"$file")
        for pair; do
            text=${text//"@${pair%%=*}@"/"${pair#*=}"}
        done
        printf '%s\n' "$text" >"$to/${file##*/}"
    done
}

# nginx_hsts: prints what Strict-Transport-Security says under TLS. HSTS_SUBDOMAINS, yes or no, includes all hosts below.
nginx_hsts() {
    case ${HSTS_SUBDOMAINS:-no} in
        yes) printf 'max-age=31536000; includeSubDomains' ;;
        no) printf 'max-age=31536000' ;;
        *) die "HSTS_SUBDOMAINS is \"$HSTS_SUBDOMAINS\"; it has to be yes or no" ;;
    esac
}

# nginx_listen_h2 ADDRESS:PORT: prints the listener of HTTP/2 without TLS, as the installed nginx spells it.
nginx_listen_h2() {
    local version options='backlog=4096 sndbuf=128k'
    version=$(nginx -v 2>&1)
    version=${version##*/}
    version=${version%% *}
    if printf '%s\n' 1.25.1 "$version" | sort -CV; then
        printf 'listen %s %s; http2 on;\n' "$1" "$options"
    else
        printf 'listen %s %s http2;\n' "$1" "$options"
    fi
}
