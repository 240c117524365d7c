#!/usr/bin/env bash
# Infinispan 15.0.13: a get of several keys of which one is missing is not answered: the connection is closed, and the keys that are there are not told.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_infinispan

say "Both there, or one key that is missing: as everywhere"
exchange "$port" "set a 5 0 1" A "set b 6 0 1" B "get a b" "get nokey" -- \
  STORED STORED "VALUE a 5 1" A "VALUE b 6 1" B END END

say "One there, one missing: closed, without a byte"
exchange "$port" "get a nokey" -- "(closed)"
exchange "$port" "get nokey a b" -- "(closed)"
exchange "$port" "gets a nokey" -- "(closed)"

say "It serves others, and a get for each key in one write works"
exchange "$port" "get a" "get nokey" "get b" -- "VALUE a 5 1" A END END "VALUE b 6 1" B END
