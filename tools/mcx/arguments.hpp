// The command line: which verb, what it is given, and the options around it.
// Never here: what a verb does, and what keys and values mean; they are bytes, taken as they came.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace mcx {

struct arguments {
  std::string verb;
  std::vector<std::string> operands;  // as many as the verb takes, byte for byte

  std::optional<std::string> servers;
  std::optional<std::string> protocol;
  std::optional<std::string> distribution;
  std::optional<std::string> hash;
  std::optional<std::string> timeout;
  std::optional<std::string> connect_timeout;
  std::optional<std::string> dialect;
  bool json = false;

  std::optional<std::string> ttl;
  std::optional<std::string> flags;
  std::optional<std::string> as;
  std::optional<std::string> min_compress;
  std::optional<std::string> initial;
  std::optional<std::string> delay;
  bool everywhere = false;

  std::optional<std::string> added;    // a server, for ring
  std::optional<std::string> removed;  // the same
  std::optional<std::string> keys;     // how many
};

// Why there is nothing to run: the help or the version was asked for, or the command line is wrong.
struct nothing_to_run {
  bool mistaken = false;
  std::string text;  // the help; or what is wrong, on one line
};

std::expected<arguments, nothing_to_run> parse_arguments(std::span<char* const> argv);

// Whether --json stands on the command line, even on one that cannot be parsed.
bool asks_for_json(std::span<char* const> argv);

}  // namespace mcx
