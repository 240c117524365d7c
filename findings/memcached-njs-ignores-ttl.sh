#!/usr/bin/env bash
# npm memcached-njs 0.3.16, a server for tests: it takes every ttl and ends no item, not even with -1, and it closes at mn.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

npm_packages memcached-njs@0.3.16
cat >"$temp/serve.js" <<'JS'
const { startServer } = require('memcached-njs/src/index.js'); // its "main" is not there
startServer({ port: { port: 0, host: '127.0.0.1' } })
  .then((server) => console.log('PORT', server._server.address().port));
setTimeout(() => process.exit(0), 60000);
JS
node "$temp/serve.js" >"$temp/serve.out" 2>"$temp/serve.log" &
running+=($!)
disown
wait_for 10 "$temp/serve.out" '^PORT '
port="$(sed -n 's/^PORT //p' "$temp/serve.out")"
exchange "$port" version -- "VERSION 0.0.1"

say "A ttl of a second, a ttl of -1, and touch with -1: all three stay"
exchange "$port" "set one 0 1 1" x "set past 0 -1 1" x "set other 0 0 1" x "touch other -1" -- \
  STORED STORED STORED TOUCHED
sleep 2.1
for key in one past other; do
  exchange "$port" "get $key" -- "VALUE $key 0 1" x END
done

say "mn"
exchange "$port" mn -- "CLIENT_ERROR malformed request" "(closed)"
