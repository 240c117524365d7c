"""Runs one Python client through one workload, and prints what it measured as one line of JSON, as
the C++ program does: which see for --seconds, --warm-up, --count and --warm-count.

usage: python_client.py --list
       python_client.py --servers A,B --client NAME --workload NAME --seconds S [--warm-up S]
       python_client.py --servers A,B --client NAME --workload NAME --count N [--warm-count N]

Never here: another workload than the C++ program has, or other keys.
"""

import argparse
import ctypes
import importlib.util
import json
import resource
import sys
import threading
import time

CHUNK = 50  # operations between two looks at the clock, of which one is timed by itself


# --- the clients: what a workload's operation is in each -----------------------------------------
# Each has get(key), set(key, value), incr(key, delta), get_many(keys) -> dict, set_many(dict), and
# another(), the client of another thread: itself where threads may share it.


class Memcxx:
    module = "memcxx"

    def __init__(self, servers):
        import memcxx
        self._client = memcxx.Client(servers, timeout=60.0, connect_timeout=60.0)  # under valgrind
        self.get, self.set, self.incr = self._client.get, self._client.set, self._client.incr
        self.get_many, self.set_many = self._client.get_many, self._client.set_many

    def another(self):
        return self


class PythonMemcached:
    module = "memcache"

    def __init__(self, servers):
        import memcache
        self._servers = servers
        self._client = memcache.Client(servers, server_max_value_length=1 << 24)
        self.get, self.set, self.incr = self._client.get, self._client.set, self._client.incr
        self.get_many, self.set_many = self._client.get_multi, self._client.set_multi

    def another(self):
        return type(self)(self._servers)


class Pymemcache:
    module = "pymemcache"

    def __init__(self, servers):
        from pymemcache.client.base import Client
        from pymemcache.client.hash import HashClient
        self._servers = servers
        if len(servers) == 1:
            self._client = Client(servers[0], no_delay=True, default_noreply=False)
        else:
            self._client = HashClient(servers, no_delay=True, default_noreply=False)
        client = self._client
        self.get, self.set, self.incr = client.get, client.set, client.incr
        self.get_many = client.get_many
        # Without waiting for each answer, which is what the others do; a get says that all arrived.
        self._many = client.set_many

    def set_many(self, items):
        self._many(items, noreply=True)
        self._client.get(next(iter(items)))

    def another(self):
        return type(self)(self._servers)


class Pylibmc:
    module = "pylibmc"

    def __init__(self, servers):
        import pylibmc
        self._servers = servers
        self._client = pylibmc.Client(servers, behaviors={
            "tcp_nodelay": True, **({"ketama_weighted": True} if len(servers) > 1 else {})})
        self.get, self.set, self.incr = self._client.get, self._client.set, self._client.incr
        self.get_many, self.set_many = self._client.get_multi, self._client.set_multi

    def another(self):
        return type(self)(self._servers)


class Libmc:
    module = "libmc"

    def __init__(self, servers):
        import libmc
        self._servers = servers
        self._client = libmc.Client(servers)
        for option in (libmc.MC_POLL_TIMEOUT, libmc.MC_CONNECT_TIMEOUT):
            self._client.config(option, 60_000)
        self.get, self.set, self.incr = self._client.get, self._client.set, self._client.incr
        self.get_many, self.set_many = self._client.get_multi, self._client.set_multi

    def another(self):
        return type(self)(self._servers)


CLIENTS = {"memcxx_python": Memcxx, "python-memcached": PythonMemcached, "pymemcache": Pymemcache,
           "pylibmc": Pylibmc, "libmc": Libmc}

# --- the workloads -------------------------------------------------------------------------------
# name: (operation, keys of one operation, size of a value, servers, threads, the bare loop's)
WORKLOADS = {
    "get": ("get", 1, 100, 1, 1, "get"),
    "set": ("set", 1, 100, 1, 1, "set"),
    "incr": ("incr", 1, 0, 1, 1, "incr"),
    "multi_get_10": ("get_many", 10, 100, 1, 1, "multi_get_10"),
    "multi_get_100": ("get_many", 100, 100, 1, 1, "multi_get_100"),
    "multi_get_1000": ("get_many", 1000, 100, 1, 1, "multi_get_1000"),
    "multi_get_100_4_servers": ("get_many", 100, 100, 4, 1, "multi_get_100_4_servers"),
    "set_many_1000": ("set_many", 1000, 100, 1, 1, "set_many_1000"),
    "get_100k": ("get", 1, 100_000, 1, 1, "get_100k"),
    "set_100k": ("set", 1, 100_000, 1, 1, "set_100k"),
    "get_1m": ("get", 1, 1_000_000, 1, 1, "get_1m"),
    "set_1m": ("set", 1, 1_000_000, 1, 1, "set_1m"),
    "threads_8": ("get", 1, 100, 1, 8, "threads_8_each"),
}


def key_of(number):
    return f"key:{number:016}"


class Operations:
    """What one thread does, again and again: step() is one operation; checked() is one whose answer
    is looked at, and serves to warm up, and to say now and then that answers are still right."""

    def __init__(self, client, workload):
        verb, items, size, *_ = WORKLOADS[workload]
        self.value = b"v" * size
        single = verb in ("get", "set", "incr")
        keys = [key_of(n) for n in range((1024 if size <= 10_000 else 1) if single else items)]
        if verb == "incr":
            for key in keys:
                client.set(key, 1_000_000_000 if client.module != "pymemcache" else b"1000000000")
        else:
            for key in keys:
                client.set(key, self.value)
        self.place = -1
        self.keys = keys
        self.arguments = {"get": [(k,) for k in keys], "incr": [(k, 1) for k in keys],
                          "set": [(k, self.value) for k in keys], "get_many": [(keys,)],
                          "set_many": [({k: self.value for k in keys},)]}[verb]
        self.call = getattr(client, verb)
        self.verb = verb

    def next(self):
        self.place = (self.place + 1) % len(self.arguments)
        return self.arguments[self.place]

    def checked(self):
        answer = self.call(*self.next())
        if self.verb == "get":
            right = answer == self.value
        elif self.verb == "get_many":
            right = len(answer) == len(self.keys) and all(
                v == self.value for v in answer.values())
        elif self.verb == "incr":
            right = answer > 1_000_000_000
        else:
            right = self.verb == "set_many" or bool(answer)
        if not right:
            raise SystemExit(f"{self.verb}: not the right answer: {answer!r:.80}")

    def run(self, how_many):
        """So many operations, with as little of Python around them as can be."""
        call, arguments, place = self.call, self.arguments, self.place
        count, done = len(arguments), 0
        while done < how_many:
            first = (place + 1) % count
            part = arguments[first:first + how_many - done]
            if len(part[0]) == 1:
                for (one,) in part:
                    call(one)
            else:
                for one, two in part:
                    call(one, two)
            done += len(part)
            place = first + len(part) - 1
        self.place = place


class Usage:
    """What was spent up to now, by the process."""

    def __init__(self, counted):
        self.when = time.perf_counter()
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.cpu = used.ru_utime + used.ru_stime
        self.faults = used.ru_minflt
        self.allocations, self.calls = counted()


def counters():
    """Allocations and system calls of this thread: where bench's counting library was preloaded."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "bench_allocations"):
        return lambda: (0, {})
    library.bench_allocations.restype = ctypes.c_uint64
    library.bench_calls.restype = ctypes.c_uint64
    library.bench_call_name.restype = ctypes.c_char_p
    names = []
    while (name := library.bench_call_name(ctypes.c_size_t(len(names)))) is not None:
        names.append(name.decode())
    return lambda: (library.bench_allocations(), {
        name: library.bench_calls(ctypes.c_size_t(i)) for i, name in enumerate(names)})


def chunk_of(operations):
    # An operation of many keys, or of a large value, is looked at by itself.
    return CHUNK if len(operations.arguments) > 1 else 1


def run_for(operations, seconds, samples):
    clock = time.perf_counter
    chunk, done, now = chunk_of(operations), 0, clock()
    end = now + seconds
    while now < end:
        before = clock()
        operations.run(1)
        samples.append(clock() - before)
        if chunk > 1:
            operations.run(chunk - 1)
        done += chunk
        now = clock()
    return done


def measure(given):
    _, _, _, servers, threads, _ = WORKLOADS[given.workload]
    client = CLIENTS[given.client](given.servers.split(",")[:servers])
    clients = [client] + [client.another() for _ in range(threads - 1)]
    operations = [Operations(c, given.workload) for c in clients]
    counted = counters()

    if given.count:
        for _ in range(given.warm_count):
            operations[0].checked()
        idle = Usage(counted)
        begun = Usage(counted)
        operations[0].run(given.count)
        ended = Usage(counted)
        # Asking allocates, too.
        ended.allocations -= begun.allocations - idle.allocations
        operations[0].checked()
        return given.count, [], begun, ended

    samples = [[] for _ in operations]
    done = [0] * threads
    moment = threading.Barrier(threads + 1)

    def work(number):
        until = time.perf_counter() + given.warm_up
        while time.perf_counter() < until:
            operations[number].checked()
        moment.wait()
        done[number] = run_for(operations[number], given.seconds, samples[number])
        moment.wait()
        operations[number].checked()

    if threads == 1:
        until = time.perf_counter() + given.warm_up
        while time.perf_counter() < until:
            operations[0].checked()
        begun = Usage(counted)
        done[0] = run_for(operations[0], given.seconds, samples[0])
        ended = Usage(counted)
        operations[0].checked()
    else:
        running = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(threads)]
        for thread in running:
            thread.start()
        moment.wait()
        begun = Usage(counted)
        moment.wait()
        ended = Usage(counted)
        for thread in running:
            thread.join()
    return sum(done), [s for some in samples for s in some], begun, ended


def percentile(samples, share):
    return sorted(samples)[int(share * (len(samples) - 1))] * 1e6 if samples else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    for name in ("servers", "client", "workload"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--warm-up", type=float, default=0.05)
    parser.add_argument("--count", type=int)
    parser.add_argument("--warm-count", type=int, default=10)
    given = parser.parse_args()
    if given.list:
        for workload, (_, items, _, _, threads, limit) in WORKLOADS.items():
            for name, client in CLIENTS.items():
                if importlib.util.find_spec(client.module):
                    print(json.dumps({"workload": workload, "client": name, "limit": limit,
                                      "items": items, "threads": threads, "extra": False}))
        return
    operations, samples, begun, ended = measure(given)
    print(json.dumps({
        "workload": given.workload, "client": given.client, "operations": operations,
        "seconds": ended.when - begun.when, "p50_us": percentile(samples, 0.5),
        "p99_us": percentile(samples, 0.99), "cpu_seconds": ended.cpu - begun.cpu,
        "allocations": ended.allocations - begun.allocations,
        "page_faults": ended.faults - begun.faults,
        "calls": {name: n - begun.calls[name] for name, n in ended.calls.items()
                  if n != begun.calls[name]}}))


if __name__ == "__main__":
    sys.exit(main())
