"""Clients that were made, and used, before gevent or eventlet patched sockets: as with gunicorn
--preload -k gevent. None of them holds up other greenlets; what cannot go on says so."""

from __future__ import annotations

import importlib.util

import pytest

from test_green import EVENTLET, GEVENT, in_process

PATCHES = pytest.mark.parametrize("patch,spawn", [
    (GEVENT, "import gevent; from gevent import sleep, spawn; join = gevent.Greenlet.get"),
    (EVENTLET, "from eventlet import sleep, spawn; join = lambda g: g.wait()"),
], ids=("gevent", "eventlet"))

#: how a client is made of `address`
CLIENTS = {
    "Client": "memcxx.Client(address, timeout=LONG, connect_timeout=LONG)",
    "within": "memcxx.Client(address, connect_timeout=LONG).within(LONG)",
    "python": ("memcxx.Client(address, timeout=LONG, connect_timeout=LONG, transport='python', "
               "pool_size=1)"),
    "pymemcache": "memcxx.compat.pymemcache.Client(address, timeout=LONG)",
    "PooledClient": "memcxx.compat.pymemcache.PooledClient(address, timeout=LONG)",
    "HashClient": "memcxx.compat.pymemcache.HashClient([address], timeout=LONG)",
    "memcache": "memcxx.compat.memcache.Client([address], socket_timeout=LONG)",
    "pylibmc": ("memcxx.compat.pylibmc.Client([address], behaviors={'receive_timeout': LONG * "
                "1000000, 'send_timeout': LONG * 1000000, 'connect_timeout': LONG * 1000})"),
    "cmemcache": "memcxx.compat.cmemcache.Client([address])",
    "memcached2": "memcxx.compat.memcached2.Memcache(('memcached://%s/' % address,))",
    "pyermc": ("memcxx.compat.pyermc.Client(*address.split(':')[:1], int(address.split(':')[1]), "
               "timeout=LONG)"),
    "django": "memcxx.django.MemcxxCache(address, {'OPTIONS': {'timeout': LONG}})",
}

SCRIPT = """
    import os, signal, sys, time
    import memcxx.green, memcxx.django, memcxx.compat.pymemcache, memcxx.compat.memcache
    import memcxx.compat.pylibmc, memcxx.compat.cmemcache, memcxx.compat.memcached2
    import memcxx.compat.pyermc
    from django.conf import settings
    settings.configure()
    address, pid, forks = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
    LONG = 6  # seconds: whoever holds up the hub for a frozen server does so for as long
    c = {make}
    c.set("k", "before")
    if forks and os.fork():
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    {patch}
    {spawn}
    text = lambda found: found.decode() if isinstance(found, bytes) else found

    def is_frozen():
        states = [open("/proc/%d/task/%s/stat" % (pid, task)).read().rpartition(")")[2]
                  for task in os.listdir("/proc/%d/task" % pid)]
        return all(state.split()[0] == "T" for state in states)

    def get():
        return text(c.get("k"))
    assert join(spawn(get)) == "before"
    for _ in range(2):
        os.kill(pid, signal.SIGSTOP)
        try:
            while not is_frozen():
                time.sleep(0.001)
            waiting = [spawn(get) for _ in range(3)]
            begun = time.monotonic()
            for _ in range(10):
                sleep(0.01)  # the others: they run, and here
            assert time.monotonic() - begun < LONG / 2, "the hub was held up"
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [join(g) for g in waiting] == ["before"] * 3
    print("fine")
    sys.stdout.flush()
    os._exit(0)
    """


def skip_without(patch: str) -> None:
    package = "gevent" if patch is GEVENT else "eventlet"
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@PATCHES
@pytest.mark.parametrize("which,forks", [("Client", True), ("python", True), ("pyermc", True)]
                         + [(which, False) for which in CLIENTS])
def test_others_run_while_it_waits(new_server, patch, spawn, which, forks):
    skip_without(patch)
    server = new_server()
    script = SCRIPT.format(make=CLIENTS[which], patch=patch, spawn=spawn)
    assert in_process("", script, server.address, str(server.pid), str(forks)) == "fine\n"


@PATCHES
@pytest.mark.parametrize("which", ("memcached2", "pylibmc", "HashClient"))
def test_others_run_as_well_when_it_was_made_after(new_server, patch, spawn, which):
    skip_without(patch)
    server = new_server()
    script = SCRIPT.format(make=CLIENTS[which], patch="", spawn=spawn)
    assert in_process(patch, script, server.address, str(server.pid), "False") == "fine\n"


@PATCHES
def test_what_it_knew_before_it_knows_after(flush4, patch, spawn):
    skip_without(patch)
    out = in_process("", f"""
        import sys, pickle
        import memcxx
        from memcxx import errors
        first, *more = sys.argv[1:]
        told = []
        c = memcxx.Client(first + "*2", timeout=30, connect_timeout=30, prefix="p:", max_failures=1,
                          dialect="pymemcache", dumps=lambda v: b"D" + pickle.dumps(v),
                          loads=lambda b: pickle.loads(b[1:]),
                          on_server_down=lambda name, why: told.append(name))
        for server in more:
            c.add_server(server + "*3")
        short = c.within(20)
        keys = ["k%d" % n for n in range(300)]
        homes = [c.which(k) for k in keys]
        assert c.set_many({{k: (k, 1) for k in keys}}) == {{}}
        {patch}
        assert type(c) is memcxx.Client and isinstance(c, memcxx.Client)
        assert c.get_many(keys) == {{k: (k, 1) for k in keys}}
        assert [c.which(k) for k in keys] == homes and len(c.servers()) == 4
        assert (c.timeout, short.timeout, short.within(7).timeout) == (30, 20, 7)
        assert short.get("k1") == ("k1", 1)
        c.remove_server(more[0])
        assert len(c.servers()) == 3 and len(short.servers()) == 3
        c.replace_servers(["127.0.0.1:1"])
        try:
            c.get("k")
        except errors.NetworkError:
            pass
        assert told == ["127.0.0.1:1"], told
        with c as same:
            assert same is c
        print("fine")
        """, *flush4)
    assert out == "fine\n"


@PATCHES
def test_what_cannot_go_on_says_what_to_do(flush, patch, spawn):
    skip_without(patch)
    out = in_process("", f"""
        import sys
        import memcxx
        from memcxx import errors
        address = sys.argv[1]

        class Derived(memcxx.Client):
            pass
        c = memcxx.Client(address, timeout=30, connect_timeout=30)
        taken = c.get
        derived = Derived(address, timeout=30)
        chosen = memcxx.Client(address, timeout=30, transport="native")
        lacking = memcxx.Client(address, timeout=30, flush_on_reconnect=True)
        here = memcxx.Client("memory://")
        assert c.set("k", 1) and taken("k") == derived.get("k") == lacking.get("k") == 1
        {patch}

        def refused(call, words):
            try:
                call()
            except errors.NotSupported as why:
                assert words in str(why), why
            else:
                assert False, "it was not refused"
        assert taken("k") == memcxx.Client.get(c, "k") == 1
        for use in (lambda: derived.get("k"), lambda: derived.set("k", 1),
                    lambda: derived.get_many(["k"]), lambda: derived.version(),
                    lambda: derived.within(5).get("k"), lambda: Derived(address).get("k")):
            refused(use, "derive from memcxx.green.Client")
        derived.close()
        refused(lambda: lacking.get("k"), "flush_on_reconnect")
        refused(lambda: lacking.get("k"), "transport=\\"native\\"")
        refused(lambda: Derived(address, transport="python"), "memcxx.green.Client")
        assert c.get("k") == 1 and chosen.get("k") == 1 and chosen.set("k", 2)
        assert here.set("k", 3) and here.get("k") == 3
        print("fine")
        """, flush)
    assert out == "fine\n"
