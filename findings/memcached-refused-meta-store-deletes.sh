#!/usr/bin/env bash
# memcached 1.6.18: a store that is refused as too large deletes the item over meta, even an add, an append or a losing cas; classic add and append keep it.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached
size=1048676 # the limit is 1 MiB
refused="SERVER_ERROR object too large for cache"

for verb in add replace append prepend; do
  say "Classic $verb: refused, the old item stays"
  exchange "$port" "set k 0 0 3" old "|" "$verb k 0 0 $size" "x*$size" "|" "get k" -- \
    STORED "|" "$refused" "|" "VALUE k 0 3" old END
done

for flags in ME MR MA MP C1; do
  say "ms $flags: refused with the same words, the old item is gone"
  exchange "$port" "set k 0 0 3" old "|" "ms k $size $flags" "x*$size" "|" "get k" -- \
    STORED "|" "$refused" "|" END
done
