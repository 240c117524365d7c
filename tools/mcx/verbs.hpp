// Every verb of mcx: what it asks of the client, and what it tells of the answer.
// Never here: how replies are printed, how the command line is read.
#pragma once

#include <string>

#include <memcxx/client.hpp>
#include <memcxx/command.hpp>
#include <memcxx/protocol/request.hpp>

#include "arguments.hpp"
#include "output.hpp"

namespace mcx {

struct run {
  memcxx::client& cache;
  const arguments& given;
  output& out;
};

// Runs the verb that was given. Its outcome, errors included, is in `r.out`.
void run_verb(const run& r);

// For one key or several (key_verbs.cpp).
void get(const run& r);
void gat(const run& r);
void store(const run& r);
void remove(const run& r);
void touch(const run& r);
void count(const run& r);
void debug(const run& r);

// The same with typed values, when --dialect or --as asks for them (typed_verbs.cpp).
bool is_typed(const arguments& given) noexcept;
void get_typed(const run& r);
void gat_typed(const run& r);
// What store() read from the command line; `operand` is the value's.
void store_typed(const run& r, memcxx::protocol::verb op, const memcxx::store_options& options,
                 std::string operand);

// For every server (server_verbs.cpp).
void remove_everywhere(const run& r);
void flush(const run& r);
void stats(const run& r);
void version(const run& r);
void verbosity(const run& r);
void ping(const run& r);

// Where keys go, without asking any server (placement_verbs.cpp).
void which(const run& r);
void ring(const run& r);

}  // namespace mcx
