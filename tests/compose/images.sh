# shellcheck shell=bash
# The images of docker-compose.yml; sourced by run.sh.
#
# Where a registry can be reached they are built as a user builds them: the Dockerfile from its
# public bases, nginx, HAProxy and BusyBox as published. Elsewhere one base is made of the packages
# of the Debian release this host runs, and takes the place of all public images: the Dockerfile's
# `runtime` stage is built on it, and the program, built by the host's own cargo, is laid on that
# with its database.

# What the public images bring, from Debian: the runtime, the balancers, the servers, the client.
BASE_PACKAGES=ca-certificates,nginx-light,haproxy,busybox,bind9-dnsutils,curl

# Builds every image, and says which way. IMAGES=public or IMAGES=local decides the way beforehand.
build_images() {
  case ${IMAGES:-auto} in
    public) build_public_images ;;
    local) build_local_images ;;
    auto)
      if timeout 60 docker pull --quiet busybox:1.37 > /dev/null 2>&1; then
        build_public_images
      else
        echo "no image registry can be reached"
        build_local_images
      fi
      ;;
    *)
      echo "IMAGES is '$IMAGES'; write public or local" >&2
      return 1
      ;;
  esac
}

build_public_images() {
  echo "images: built by the Dockerfile from its public bases"
  quietly "${compose[@]}" build
}

build_local_images() {
  local debian base binary staged
  debian=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || {
    echo "images cannot be built: no registry, and this host is not Debian to make a base from" >&2
    return 1
  }
  base=meridian-base:$(echo "$debian $(dpkg --print-architecture) $BASE_PACKAGES" \
    | sha256sum | cut -c 1-12)
  if docker image inspect "$base" > /dev/null 2>&1; then
    echo "images: on the base that an earlier run made of Debian $debian packages ($base)"
  else
    echo "images: on a new base of Debian $debian packages ($base)"
    make_base "$debian" "$base" || return
  fi

  binary=${MERIDIAN_BINARY:-}
  if [ -z "$binary" ]; then
    cargo build --locked --bin meridian || return
    binary=${CARGO_TARGET_DIR:-target}/debug/meridian
  fi
  echo "images: with the program $binary"

  build_image meridian-runtime --target runtime --build-arg RUNTIME_IMAGE="$base" . || return
  staged=$(mktemp -d) || return
  install -m 0755 "$binary" "$staged/meridian" &&
    install -m 0644 geoip/dbip-region.mmdb "$staged" &&
    printf '%s\n' 'FROM meridian-runtime' 'COPY meridian /usr/local/bin/meridian' \
      'COPY dbip-region.mmdb /etc/meridian/geoip/' > "$staged/Dockerfile" &&
    build_image meridian "$staged"
  local built=$?
  rm -r "$staged"
  [ "$built" = 0 ] || return
  build_image meridian-client --build-arg BASE_IMAGE="$base" tests/compose/client || return
  # What these replaced.
  quietly docker image prune --force --filter label=meridian-compose-test
  export NGINX_IMAGE=$base HAPROXY_IMAGE=$base BUSYBOX_IMAGE=$base
}

# build_image NAME ARGUMENT…
build_image() {
  quietly docker build --label meridian-compose-test --tag "$@"
}

# make_base RELEASE IMAGE: what `debian:RELEASE-slim` is, and BASE_PACKAGES.
make_base() {
  if ! command -v mmdebstrap > /dev/null; then
    echo "installing mmdebstrap"
    quietly apt-get update && quietly apt-get install -y --no-install-recommends mmdebstrap ||
      return
  fi
  local tree
  tree=$(mktemp) || return
  quietly mmdebstrap --variant=minbase --include="$BASE_PACKAGES" --format=tar \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$1" "$tree" &&
    docker import "$tree" "$2" > /dev/null
  local made=$?
  rm "$tree"
  return "$made"
}

# quietly COMMAND…: shows what the command printed only when it failed.
quietly() {
  local output
  output=$("$@" 2>&1) || {
    printf '%s\n%s\n' "failed: $*" "$output" >&2
    return 1
  }
}
