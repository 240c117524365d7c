"""Where python-memcached, pymemcache and libmc put keys.

Usage: python_clients.py PRESET[/HASH] ATTEMPT SERVER... < keys
Needs the client of the preset to be importable. Prints one base-36 digit for each line read.
"""

import sys

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def split(server):
    """host:port*weight"""
    address, _, weight = server.partition("*")
    return address, int(weight or 1)


def python_memcached(_, attempt, servers):
    import memcache

    client = memcache.Client([split(s) for s in servers])
    index = {id(server): i for i, server in enumerate(client.servers)}
    failures = 0

    def connect():
        nonlocal failures
        failures -= 1
        return failures < 0

    for server in client.servers:
        server.connect = connect

    def pick(key):
        nonlocal failures
        failures = attempt
        return index[id(client._get_server(key)[0])]

    return pick


def pymemcache(_, attempt, servers):
    from pymemcache.client.rendezvous import RendezvousHash

    def pick(key):
        ring = RendezvousHash()
        for server in servers:
            ring.add_node(server)
        for _ in range(attempt):
            ring.remove_node(ring.get_node(key.decode()))
        return servers.index(ring.get_node(key.decode()))

    return pick


def libmc(hash_name, _, servers):
    import libmc

    hashes = {"": libmc.MC_HASH_MD5, "md5": libmc.MC_HASH_MD5, "crc_32": libmc.MC_HASH_CRC_32,
              "fnv1_32": libmc.MC_HASH_FNV1_32, "fnv1a_32": libmc.MC_HASH_FNV1A_32}
    # The form is "host:port alias"; "host:port=alias" here, so that it is one argument.
    client = libmc.Client([s.replace("=", " ") for s in servers], hash_fn=hashes[hash_name])
    names = [s.split("=")[-1] for s in servers]

    def pick(key):
        name = client.get_host_by_key(key.decode())
        return names.index(name)

    return pick


def main():
    preset, _, hash_name = sys.argv[1].partition("/")
    make = {"python-memcached": python_memcached, "python-memcached-1.59": python_memcached,
            "pymemcache": pymemcache, "libmc": libmc}[preset]
    pick = make(hash_name, int(sys.argv[2]), sys.argv[3:])
    keys = sys.stdin.buffer.read().split(b"\n")[:-1]
    print("".join(DIGITS[pick(key)] for key in keys))


main()
