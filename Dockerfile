# weir in a small image:
#
#     docker build -t weir .
#     docker run -p 8080:8080 -v "$PWD/weir.yaml:/etc/weir/weir.yaml:ro" weir
#
# In a container, listen on 0.0.0.0: `listen: 0.0.0.0:8080`. To be scraped from outside, the admin listener wants a token:
# `admin: { address: "0.0.0.0:9090", token: { env: WEIR_ADMIN_TOKEN } }`.

FROM rust:1-bookworm AS build
# Pingora's zlib-ng is C, built by cmake; the C compiler is in the image already.
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches stay on the build machine; the program is copied out of them, without line tables (20 MB in place of 100).
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin weir \
    && strip --strip-debug -o /usr/local/bin/weir target/release/weir

FROM debian:bookworm-slim
# The roots by which hosted providers' certificates are judged.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 weir \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin weir
COPY --from=build /usr/local/bin/weir /usr/local/bin/weir
USER 10001:10001
EXPOSE 8080 9090
# The admin listener's /healthz, asked by bash itself: the image needs no HTTP client.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["weir"]
CMD ["serve", "--config", "/etc/weir/weir.yaml"]
