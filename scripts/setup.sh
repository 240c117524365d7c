# Sourced by the other scripts: where the tree is, and how missing Debian packages get installed.
# Never here: building.
# shellcheck shell=bash disable=SC2034

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root" || exit

# A file is compiled once with the same flags, for whichever build in a folder of build/.
export CCACHE_BASEDIR="$root"

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

quickstart_packages=(g++ cmake ninja-build pkg-config python3 memcached libcli11-dev
                     nlohmann-json3-dev libmsgpack-cxx-dev zlib1g-dev liblz4-dev libzstd-dev
                     libasio-dev)
# What is measured against, and with.
bench_packages=("${quickstart_packages[@]}" ccache valgrind libmemcached-dev python3-venv
                python3-dev)
test_packages=("${bench_packages[@]}" nutcracker libgtest-dev libuv1-dev strace clang-19
               clang-format-19 clang-tidy-19 libclang-rt-19-dev llvm-19 ruby ruby-dalli)
# A newer Go, Java or Maven than Debian's does as well.
command -v go >/dev/null || test_packages+=(golang-go)
command -v javac >/dev/null || test_packages+=(default-jdk-headless)
command -v mvn >/dev/null || test_packages+=(maven)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_missing PACKAGE...: does nothing, and touches no network, when all are there.
install_missing() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  say "Installing ${missing[*]}"
  as_root apt-get update -qq
  # Debian starts a service as soon as memcached or nutcracker is installed. Nobody asked for one
  # here, so a policy forbids it while we install, unless the machine has a policy of its own.
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  local status=0
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || status=$?
  [ -z "$ours" ] || as_root rm -f "$policy"
  return "$status"
}
