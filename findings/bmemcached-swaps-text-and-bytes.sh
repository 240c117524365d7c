#!/usr/bin/env bash
# python-binary-memcached 0.33.0: flag 16 says bytes, no flag says text; python-memcached, pylibmc and pymemcache, whose other flags are the same, mean just the opposite.
set -euo pipefail
# shellcheck source=findings/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

start_memcached
pip_packages python-binary-memcached==0.33.0 python-memcached==1.62 pylibmc==1.6.3 \
  pymemcache==4.0.0

say "Each stores bytes and text, and each of the others reads it"
timeout 60 "$temp/venv/bin/python" - "$port" <<'PYTHON' || fail "they read otherwise"
import sys

import bmemcached
import memcache
import pylibmc
from pymemcache import serde
from pymemcache.client.base import Client

port = int(sys.argv[1])
name = f"127.0.0.1:{port}"
binary = bmemcached.Client((name,))
others = {
    "python-memcached": memcache.Client([name]),
    "pylibmc": pylibmc.Client([name]),
    "pymemcache": Client(("127.0.0.1", port), serde=serde.pickle_serde),
}
raw = Client(("127.0.0.1", port), serde=type("Raw", (), {
    "serialize": staticmethod(lambda key, value: (value, 0)),
    "deserialize": staticmethod(lambda key, value, flags: (value, flags))}))


def show(who, value, reader, got):
    print(f"{who} stored {value!r} with flags {raw.get('k')[1]}, {reader} reads {got!r}")


for value, wrong in ((b"abc", "abc"), ("abc", b"abc")):
    binary.set("k", value)
    for who, client in others.items():
        show("bmemcached", value, who, client.get("k"))
        assert client.get("k") == wrong
    for who, client in others.items():
        client.set("k", value)
        show(who, value, "bmemcached", binary.get("k"))
        assert binary.get("k") == wrong

print("Numbers and pickles are common to all:")
for value in (7, 1.5):
    binary.set("k", value)
    for who, client in others.items():
        show("bmemcached", value, who, client.get("k"))
        assert client.get("k") == value
PYTHON
