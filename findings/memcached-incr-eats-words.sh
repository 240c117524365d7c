#!/usr/bin/env bash
# memcached 1.6.18: incr takes "5 apples" for the number 5, and writes blanks over the rest of the value.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached

say "A number, a blank and anything else is a number: no error, and the words are gone"
exchange "$port" "set k 0 0 8" "5 apples" "incr k 1" "get k" -- \
  STORED 6 "VALUE k 0 8" "6       " END
exchange "$port" "set day 0 0 19" "2026 12 01 10:00:00" "incr day 1" "get day" -- \
  STORED 2027 "VALUE day 0 19" "2027               " END

say "With any other character there it is an error, as one expects, and the value stays"
exchange "$port" "set day 0 0 10" "2026-12-01" "incr day 1" "get day" -- \
  STORED "CLIENT_ERROR cannot increment or decrement non-numeric value" \
  "VALUE day 0 10" "2026-12-01" END
