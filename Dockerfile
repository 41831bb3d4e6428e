# The server in an image of its own:
#
#   docker build -t meridian .
#   docker run --rm -p 5300:53/udp -p 5300:53/tcp meridian
#
# It serves the project's example configuration; mount your own over /etc/meridian (see
# docker-compose.yml). Both builders read this file: nothing in it needs BuildKit.

ARG BUILDER_IMAGE=rust:1.95-slim-trixie
ARG RUNTIME_IMAGE=debian:trixie-slim

# Everything but the program. It comes first so that a binary that was built elsewhere can be
# laid on it (`--target runtime`) without starting a compiler.
FROM ${RUNTIME_IMAGE} AS runtime
RUN groupadd --system --gid 953 meridian \
 && useradd --system --uid 953 --gid meridian --home-dir /var/lib/meridian --no-create-home \
      --shell /usr/sbin/nologin meridian \
 && install -d -o meridian -g meridian -m 0750 /var/lib/meridian
COPY config /etc/meridian/config
COPY zones /etc/meridian/zones
COPY geoip /etc/meridian/geoip
# The example configuration keeps its state beside itself.
RUN ln -s /var/lib/meridian /etc/meridian/config/state
WORKDIR /etc/meridian
USER meridian
EXPOSE 53/udp 53/tcp
ENTRYPOINT ["meridian"]
CMD ["serve", "--config", "/etc/meridian/config/meridian.toml", "--listen", "0.0.0.0:53"]

FROM ${BUILDER_IMAGE} AS build
WORKDIR /src
# The dependencies first, around an empty program: this layer lasts until the lock file changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo 'fn main() {}' | tee src/main.rs build.rs > /dev/null \
 && touch src/lib.rs \
 && cargo build --release --locked --bin meridian
COPY build.rs ./
COPY geoip geoip
COPY src src
# Files of the build context may be older than the empty program; cargo goes by their times.
RUN touch build.rs src/lib.rs src/main.rs \
 && cargo build --release --locked --bin meridian

FROM runtime
# The authorities that HTTPS checks trust.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/meridian /usr/local/bin/meridian
