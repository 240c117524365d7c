#!/usr/bin/env bash
# Infinispan 15.0.13: takes flags of 32 bits, and tells those from 2^31 on as negative numbers, which no client can read as flags.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_infinispan

say "Up to 2^31 - 1 flags come back"
exchange "$port" "set k 2147483647 0 1" x "get k" -- STORED "VALUE k 2147483647 1" x END

say "Beyond, they are negative"
exchange "$port" "set k 2147483648 0 1" x "get k" -- STORED "VALUE k -2147483648 1" x END
exchange "$port" "set k 4294967295 0 1" x "get k" -- STORED "VALUE k -1 1" x END
