#!/usr/bin/env bash
# memcached 1.6.18: "flush_all 1" acts at once, and for up to a second every new item is told STORED and is a miss; "flush_all 2" takes what is stored after it as well.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached

say "A delay of one second is none, and what is stored after it is gone, too"
exchange "$port" "set old 0 0 1" x "flush_all 1" "get old" "set new 0 0 1" y "get new" -- \
  STORED OK END STORED END

sleep 2.1
say "A delay of two: at first all is there"
exchange "$port" "set old 0 0 1" x "flush_all 2" "get old" "set new 0 0 1" y "get new" -- \
  STORED OK "VALUE old 0 1" x END STORED "VALUE new 0 1" y END
sleep 2.1
say "Then what was stored after flush_all is gone as well"
exchange "$port" "get old" "get new" "set later 0 0 1" z "get later" -- \
  END END STORED "VALUE later 0 1" z END
