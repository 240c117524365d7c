#!/usr/bin/env bash
# Infinispan 15.0.13: gets of one key tells a cas number, gets of several keys tells none.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_infinispan

say "One key"
exchange "$port" "set a 5 0 1" A "set b 6 0 1" B "gets a" "gets b" -- \
  STORED STORED "VALUE a 5 1 ?" A END "VALUE b 6 1 ?" B END

say "Two keys"
exchange "$port" "gets a b" -- "VALUE a 5 1" A "VALUE b 6 1" B END
