# Sourced by scripts/bench and scripts/bench-cost: builds what they measure.
# shellcheck shell=bash
# shellcheck source=scripts/setup.sh
. "$(dirname "$0")/setup.sh"

build_bench() {
  install_missing "${bench_packages[@]}"
  say "Building" >&2
  cmake --preset bench -Wno-dev >/dev/null
  cmake --build --preset bench >&2
}

# The Python clients, and memcxx's own package, in an environment of their own.
build_python() {
  local venv=build/bench/venv wanted=bench/requirements.txt
  if ! cmp -s "$wanted" "$venv/requirements.txt"; then
    say "Fetching the Python clients" >&2
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$wanted"
    cp "$wanted" "$venv/"
  fi
  say "Building the Python package" >&2
  "$venv/bin/pip" install -q --disable-pip-version-check \
    --no-build-isolation --no-deps --force-reinstall \
    --config-settings=build-dir=build/bench-python .
}
