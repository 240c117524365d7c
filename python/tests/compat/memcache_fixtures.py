"""What the tests of memcxx.compat.memcache share: the module under test, which is memcxx's, and
python-memcached where it is installed.
"""

from __future__ import annotations

import pytest

from memcxx.compat import memcache as ours

NAMES = ["memcxx", "python-memcached"]


def module_named(name):
    return ours if name == "memcxx" else pytest.importorskip("memcache")


@pytest.fixture(params=NAMES)
def module(request):
    found = module_named(request.param)
    yield found
    found.serverHashFunction = found.cmemcache_hash


@pytest.fixture
def mc(module, flush):
    client = module.Client([flush], cache_cas=True)
    yield client
    client.disconnect_all()


@pytest.fixture
def closed_port(new_server):
    server = new_server()
    server.kill()
    return server.address
