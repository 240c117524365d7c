// See stats.hpp.
#include "stats.hpp"

#include <new>
#include <thread>
#include <utility>

namespace memcxx::python {

namespace {

result<text_statistics> ask(client c, const std::string& server, std::string_view group) try {
  auto one = c.open(server);
  if (!one) return std::unexpected(std::move(one).error());
  return one->execute(text_stats{group});
} catch (const std::bad_alloc&) {
  return std::unexpected(error(errc::out_of_memory));
}

}  // namespace

std::vector<server_reply<text_statistics>> text_stats_of(client& c, std::string_view group) {
  std::vector<server_reply<text_statistics>> out;
  for (std::string& name : c.servers()) out.push_back({std::move(name), text_statistics()});
  if (out.empty()) return out;
  std::vector<std::jthread> others;  // they end before what they write to goes
  for (std::size_t i = 1; i < out.size(); ++i) {
    others.emplace_back([&c, &one = out[i], group] { one.reply = ask(c, one.server, group); });
  }
  out[0].reply = ask(c, out[0].server, group);
  return out;
}

nb::dict dict_of(const text_statistics& all) {
  nb::dict out;
  for (const auto& [name, text] : all) {
    out[nb::str(name.data(), name.size())] = nb::steal(PyUnicode_DecodeUTF8(
        text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
  }
  return out;
}

}  // namespace memcxx::python
