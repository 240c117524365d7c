#!/usr/bin/env bash
# memcached 1.6.18: ma with T sets the ttl, unless the number gets longer by a digit: then it reports the new ttl and the item keeps the old one.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached

say "10 + 1 = 11, as long as before: the ttl goes from 30 to 600"
exchange "$port" "set k 0 30 2" 10 "ma k T600 t v" "mg k t v" -- \
  STORED "VA 2 t600" 11 "VA 2 t600" 11

say "10 + 95 = 105, a digit more: ma says 600 as well, but the item still ends in 30 seconds"
exchange "$port" "set k 0 30 2" 10 "ma k D95 T600 t v" "mg k t v" -- \
  STORED "VA 3 t600" 105 "VA 3 t30" 105

say "So a counter that was to be kept for ever (T0) is not"
exchange "$port" "set k 0 30 1" 9 "ma k T0 t v" "mg k t v" -- STORED "VA 2 t-1" 10 "VA 2 t30" 10
