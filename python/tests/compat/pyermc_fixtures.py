"""What the tests of memcxx.compat.pyermc share: its drivers, and clients over them."""

from __future__ import annotations

import pytest

from memcxx.compat import pyermc
from memcxx.compat.pyermc import driver

OVER_A_SOCKET = [driver.textproto.TextProtoDriver, driver.binaryproto.BinaryProtoDriver,
                 driver.ultramemcache.UMemcacheDriver]
DRIVERS = [*OVER_A_SOCKET, driver.core.CoreDriver]


def named(cls):
    return cls.__name__


def client(address, **options):
    if address.startswith("unix:"):
        return pyermc.Client(address, **options)
    host, _, port = address.rpartition(":")
    return pyermc.Client(host, int(port), **options)


@pytest.fixture(params=DRIVERS, ids=named)
def which(request):
    return request.param


@pytest.fixture(params=OVER_A_SOCKET, ids=named)
def over_a_socket(request):
    return request.param


@pytest.fixture
def mc(flush, which):
    made = client(flush, client_driver=which, cache_cas=True)
    yield made
    made.close()
