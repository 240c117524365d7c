"""How python-memcached, pymemcache, pylibmc and libmc store values, and what they read back.

Usage: values_python3.py CLIENT < /dev/null, with a server in MEMCXX_SERVERS. Needs the client to be
importable. Prints a line of value_cases for each value that the client takes.
"""

import os
import socket
import sys
import warnings

import value_cases

HOST, PORT = os.environ["MEMCXX_SERVERS"].split(",")[0].rsplit(":", 1)


def raw(key):
    """Flags and bytes of an item, as they lie in the server."""
    with socket.create_connection((HOST, int(PORT))) as s:
        s.sendall(b"get %s\r\n" % key.encode())
        reply = b""
        while not reply.endswith(b"END\r\n"):
            reply += s.recv(1 << 16)
    head, _, rest = reply.partition(b"\r\n")
    _, _, flags, size = head.split()
    return int(flags), rest[:int(size)]


def python_memcached():
    import memcache

    client = memcache.Client([f"{HOST}:{PORT}"])
    return lambda k, v, m: client.set(k, v, min_compress_len=m), client.get


def pymemcache():
    from pymemcache import serde
    from pymemcache.client.base import Client

    def client(m):
        return Client((HOST, int(PORT)), default_noreply=False,
                      serde=serde.CompressedSerde(min_compress_len=m) if m else serde.pickle_serde)

    return lambda k, v, m: client(m).set(k, v), client(1).get


def pylibmc():
    import pylibmc

    client = pylibmc.Client([f"{HOST}:{PORT}"])
    return lambda k, v, m: client.set(k, v, min_compress_len=m), client.get


def libmc():
    import libmc

    def client(m):
        return libmc.Client([f"{HOST}:{PORT}"], comp_threshold=m)

    return lambda k, v, m: client(m).set(k, v), client(0).get


def main():
    warnings.simplefilter("ignore")
    store, fetch = globals()[sys.argv[1].replace("-", "_")]()
    for name, v, min_compress in value_cases.CASES:
        key = f"{sys.argv[1]}:{name}"
        try:
            if not store(key, v, min_compress):
                raise ValueError("not stored")
        except (TypeError, ValueError) as e:
            print(f"{sys.argv[1]} does not take {name}: {e}", file=sys.stderr)
            continue
        print(value_cases.line(name, v, min_compress, *raw(key), fetch(key)))


main()
