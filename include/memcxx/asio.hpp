// Which Asio the asynchronous client is built on: the standalone library, or Boost's with
// MEMCXX_BOOST_ASIO (CMake's option of that name sets it for memcxx::async and whoever links it).
// Never here: anything of memcxx.
#pragma once

#if defined(MEMCXX_BOOST_ASIO)

#include <boost/asio.hpp>

namespace memcxx {
namespace net = boost::asio;
}

#else

// Asio 1.22 looks for coroutines where Clang with libstdc++ does not announce them.
#if defined(__clang__) && !defined(ASIO_HAS_CO_AWAIT)
#define ASIO_HAS_CO_AWAIT 1
#define ASIO_HAS_STD_COROUTINE 1
#endif

#include <asio.hpp>

namespace memcxx {
namespace net = asio;
}

#endif
