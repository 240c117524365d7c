#!/usr/bin/env bash
# Infinispan 15.0.13: its memcached endpoint answers mn with MN, as a server of the meta protocol does, and every other meta verb with ERROR.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_infinispan

say "The meta no-op, which newer clients ask with whether a server knows meta"
exchange "$port" mn -- MN

say "No other verb of the protocol is known"
for verb in "mg k v" "md k" "ma k" "me k"; do
  exchange "$port" "$verb" "|" mn -- ERROR "|" MN
done
