// What tests of marshal and Ruby's Marshal share: the nodes of a document as text, the golden files
// of scripts/golden/values_marshal.py and values_ruby.rb, and what every reader has to survive.
// Never here: a format.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "codec/document.hpp"

namespace memcxx::test {

inline std::string hexed(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

inline std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

// The nodes of values_marshal.py. Tells apart what == does not: the zeros; and a nan is itself.
inline std::string nodes_of(const codecs::document& d) {
  return std::visit(
      [](const auto& node) -> std::string {
        using T = std::remove_cvref_t<decltype(node)>;
        if constexpr (std::same_as<T, std::monostate>) return "n";
        if constexpr (std::same_as<T, bool>) return node ? "T" : "F";
        if constexpr (std::same_as<T, std::int64_t> || std::same_as<T, std::uint64_t>)
          return "i" + std::to_string(node);
        if constexpr (std::same_as<T, codecs::big_integer>) return "i" + node.digits;
        if constexpr (std::same_as<T, double>) {
          std::string bytes;
          for (int shift = 56; shift >= 0; shift -= 8)
            bytes += static_cast<char>(std::bit_cast<std::uint64_t>(node) >> shift & 0xff);
          return "f" + hexed(bytes);
        }
        if constexpr (std::same_as<T, codecs::text_node>) return "t" + hexed(node.utf8);
        if constexpr (std::same_as<T, codecs::bytes_node>) return "b" + hexed(node.bytes);
        std::string out;
        if constexpr (std::same_as<T, codecs::list_node>) {
          for (const auto& item : node) out += (out.empty() ? "" : ",") + nodes_of(item);
          return "[" + out + "]";
        }
        if constexpr (std::same_as<T, codecs::map_node>) {
          for (const auto& [key, item] : node)
            out += (out.empty() ? "" : ",") + nodes_of(key) + ":" + nodes_of(item);
          return "{" + out + "}";
        }
      },
      d.is);
}

// So many lists, each in the one before.
inline codecs::document lists_in_lists(int count) {
  codecs::document d;
  for (int i = 0; i < count; ++i) {
    codecs::list_node around;
    around.push_back(std::move(d));
    d.is = std::move(around);
  }
  return d;
}

struct golden_line {
  std::string version;
  std::string bytes;
  char sign = '?';
  std::string nodes;
};

// MEMCXX_GOLDEN_DIR names the directory of the vectors.
inline std::vector<golden_line> golden_lines(const std::string& file) {
  std::vector<golden_line> lines;
  std::ifstream in(std::filesystem::path(MEMCXX_GOLDEN_DIR) / file);
  for (std::string line; std::getline(in, line);) {
    golden_line g;
    std::string hex;
    std::istringstream(line) >> g.version >> hex >> g.sign >> g.nodes;
    g.bytes = from_hex(hex);
    lines.push_back(std::move(g));
  }
  return lines;
}

// One line against what was read of its bytes.
inline void expect_as_recorded(const golden_line& line, const result<codecs::document>& d) {
  SCOPED_TRACE(line.version + " " + hexed(line.bytes));
  if (line.sign == '=' || line.sign == '<') {
    ASSERT_TRUE(d) << d.error().what();
    EXPECT_EQ(nodes_of(*d), line.nodes);
    return;
  }
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error(), line.sign == '!' ? errc::wrong_type : errc::corrupt_value)
      << d.error().what();
}

// Reads a copy of the very size: the sanitizer sees a read beyond it.
template <class Read>
auto read_exactly(Read read, std::string_view in) {
  const std::vector<char> exact(in.begin(), in.end());
  return read(std::string_view(exact.data(), exact.size()));
}

// What is cut off anywhere is refused, and what is damaged is read or refused with words.
template <class Read>
void expect_to_survive(Read read, const std::string& whole, std::mt19937& random) {
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto d = read_exactly(read, std::string_view(whole).substr(0, size));
    ASSERT_FALSE(d) << "read as whole: the first " << size << " bytes of " << hexed(whole);
    ASSERT_EQ(d.error(), errc::corrupt_value) << d.error().what();
  }
  const auto expect_sane = [&](const std::string& in) {
    const auto d = read_exactly(read, in);
    if (d) return;
    EXPECT_TRUE(d.error() == errc::corrupt_value || d.error() == errc::wrong_type)
        << d.error().what() << " for " << hexed(in);
    EXPECT_NE(d.error().message().find(", byte "), std::string_view::npos) << d.error().what();
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << random() % 8));
    expect_sane(damaged);
    damaged[i] = static_cast<char>(random() % 256);
    damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    expect_sane(damaged);
  }
}

}  // namespace memcxx::test
