#!/usr/bin/env bash
# memcached 1.6.18: flags beyond 32 bits are no error: HD or STORED, and another number comes back.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached

say "Meta: 2^32 + 1 is stored as 1"
exchange "$port" "ms k 1 F4294967297" x "mg k f" -- HD "HD f1"

say "Classic: 2^32 is stored as 0, and 2^64 - 1 as 2^32 - 1"
exchange "$port" "set k 4294967296 0 1" x "get k" -- STORED "VALUE k 0 1" x END
exchange "$port" "set k 18446744073709551615 0 1" x "get k" -- \
  STORED "VALUE k 4294967295 1" x END

say "Negative ones are an error"
exchange "$port" "ms k 1 F-1" x "|" mn -- "CLIENT_ERROR bad command line format" "|" MN
