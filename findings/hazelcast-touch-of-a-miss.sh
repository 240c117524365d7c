#!/usr/bin/env bash
# Hazelcast 5.5.0: touch of a key that is missing is answered by NOT_STORED, and delete with noreply by CLIENT_ERROR without deleting.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_hazelcast

say "touch of a missing key: not NOT_FOUND, though delete and incr say that"
exchange "$port" "delete k" "|" "incr k 1" "|" "touch k 100" -- \
  NOT_FOUND "|" NOT_FOUND "|" NOT_STORED

say "noreply is known at set, and not at delete"
exchange "$port" "set k 5 0 1 noreply" x "|" "get k" -- "|" "VALUE k 5 1" x END
exchange "$port" "delete k noreply" "|" "get k" -- \
  "CLIENT_ERROR Invalid command: delete k noreply" "|" "VALUE k 5 1" x END
