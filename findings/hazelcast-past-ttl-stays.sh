#!/usr/bin/env bash
# Hazelcast 5.5.0: an item that is stored with a ttl of -1, or touched with it, or with a time point long past, is there afterwards; memcached ends it at once.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_hazelcast
past=1000000000 # in the year 2001

for ttl in -1 "$past"; do
  say "set with $ttl"
  exchange "$port" "set k 0 $ttl 1" x "|" "get k" -- STORED "|" "VALUE k 0 1" x END
  say "touch with $ttl"
  exchange "$port" "touch k $ttl" "|" "get k" -- TOUCHED "|" "VALUE k 0 1" x END
done

say "The same with memcached"
start_memcached
for ttl in -1 "$past"; do
  exchange "$port" "set k 0 $ttl 1" x "get k" "set k 0 0 1" x "touch k $ttl" "get k" -- \
    STORED END STORED TOUCHED END
done
