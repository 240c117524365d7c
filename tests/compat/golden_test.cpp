// Every preset against the vectors that scripts/golden made from the clients in the field.
// MEMCXX_GOLDEN_DIR names the directory of the vectors.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <memcxx/distribution.hpp>
#include <memcxx/options.hpp>

#include "../../src/routing/hash.hpp"
#include "golden_keys.hpp"

namespace {

namespace fs = std::filesystem;
using memcxx::server_address;
using memcxx::test::golden_key;

const fs::path directory = MEMCXX_GOLDEN_DIR;

template <class Number>
Number number(std::string_view text, int base = 10) {
  Number n{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), n, base);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    throw std::runtime_error("not a number: " + std::string(text));
  }
  return n;
}

std::uint32_t digit(char c) { return number<std::uint32_t>(std::string_view(&c, 1), 36); }

// host:port or unix:path, then perhaps *weight or =label.
server_address parse(std::string_view text) {
  server_address server;
  if (const auto star = text.rfind('*'); star != std::string_view::npos) {
    server.weight = number<std::uint32_t>(text.substr(star + 1));
    text = text.substr(0, star);
  } else if (const auto equals = text.rfind('='); equals != std::string_view::npos) {
    server.label = text.substr(equals + 1);
    text = text.substr(0, equals);
  }
  if (text.starts_with("unix:")) {
    server.is_unix = true;
    server.host = text.substr(5);
  } else {
    const auto colon = text.rfind(':');
    server.host = text.substr(0, colon);
    server.port = number<std::uint16_t>(text.substr(colon + 1));
  }
  return server;
}

// The keys of one line of "keys", and where they went: one base-36 digit for each.
struct placement {
  std::string cluster;
  std::vector<server_address> servers;
  bool text = false;
  std::uint32_t first = 0;
  unsigned attempt = 0;
  std::size_t count = 0;
  std::string digits;
};

struct golden_file {
  std::string preset;
  std::vector<placement> placements;
};

golden_file read(const fs::path& path) {
  golden_file file;
  std::ifstream in(path);
  std::string cluster;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "source") continue;
    if (word == "preset") {
      words >> file.preset;
    } else if (word == "cluster") {
      cluster = line.substr(8);
    } else if (word == "keys") {
      placement p;
      std::string kind, ignored;
      words >> kind >> p.first >> p.count >> ignored >> p.attempt;
      p.text = kind == "text";
      p.cluster = cluster;
      std::istringstream servers(cluster);
      for (std::string server; servers >> server;) p.servers.push_back(parse(server));
      file.placements.push_back(std::move(p));
    } else {
      file.placements.at(file.placements.size() - 1).digits += line;
    }
  }
  return file;
}

std::vector<fs::path> files() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".txt" && entry.path().stem() != "hashes") {
      found.push_back(entry.path());
    }
  }
  std::ranges::sort(found);
  return found;
}

std::string test_name(const testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.stem().string();
  std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

class Golden : public testing::TestWithParam<fs::path> {};

TEST_P(Golden, EveryKeyGoesWhereTheOriginalPutsIt) {
  const golden_file file = read(GetParam());
  ASSERT_FALSE(file.placements.empty());
  for (const placement& p : file.placements) {
    ASSERT_EQ(p.digits.size(), p.count);
    const auto made = memcxx::make_distribution(file.preset, p.servers);
    ASSERT_TRUE(made) << made.error();
    std::size_t differences = 0;
    for (std::uint32_t i = 0; i < p.count; ++i) {
      const std::string key = golden_key(p.first + i, p.text);
      const auto expected = digit(p.digits[i]);
      const std::uint32_t picked = (*made)->pick(key, p.attempt);
      if (picked != expected && differences++ == 0) {
        ADD_FAILURE() << file.preset << " over " << p.cluster << ", attempt " << p.attempt
                      << ": key '" << key << "' (" << p.first + i << ") went to " << picked
                      << ", the original has it on " << expected;
      }
    }
    EXPECT_EQ(differences, 0U) << file.preset << " over " << p.cluster << ", attempt " << p.attempt;
  }
}

INSTANTIATE_TEST_SUITE_P(Field, Golden, testing::ValuesIn(files()), test_name);

TEST(GoldenVectors, CoverEveryPresetWithTenThousandKeys) {
  std::map<std::string, std::size_t, std::less<>> keys;
  for (const fs::path& path : files()) {
    const golden_file file = read(path);
    for (const placement& p : file.placements) {
      keys[file.preset.substr(0, file.preset.find('/'))] += p.count;
    }
  }
  // "ketama" and "modula" are second names of libmemcached's.
  for (const std::string_view name : memcxx::distribution_names()) {
    if (name == "ketama" || name == "modula") continue;
    EXPECT_GE(keys[std::string(name)], 10'000U) << name;
  }
}

TEST(GoldenHashes, AreLibmemcachedsOnX86) {
  std::ifstream in(directory / "hashes.txt");
  std::uint32_t first = 0, count = 0;
  std::string name, digits;
  std::size_t checked = 0;
  const auto check = [&] {
    if (name.empty()) return;
    const auto hash = memcxx::routing::find_hash(name);
    ASSERT_NE(hash, nullptr) << name;
    ASSERT_EQ(digits.size(), std::size_t{count} * 8) << name;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto expected =
          number<std::uint32_t>(std::string_view(digits).substr(std::size_t{i} * 8, 8), 16);
      EXPECT_EQ(hash(golden_key(first + i, false)), expected) << name << ", key " << first + i;
    }
    ++checked;
  };
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word, kind;
    words >> word;
    if (word == "source") continue;
    if (word == "keys") {
      words >> kind >> first >> count;
    } else if (word == "hash") {
      check();
      words >> name;
      digits.clear();
    } else {
      digits += line;
    }
  }
  check();
  EXPECT_EQ(checked, 10U);
}

}  // namespace
