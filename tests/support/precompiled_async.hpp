// What most tests of the asynchronous client include, for builds with MEMCXX_TEST_PCH.
// Never here: a declaration.
#pragma once

#include <future>
#include <sstream>

#include <memcxx/async_client.hpp>

#include "precompiled.hpp"
