// The golden pickles: tests/codec/golden/pickle.txt, which scripts/golden/values_pickle.py makes.
// Never here: what is done with them.
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "documents.hpp"

namespace memcxx::codecs::test {

struct golden_pickle {
  std::string name;
  document value;     // not of those that are refused
  int protocol = -1;  // as which memcxx has to write the very same; -1: it only has to read it
  std::string bytes;
};

struct golden_pickles {
  std::vector<golden_pickle> plain;
  std::vector<golden_pickle> refused;
};

inline const golden_pickles& pickles() {
  static const golden_pickles all = [] {
    golden_pickles out;
    std::ifstream in(MEMCXX_GOLDEN_DIR "/pickle.txt");
    golden_pickle now;
    for (std::string line; std::getline(in, line);) {
      const std::size_t space = line.find(' ');
      const std::string word = line.substr(0, space);
      const std::string rest = line.substr(space + 1);
      if (word == "case") {
        now = {.name = rest, .value = {}, .bytes = {}};
        continue;
      }
      if (word == "value") now.value = notation::document_of(rest);
      if (word != "write" && word != "read" && word != "refuse") continue;
      const std::size_t middle = rest.find(' ');
      golden_pickle made = now;
      made.bytes = notation::bytes(rest.substr(middle + 1));
      if (word == "refuse") {
        made.name = rest.substr(0, middle);
        out.refused.push_back(std::move(made));
        continue;
      }
      made.name += ", " + word + " " + rest.substr(0, middle);
      if (word == "write") made.protocol = std::stoi(rest);
      out.plain.push_back(std::move(made));
    }
    if (out.plain.size() < 1000 || out.refused.size() < 100) {
      throw std::runtime_error("the golden pickles are not there");
    }
    return out;
  }();
  return all;
}

}  // namespace memcxx::codecs::test
