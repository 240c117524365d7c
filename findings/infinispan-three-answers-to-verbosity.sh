#!/usr/bin/env bash
# Infinispan 15.0.13: answers verbosity with three lines, so that every later answer on the connection is two lines late.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_infinispan

say "One command, and version behind it"
exchange "$port" "verbosity 1" version -- \
  "CLIENT_ERROR bad command line format:  Unknown command verbosity" \
  "SERVER_ERROR *null" "SERVER_ERROR *null" "VERSION 15.0.13.Final"
