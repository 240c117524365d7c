// Every dialect against what the clients in the field stored: scripts/golden/values.py made the
// vectors. What they store reads as what they read back, and what is stored here has their flags
// and their bytes. MEMCXX_GOLDEN_DIR names the directory of the vectors.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "packing.hpp"

namespace memcxx::test {
namespace {

namespace fs = std::filesystem;

struct vector_line {
  std::string name;
  std::size_t min_compress = 0;
  value given;
  stored item;
  value read_back;
};

struct vector_file {
  dialect which = dialect::native;
  std::vector<vector_line> lines;
};

std::string unhexed(const std::string& hex) {
  std::string out;
  if (hex == "-") return out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

value_kind kind_named(const std::string& name) {
  for (int k = 0; k <= static_cast<int>(value_kind::ruby); ++k)
    if (name_of(static_cast<value_kind>(k)) == name) return static_cast<value_kind>(k);
  ADD_FAILURE() << "no kind " << name;
  return value_kind::bytes;
}

vector_file read(const fs::path& path) {
  vector_file file;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string what, name, kind, hex, item;
    words >> what >> name;
    if (what == "dialect") {
      const auto d = dialect_named(name);
      EXPECT_TRUE(d) << name;
      file.which = d.value_or(dialect::native);
    }
    if (what != "value") continue;
    vector_line v;
    v.name = name;
    words >> v.min_compress >> kind >> hex >> v.item.flags >> item;
    v.given = {kind_named(kind), unhexed(hex)};
    v.item.bytes = unhexed(item);
    v.read_back = v.given;
    if (words >> kind >> hex) v.read_back = {kind_named(kind), unhexed(hex)};
    file.lines.push_back(v);
  }
  return file;
}

std::vector<fs::path> files() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(MEMCXX_GOLDEN_DIR))
    if (entry.path().filename().string().starts_with("values_")) found.push_back(entry.path());
  return found;
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.stem().string().substr(7);
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
}

// What the client stores and this library reads, but would not store itself: integers stay
// counters, what compressing makes longer stays as it is.
bool is_only_read(dialect d, const std::string& name) {
  static const std::set<std::pair<dialect, std::string>> some = {
      {dialect::pylibmc, "compressed_int"},
      {dialect::libmc, "compressed_int"},
      {dialect::libmc, "incompressible"},
      {dialect::pylibmc, "short_of_compressing"},  // it compresses from the limit on
      {dialect::pyermc, "compressed_int"},
  };
  return some.contains({d, name});
}

// Python 2 numbers its memo from 1 and leaves out what nobody else holds; its bytes have opcodes of
// their own. Pickles are written as Python 3 does, which it reads.
bool is_pickle_of_python2(dialect d, std::uint32_t flags) {
  return (d == dialect::cmemcache || d == dialect::pyermc) && (flags & 1) != 0;
}

class dialect_golden : public testing::TestWithParam<fs::path> {};

TEST_P(dialect_golden, reads_what_the_original_stored) {
  const vector_file file = read(GetParam());
  ASSERT_FALSE(file.lines.empty());
  const value_codec codec = codec_of(file.which);
  for (const vector_line& v : file.lines) {
    const auto got = unpack(codec, v.item);
    ASSERT_TRUE(got) << v.name << ": " << got.error();
    EXPECT_EQ(*got, v.read_back) << v.name;
  }
}

TEST_P(dialect_golden, stores_as_the_original_does) {
  const vector_file file = read(GetParam());
  const value_codec codec = codec_of(file.which);
  for (const vector_line& v : file.lines) {
    if (is_only_read(file.which, v.name)) continue;
    const auto got = pack(codec, v.given, "k", v.min_compress);
    ASSERT_TRUE(got) << v.name << ": " << got.error();
    EXPECT_EQ(got->flags, v.item.flags) << v.name;
    EXPECT_EQ(unpack(codec, *got).value(), v.read_back) << v.name;
    // Which bytes a compressor finds is its version's affair.
    const bool is_compressed = v.min_compress != 0 && v.item.bytes.size() < v.given.bytes.size();
    if (is_compressed) {
      EXPECT_LT(got->bytes.size(), v.given.bytes.size()) << v.name;
    } else if (!is_pickle_of_python2(file.which, v.item.flags)) {
      EXPECT_EQ(got->bytes, v.item.bytes) << v.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(field, dialect_golden, testing::ValuesIn(files()), test_name);

TEST(dialect_golden_files, cover_every_dialect_but_native) {
  std::set<dialect> seen;
  for (const fs::path& path : files()) {
    const vector_file file = read(path);
    EXPECT_GE(file.lines.size(), 20U) << path;
    seen.insert(file.which);
  }
  EXPECT_EQ(seen.size(), every_dialect.size() - 1);
  EXPECT_FALSE(seen.contains(dialect::native));
}

}  // namespace
}  // namespace memcxx::test
