# The images of docker-compose.yml, all on one Debian, by target: app (the last, and so the default), nginx, redis, init.
#
# Where no registry can be reached, name another base: --build-arg BUILD_BASE=... --build-arg RUN_BASE=...; any Debian 12
# or 13 will do. Needs nothing of BuildKit.
#
# What is installed is slimmed (compose/slim), and copied into an image of its own, in one layer.

ARG BUILD_BASE=debian:13-slim
ARG RUN_BASE=debian:13-slim
ARG VERSION=0.1.0

# -------------------- what all have --------------------

FROM ${RUN_BASE} AS base
# One user, the same in every container: what a container may see is decided by what is mounted into it. A volume takes
# owner and mode from the directory of the image it is first mounted on.
RUN groupadd --gid 10001 midstream \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin midstream \
    && install -d -o midstream -g midstream -m 0700 /data /secrets/app /secrets/redis /secrets/tls
WORKDIR /

# -------------------- Redis --------------------

FROM base AS redis-whole
RUN apt-get update \
    && apt-get install -y --no-install-recommends redis-server \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /etc/redis
COPY scripts/redis.conf /usr/share/midstream/scripts/redis.conf
COPY compose/redis-start compose/redis-users compose/redis-operator compose/redis-restore compose/sentinel-start \
    compose/cluster-start /usr/share/midstream/compose/
COPY compose/slim /slim
RUN /slim

FROM scratch AS redis
COPY --from=redis-whole / /
ARG VERSION
LABEL org.opencontainers.image.title="midstream-redis" \
      org.opencontainers.image.description="Sessions and tasks of Midstream" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/usr/share/midstream/compose:/usr/sbin:/usr/bin
USER 10001:10001
VOLUME /data
EXPOSE 6379
CMD ["redis-start"]
# Says LOADING, and not PONG, while it reads its data.
HEALTHCHECK --interval=5s --timeout=3s --retries=5 --start-period=10s \
    CMD [ "$(redis-cli --user health --pass - --no-auth-warning ping)" = PONG ]

# -------------------- nginx --------------------

FROM base AS nginx-whole
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /etc/nginx/sites-enabled /var/www/html
COPY scripts/lib/common.sh scripts/lib/nginx.sh /usr/share/midstream/scripts/lib/
COPY nginx /usr/share/midstream/nginx
COPY compose/nginx /usr/share/midstream/compose/nginx
COPY compose/nginx-start compose/healthy /usr/share/midstream/compose/
COPY app/web /usr/share/midstream/app/web
COPY app/routes /usr/share/midstream/app/routes
COPY compose/slim /slim
RUN /slim

FROM scratch AS nginx
COPY --from=nginx-whole / /
ARG VERSION
LABEL org.opencontainers.image.title="midstream-nginx" \
      org.opencontainers.image.description="nginx in front of Midstream" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/usr/share/midstream/compose:/usr/sbin:/usr/bin
USER 10001:10001
EXPOSE 8080 8443
# Streams may end; SIGTERM would cut them.
STOPSIGNAL SIGQUIT
CMD ["/usr/share/midstream/compose/nginx-start"]
# nginx itself. Whether the application answers is the app container's own check: an nginx without it is still what serves
# the page and says 502.
HEALTHCHECK --interval=5s --timeout=5s --retries=3 --start-period=10s \
    CMD ["/usr/share/midstream/compose/healthy", "8081", "/"]

# -------------------- Prometheus, of the profile `metrics` --------------------

FROM base AS prometheus-whole
RUN apt-get update \
    && apt-get install -y --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /etc/prometheus
COPY compose/prometheus /usr/share/midstream/compose/prometheus
COPY compose/slim /slim
RUN /slim

FROM scratch AS prometheus
COPY --from=prometheus-whole / /
ARG VERSION
LABEL org.opencontainers.image.title="midstream-prometheus" \
      org.opencontainers.image.description="Prometheus with the alert rules of Midstream" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/usr/share/midstream/compose:/usr/sbin:/usr/bin
USER 10001:10001
VOLUME /data
EXPOSE 9090
ENTRYPOINT ["prometheus", "--config.file=/usr/share/midstream/compose/prometheus/prometheus.yml", \
            "--storage.tsdb.path=/data", "--web.listen-address=:9090"]

# -------------------- the program --------------------

FROM ${BUILD_BASE} AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make pkg-config libfcgi-dev libhiredis-dev libsodium-dev \
        libuv1-dev libjansson-dev libssl-dev ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
WORKDIR /src
COPY Makefile ./
COPY tests/tests.mk ./tests/
COPY app ./app
RUN make -s -j"$(nproc)" build/release/midstream && strip build/release/midstream
# The packages of the libraries it is linked with: their names differ between Debian 12 and 13.
RUN ldd build/release/midstream | awk '$3 ~ /^\// {print $3}' | while read -r library; do \
        path=$(realpath "$library"); \
        dpkg-query --search "$path" "/usr$path" "${path#/usr}" 2>/dev/null | cut -d : -f 1; \
    done | sort -u >build/release/packages

# What an application is built with (examples/Dockerfile).
FROM build AS develop
COPY docs/midstream.8 docs/midstream-settings.5 docs/midstream.h.3 docs/midstream-run.1 ./docs/
COPY docs/systemd ./docs/systemd
COPY nginx ./nginx
COPY scripts/run scripts/redis.conf ./scripts/
COPY scripts/lib ./scripts/lib
RUN make -s -j"$(nproc)" install PREFIX=/usr

FROM base AS program
COPY --from=build /src/build/release/packages /usr/share/midstream/packages
RUN apt-get update \
    && xargs apt-get install -y --no-install-recommends </usr/share/midstream/packages \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /src/build/release/midstream /usr/bin/midstream

# -------------------- the secrets --------------------

FROM program AS init-whole
RUN apt-get update \
    && apt-get install -y --no-install-recommends openssl \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY scripts/lib/common.sh /usr/share/midstream/scripts/lib/
COPY scripts/make-certificate /usr/share/midstream/scripts/
COPY compose/init compose/users.acl /usr/share/midstream/compose/
COPY compose/slim /slim
RUN /slim

FROM scratch AS init
COPY --from=init-whole / /
ARG VERSION
LABEL org.opencontainers.image.title="midstream-init" \
      org.opencontainers.image.description="Makes what is secret in Midstream" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/usr/share/midstream/compose:/usr/sbin:/usr/bin
USER 10001:10001
ENTRYPOINT ["/usr/share/midstream/compose/init"]

# -------------------- the workers, of requests and of tasks --------------------

FROM program AS app-whole
# What OpenSSL trusts by default, for a Redis with TLS (rediss://).
COPY --from=build /etc/ssl/certs/ca-certificates.crt /usr/lib/ssl/cert.pem
COPY compose/healthy /usr/share/midstream/compose/
COPY compose/slim /slim
RUN /slim

FROM scratch AS app
COPY --from=app-whole / /
ARG VERSION
LABEL org.opencontainers.image.title="midstream-app" \
      org.opencontainers.image.description="The workers of Midstream, of requests and of tasks" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="MIT"
ENV PATH=/usr/share/midstream/compose:/usr/sbin:/usr/bin
USER 10001:10001
# A port for each worker, so that nginx shares connections out evenly (docs/adr/0007-a-socket-for-each-worker.md).
ENV MIDSTREAM_LISTEN=:900% \
    MIDSTREAM_WORKERS=2 \
    MIDSTREAM_ADMIN=:9100 \
    MIDSTREAM_LOG_FORMAT=json
EXPOSE 9000-9009 9100
ENTRYPOINT ["midstream"]
# `work`: background tasks.
CMD ["serve"]
# A worker that responds and has Redis. Nothing restarts a container for being unhealthy: routes without a session go on
# without Redis.
HEALTHCHECK --interval=5s --timeout=5s --retries=3 --start-period=10s \
    CMD ["/usr/share/midstream/compose/healthy", "9100", "/ready"]
