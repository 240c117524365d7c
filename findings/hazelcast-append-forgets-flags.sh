#!/usr/bin/env bash
# Hazelcast 5.5.0: append sets the flags of the item to 0, and prepend leaves them as they are.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_hazelcast

exchange "$port" "set k 5 0 1" x "|" "prepend k 9 0 1" a "|" "get k" -- \
  STORED "|" STORED "|" "VALUE k 5 2" ax END
exchange "$port" "set k 5 0 1" x "|" "append k 9 0 1" a "|" "get k" -- \
  STORED "|" STORED "|" "VALUE k 0 2" xa END
