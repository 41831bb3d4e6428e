# The server in an image of its own, with nothing else in it: no shell, no package manager.
#
#   docker build -t meridian .
#   docker run --rm --read-only --tmpfs /var/lib/meridian:uid=953 \
#     -p 5300:53/udp -p 5300:53/tcp meridian
#
# It runs as user 953, writes in /var/lib/meridian only, and serves the project's example
# configuration; mount your own over /etc/meridian (see docker-compose.yml, docs/install.md). Checks
# of kind `exec` need their programs: build on this image, or name another RUNTIME_IMAGE. Both
# builders read this file: nothing in it needs BuildKit.

ARG BUILDER_IMAGE=rust:1.95-slim-trixie
ARG RUNTIME_IMAGE=scratch

# Everything but the program and the database. It comes first so that a binary that was built elsewhere can be
# laid on it (`--target runtime`) without starting a compiler.
FROM ${RUNTIME_IMAGE} AS runtime
COPY config /etc/meridian/config
COPY zones /etc/meridian/zones
COPY geoip/README.md geoip/dbip-region.LICENSE.txt /etc/meridian/geoip/
# The example configuration keeps its state beside itself: a link to the directory below.
COPY packaging/container/config /etc/meridian/config
COPY --chown=953:953 packaging/container/state /var/lib/meridian
WORKDIR /etc/meridian
USER 953:953
EXPOSE 53/udp 53/tcp
ENTRYPOINT ["/usr/local/bin/meridian"]
CMD ["serve", "--config", "/etc/meridian/config/meridian.toml", "--listen", "0.0.0.0:53"]

FROM ${BUILDER_IMAGE} AS build
WORKDIR /src
# What the loader adds to addresses takes 1.3 MB less so. The C library that reads it, 2.36 or later, is
# in the image.
ENV RUSTFLAGS="-C link-arg=-Wl,-z,pack-relative-relocs"
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
# What is laid on the runtime: the program, the libraries it is linked with, the database, and the
# authorities that HTTPS checks trust.
COPY packaging/container/collect /collect
RUN /collect target/release/meridian /image

FROM runtime
COPY --from=build /image /
