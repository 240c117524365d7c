#!/usr/bin/env bash
# Infinispan 15.0.13: touch, gat and incr set the flags of the item to 0, append and prepend to those of the command; memcached leaves the flags alone.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_infinispan

say "touch"
exchange "$port" "set k 9 100 1" x "touch k 100" "get k" -- STORED TOUCHED "VALUE k 0 1" x END

say "gat still tells the flags, and the next get does not"
exchange "$port" "set k 9 100 1" x "gat 100 k" "get k" -- \
  STORED "VALUE k 9 1" x END "VALUE k 0 1" x END

say "append and prepend: the flags are those of the command, which memcached ignores"
exchange "$port" "set k 9 100 1" x "append k 5 0 1" y "get k" -- \
  STORED STORED "VALUE k 5 2" xy END
exchange "$port" "set k 9 100 1" x "prepend k 0 0 1" y "get k" -- \
  STORED STORED "VALUE k 0 2" yx END

say "incr"
exchange "$port" "set k 9 100 2" 10 "incr k 1" "get k" -- STORED 11 "VALUE k 0 2" 11 END

say "The same with memcached"
start_memcached
exchange "$port" "set k 9 100 2" 10 "touch k 100" "gat 100 k" "incr k 1" \
  "append k 5 0 1" 0 "prepend k 0 0 1" 2 "get k" -- \
  STORED TOUCHED "VALUE k 9 2" 10 END 11 STORED STORED "VALUE k 9 4" 2110 END
