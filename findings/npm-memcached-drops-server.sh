#!/usr/bin/env bash
# npm memcached 2.2.2, with its defaults: a value that the server refuses as too large is false without an error, and then the whole server is "not available" to the client.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached
npm_packages memcached@2.2.2

say "A value of 1 MiB, which the client lets pass and the server does not, then small ones"
timeout 60 node - "$temp" "$port" <<'JS' || fail "the client goes on"
const [folder, port] = process.argv.slice(2);
const Memcached = require(`${folder}/node_modules/memcached`);
const client = new Memcached(`127.0.0.1:${port}`);
const call = (verb, ...words) => new Promise((done) => {
  client[verb](...words, (error, got) => {
    const value = words.slice(1).map((word) => (`${word}`.length > 20 ? '(1 MiB)' : word));
    console.log([verb, words[0], ...value].join(' '), '->', `${error}`, got);
    done({ error, got });
  });
});
(async () => {
  await call('set', 'small', 'x', 60);
  const before = await call('get', 'small');
  await call('set', 'large', 'x'.repeat(1024 * 1024), 60);
  const after = await call('get', 'small');
  const away = before.got === 'x' && `${after.error}`.includes('not available');
  process.exit(away ? 0 : 1);
})();
JS

say "The server is well"
exchange "$port" "get small" -- "VALUE small 0 1" x END
