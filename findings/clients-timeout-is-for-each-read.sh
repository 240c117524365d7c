#!/usr/bin/env bash
# pymemcache 4.0.0, python-memcached 1.62, pylibmc 1.6.3, npm memcached 2.2.2: a timeout of half a second does not end a get whose answer comes slowly: it counts anew with every byte.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

pip_packages python-memcached==1.62 pylibmc==1.6.3 pymemcache==4.0.0
npm_packages memcached@2.2.2

cat >"$temp/slow.py" <<'PYTHON'
import socket
import threading
import time

ANSWER = b"VALUE k 0 1\r\nx\r\nEND\r\n"


def answer(connection):
    while b"\r\n" in connection.recv(4096):
        for at in range(len(ANSWER)):
            connection.sendall(ANSWER[at:at + 1])
            time.sleep(0.15)


with socket.create_server(("127.0.0.1", 0)) as listener:
    print("PORT", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(connection,), daemon=True).start()
PYTHON
python3 "$temp/slow.py" >"$temp/slow.out" 2>"$temp/slow.log" &
running+=($!)
disown
wait_for 10 "$temp/slow.out" '^PORT '
port="$(sed -n 's/^PORT //p' "$temp/slow.out")"

say "The answer to get k, a byte every 0.15 seconds, 3 seconds in all; the timeout is 0.5 seconds"
timeout 60 "$temp/venv/bin/python" - "$port" <<'PYTHON' || fail "a client ends the call"
import sys
import time

import memcache
import pylibmc
from pymemcache.client.base import Client

port = int(sys.argv[1])
name = f"127.0.0.1:{port}"
half = {"receive_timeout": 500000, "send_timeout": 500000, "connect_timeout": 500}
for who, client in (("pymemcache", Client(("127.0.0.1", port), timeout=0.5, connect_timeout=0.5)),
                    ("python-memcached", memcache.Client([name], socket_timeout=0.5)),
                    ("pylibmc", pylibmc.Client([name], behaviors=half))):
    started = time.monotonic()
    got = client.get("k")
    took = time.monotonic() - started
    print(f"{who}: {got!r} after {took:.1f} seconds")
    assert got in ("x", b"x") and took > 2
PYTHON
timeout 60 node - "$temp" "$port" <<'JS' || fail "npm memcached ends the call"
const [folder, port] = process.argv.slice(2);
const Memcached = require(`${folder}/node_modules/memcached`);
const client = new Memcached(`127.0.0.1:${port}`, { timeout: 500, retries: 0 });
const started = Date.now();
client.get('k', (error, got) => {
  const took = (Date.now() - started) / 1000;
  console.log(`npm memcached: ${got} after ${took.toFixed(1)} seconds`);
  process.exit(!error && got === 'x' && took > 2 ? 0 : 1);
});
JS
