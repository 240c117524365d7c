#!/usr/bin/env bash
# Hazelcast 5.5.0: once incr or decr changed an item whose key has a colon, get answers with what stands behind the first colon as the key; a store makes it whole again.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_hazelcast

exchange "$port" "set page:views:7 0 0 1" 1 "|" "get page:views:7" "|" "incr page:views:7 1" "|" \
  "get page:views:7" "|" "append page:views:7 0 0 1" 5 "|" "get page:views:7" -- \
  STORED "|" "VALUE page:views:7 0 1" 1 END "|" 2 "|" \
  "VALUE views:7 0 1" 2 END "|" STORED "|" "VALUE page:views:7 0 2" 25 END
exchange "$port" "set a:b 0 0 1" 5 "|" "decr a:b 1" "|" "get a:b b" -- \
  STORED "|" 4 "|" "VALUE b 0 1" 4 END
