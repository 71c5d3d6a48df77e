#!/bin/sh
# Installs what building and running Tributary needs on Debian and Ubuntu, and only what is missing: as root it uses
# apt, otherwise it prints the command to type. Fast and silent when everything is there. Then: `tributary doctor`.
#
#   setup.sh [nginx] [chromium]   these too: nginx for `make bench-edge`, a browser for the tests
set -eu

missing=""

need() { # need PACKAGE TEST...: the package is missing when the test fails
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}

has_libclang() {
  for file in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*-linux-gnu/libclang*.so* "${LIBCLANG_PATH:-/none}"/libclang*.so*; do
    [ -e "$file" ] && return 0
  done
  return 1
}

has_zlib() {
  [ -e /usr/include/zlib.h ]
}

# Kafka needs Java 17 or newer. The version is the first number, except in the old spelling 1.8.
has_java() {
  java=java
  [ -z "${JAVA_HOME:-}" ] || java=$JAVA_HOME/bin/java
  major=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${major:-0}" -ge 17 ]
}

# Debian 13 (trixie) has no Java 17, but a newer one.
jdk=openjdk-17-jdk-headless
if [ "$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")" = trixie ]; then
  jdk=default-jdk-headless
fi

# /usr/sbin is not on everybody's path.
PATH=$PATH:/usr/sbin

has_browser() {
  command -v chromium || command -v chromium-browser || command -v google-chrome
}

# Ubuntu's own chromium is a snap, which needs a running snapd.
has_no_chromium_package() {
  [ "$(. /etc/os-release 2>/dev/null && echo "${ID:-}")" = ubuntu ]
}

for extra in "$@"; do
  case $extra in
  nginx) need nginx-light command -v nginx ;;
  chromium)
    if ! has_browser >/dev/null && has_no_chromium_package; then
      echo "no browser: install google-chrome, or chromium by 'snap install chromium'; the tests click links in it" >&2
      exit 1
    fi
    need chromium has_browser
    ;;
  *)
    echo "error: setup.sh knows nginx and chromium, not $extra" >&2
    exit 2
    ;;
  esac
done

need clang command -v clang
need libclang-dev has_libclang
need cmake command -v cmake
need make command -v make
need g++ command -v g++
need zlib1g-dev has_zlib
need pkg-config command -v pkg-config
need "$jdk" has_java
need maven command -v mvn
need nodejs command -v node
need npm command -v npm
need curl command -v curl

if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing (by their Debian names):$missing" >&2
    echo "this is neither Debian nor Ubuntu: install them with your package manager" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing:$missing" >&2
    echo "type: sudo apt-get update && sudo apt-get install --yes --no-install-recommends$missing" >&2
    exit 1
  fi
  echo "installing:$missing"
  apt-get update
  # Unquoted on purpose: a list of words.
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $missing
  case $missing in
  *nginx*)
    # The package starts a server of its own on port 80, which nobody asked for.
    if command -v systemctl >/dev/null 2>&1; then systemctl disable --now nginx >/dev/null 2>&1 || true; fi
    ;;
  esac
fi

if ! command -v cargo >/dev/null 2>&1; then
  echo "cargo is missing: install Rust with rustup; rust-toolchain.toml chooses the version" >&2
  exit 1
fi
