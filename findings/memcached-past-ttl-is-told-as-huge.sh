#!/usr/bin/env bash
# memcached 1.6.18: "mg key T-1 t" ends the item and says that 4294967… seconds are left; "mg key t T-1" says -1, which means for ever.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached

say "t behind T: what is left, as an unsigned number of 32 bits that went below 0"
exchange "$port" "set k 0 30 1" x "mg k T-1 t v" "mg k t v" -- STORED "VA 1 t42949?????" x EN

say "t in front of T: the ttl of before, since flags act in their order"
exchange "$port" "set k 0 30 1" x "mg k t T-1 v" "mg k t v" -- STORED "VA 1 t30" x EN
exchange "$port" "set k 0 0 1" x "mg k t T-1 v" "mg k t v" -- STORED "VA 1 t-1" x EN

say "The same with a ttl that is not over"
exchange "$port" "set k 0 30 1" x "mg k T600 t" "mg k t T900" "mg k t" -- \
  STORED "HD t600" "HD t600" "HD t900"
