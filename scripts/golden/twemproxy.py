"""Where twemproxy (nutcracker) puts keys: the proxy runs, and its servers tell what reached them.

Usage: twemproxy.py PRESET/HASH SERVER... < keys
SERVER is host:port*weight or unix:path*weight; the addresses must be this machine's, and free.
Prints one base-36 digit for each line read.
"""

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LIMIT = 60  # seconds for everything


def listen(address):
    if address.startswith("unix:"):
        path = address[5:]
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
    else:
        host, _, port = address.rpartition(":")
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
    listener.listen(16)
    return listener


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(port, deadline):
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def owners(client, listeners, keys, deadline):
    """Sends every key in its turn, and notes whom it reached."""
    found = {}
    selector = selectors.DefaultSelector()
    for index, listener in enumerate(listeners):
        selector.register(listener, selectors.EVENT_READ, (index, None))
    distinct = list(dict.fromkeys(keys))
    client.sendall(b"".join(b"get " + key + b"\r\n" for key in distinct[:1000]))
    sent = min(1000, len(distinct))
    while len(found) < len(distinct):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} of {len(distinct)} keys arrived")
        for ready, _ in selector.select(1):
            index, rest = ready.data
            if rest is None:
                connection, _ = ready.fileobj.accept()
                selector.register(connection, selectors.EVENT_READ, (index, bytearray()))
                continue
            data = ready.fileobj.recv(65536)
            if not data:
                selector.unregister(ready.fileobj)
                continue
            rest += data
            *lines, last = rest.split(b"\r\n")
            rest[:] = last
            for line in lines:
                found[bytes(line.split(b" ")[1])] = index
            ready.fileobj.sendall(b"END\r\n" * len(lines))
        if len(found) == sent < len(distinct):
            client.sendall(b"".join(b"get " + k + b"\r\n" for k in distinct[sent:sent + 1000]))
            sent = min(sent + 1000, len(distinct))
    return found


def main():
    preset, _, hash_name = sys.argv[1].partition("/")
    servers = [s if "*" in s else s + "*1" for s in sys.argv[2:]]
    keys = sys.stdin.buffer.read().split(b"\n")[:-1]
    deadline = time.monotonic() + LIMIT
    listeners = [listen(s.partition("*")[0]) for s in servers]
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        conf = os.path.join(directory, "nutcracker.yml")
        with open(conf, "w") as out:
            out.write(f"pool:\n  listen: 127.0.0.1:{port}\n  hash: {hash_name}\n"
                      f"  distribution: {preset.removeprefix('twemproxy-')}\n  servers:\n")
            for server in servers:
                address, _, weight = server.removeprefix("unix:").partition("*")
                out.write(f"   - {address}:{weight}\n")
        proxy = subprocess.Popen(["nutcracker", "-c", conf, "-o", os.path.join(directory, "log"),
                                  "-a", "127.0.0.1", "-s", str(free_port())])
        try:
            with connect(port, deadline) as client:
                found = owners(client, listeners, keys, deadline)
        finally:
            proxy.terminate()
            proxy.wait(10)
            for path in (s.partition("*")[0][5:] for s in servers if s.startswith("unix:")):
                os.unlink(path)
    print("".join(DIGITS[found[key]] for key in keys))


main()
