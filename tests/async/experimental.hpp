// The completion tokens that Asio calls experimental.
// Never here: anything of memcxx's but which Asio it is.
#pragma once

#include <memcxx/asio.hpp>

// After the header above, which tells Asio what the compiler has.
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/experimental/parallel_group.hpp>
