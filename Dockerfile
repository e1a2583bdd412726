# syntax=docker/dockerfile:1
#
# Sidegate as an image: one binary, no shell, no package manager, not root.
#
#   docker build --tag sidegate .
#   docker run --volume "$PWD/config:/etc/sidegate:ro" sidegate check --config /etc/sidegate/sidegate.yaml
#
# The configuration is mounted, and is /etc/sidegate/sidegate.yaml unless the arguments say otherwise.
# In a container `listen` must be 0.0.0.0:8080; config/compose/sidegate.yaml is an example.

FROM rust:1.95-bookworm AS build

RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY config config
COPY loadtest loadtest
COPY migrations migrations
COPY policy policy
COPY proxy proxy

# Dependencies stay in the cache mounts from one build to the next. The cache outlives the sources, and
# cargo compares times: touched, sources that are older than the last build are not passed over. The
# cache is no part of the image, so the binary is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    find config loadtest migrations policy proxy -type f -exec touch {} + \
    && cargo build --release --locked -p sidegate --bin sidegate \
    && cp target/release/sidegate /usr/local/bin/sidegate

# The same Debian as above, cut down to libc, libgcc and the certificates of public authorities (key
# sets are fetched over https).
FROM gcr.io/distroless/cc-debian12

COPY --from=build /usr/local/bin/sidegate /usr/local/bin/sidegate

# The image's `nonroot`, as a number: Kubernetes' runAsNonRoot cannot read names.
USER 65532:65532

# No HEALTHCHECK: it would need a program that speaks HTTP. Let the orchestrator ask for /livez and
# /readyz on the admin port.
EXPOSE 8080 9901

ENTRYPOINT ["/usr/local/bin/sidegate"]
CMD ["run", "--config", "/etc/sidegate/sidegate.yaml"]
