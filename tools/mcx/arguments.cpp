// The command line, read with CLI11, which sees options and how many operands there are.
// Never here: the meaning of an operand; its bytes never pass through the parser.
#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <memcxx/distribution.hpp>
#include <memcxx/version.hpp>

#include "input.hpp"
#include "values.hpp"

namespace mcx {

namespace {

using std::string;
using std::string_view;

struct operand {
  string_view name;
  string_view help;
  int least = 1;
  int most = 1;
};

constexpr int any_number = 1 << 20;

constexpr operand key{"KEY", "1 to 250 bytes"};
constexpr operand value{"VALUE", "The bytes to store; - reads them from standard input"};
constexpr operand ttl{"TTL", "Time to live, see mcx --help"};
constexpr operand delta{"DELTA", "By how much (default 1)", 0};

enum option_set : unsigned {
  none = 0,
  with_ttl = 1,
  with_flags = 2,
  with_initial = 4,
  with_read_form = 8,
  with_write_form = 16,
};
constexpr unsigned store_options = with_ttl | with_flags;
constexpr unsigned typed_store_options = store_options | with_write_form;

struct verb {
  string_view name;
  string_view help;
  std::vector<operand> operands;
  unsigned options = none;
  string_view alias = {};
};

std::vector<verb> all_verbs() {
  const std::vector<operand> key_value{key, value};
  return {
      {"get",
       "Print a value, byte for byte unless --as says how; several keys only with --json",
       {{"KEY", "The keys to read", 1, any_number}},
       with_read_form},
      {"gat", "Print a value as get does, and set its time to live", {key, ttl}, with_read_form},
      {"set", "Store a value", key_value, typed_store_options},
      {"add", "Store a value unless there is one", key_value, typed_store_options},
      {"replace", "Store a value if there is one", key_value, typed_store_options},
      {"append", "Put bytes behind a value", key_value, store_options},
      {"prepend", "Put bytes before a value", key_value, store_options},
      {"cas",
       "Store a value if it is still the one whose cas token was read",
       {key, value, {"TOKEN", "The cas that get --json printed"}},
       typed_store_options},
      {"delete", "Delete an item", {key}, none, "remove"},
      {"touch", "Set the time to live of an item", {key, ttl}},
      {"incr", "Add to a decimal number and print it", {key, delta}, with_ttl | with_initial},
      {"decr",
       "Subtract from a decimal number, down to 0, and print it",
       {key, delta},
       with_ttl | with_initial},
      {"debug", "Print the internals of an item, as the server tells them (meta)", {key}},
      {"flush", "Drop every item of every server", {}},
      {"stats",
       "Print the statistics of every server",
       {{"GROUP", "items, slabs, settings, sizes, conns, ... (default: general)", 0}}},
      {"version", "Print the version of every server", {}},
      {"verbosity",
       "Set how much every server logs",
       {{"LEVEL", "0 for little, 1 and 2 for more"}}},
      {"ping", "Ask every server for an answer, and print how long it took once connected", {}},
      {"which",
       "Print which server a key belongs to, without asking any",
       {{"KEY", "The keys; a single - reads them from standard input, one a line", 1, any_number}}},
      {"ring",
       "Print each server's share of the keys, and what moves when the servers change, without "
       "asking any",
       {}},
  };
}

constexpr string_view examples = R"(Examples:
  mcx set greeting hello --ttl 10m
  mcx get greeting
  mcx --servers 10.0.0.1,10.0.0.2:11212 get user:1 user:2 --json
  mcx set picture - < cat.png
  mcx incr visits --initial 1 --ttl 1d
  mcx --servers "unix:/run/memcached.sock?timeout=50ms" stats slabs
  cut -f1 keys.tsv | mcx which -
  mcx --servers a,b*2 which --distribution twemproxy-ketama --hash murmur user:1
  mcx --servers a,b,c ring --add d
  mcx --servers "a;label=x,b;label=y" ring --remove b --add "c;label=y"
  mcx set minus -- --5
  mcx --dialect pymemcache get user:1 --as json
  mcx --dialect python-memcached set user:1 '{"name": "Ada"}' --as json

SERVERS is a list as a,b:11212,[::1]:11211,unix:/path or a URI as
memcached://a,b*2/?timeout=250ms&distribution=ketama&protocol=meta&prefix=app:
The options here win over those of the URI, which has more, as ?pool_size=4 or
?replicas=2. Behind an address may stand its weight, label and zone, quoted for
the shell: "a*2;label=cache-1;zone=east". What to do about servers that fail is
chosen in the URI too: ?failover=next, ?failover=gutter&gutter=c,d,
?max_failures=5, ... All of them, with what each costs: docs/clusters.md.

DISTRIBUTION is one of
)";

constexpr string_view dialects = R"(
--dialect NAME makes get, gat, set, add, replace and cas speak of typed values
as another client stores them, and so does --as, in the dialect of the URI
(?dialect=NAME) or else native. Without either they speak of bare bytes, and
flags are yours. All other verbs do that always. NAME is one of
)";

constexpr string_view rest_of_footer = R"(
No value names its dialect: it has to be the one that the value was stored in.
get --as FORM prints a value
  text     as it is (default): text, bytes and numbers as they are; true, false
           and null; what has structure as json
  json     as compact JSON on one line; text is a JSON string, bytes have to be
           UTF-8
  msgpack  as the bytes of its MessagePack
  hex      as the digits of its bytes on one line, decompressed, but a pickle, a
           marshal or a Ruby object not taken apart
set --as FORM takes VALUE for
  text     UTF-8 text (default)        float  a number
  bytes    bytes                       bool   true, false, 1 or 0
  int      decimal digits, however many
  json     JSON; stored as the dialect stores such a value, by native as JSON
  msgpack  the same in notation, stored as MessagePack where the dialect has it
Around numbers and JSON there may be blanks. With --json the printed text is the
"value" of an object that also names its "kind"; json stands there unquoted, and
msgpack in base64.

HASH is the hash of the key, for those that leave a choice: as libmemcached and
twemproxy write it (default, md5, crc, crc32a, fnv1_32, fnv1a_32, fnv1_64,
fnv1a_64, hsieh, murmur, murmur3, jenkins), for libmc crc_32, fnv1_32, fnv1a_32.
ketama, jump and maglev hash with md5 unless told otherwise.

TTL is 0 for never, a time as 250ms, 30 (seconds), 1.5s, 10m, 1h or 30d, anything
negative for "expire now", or @EPOCH for a point in time in seconds since 1970.

VALUE and KEY are bytes as the shell gives them. What begins with "-" and is
neither "-" nor a negative number goes behind a "--".

Exit status:
  0  done, or a hit
  1  a miss, or a condition that does not hold (add, replace, cas, incr)
  2  a mistake of the caller: an option, a URI, a key, a ttl, a value over
     max_value_size, or something that the protocol cannot do
  3  a server, the network or the clock failed, or the output cannot be written
  4  a typed value is not what was wanted: its flags are not the dialect's (both
     they and its first bytes are told), it is damaged, too large once
     decompressed, or of a type that cannot be read, printed or stored that way
)";

// Names, wrapped and indented.
string wrapped(const std::vector<string>& names) {
  constexpr std::size_t width = 80;
  string out;
  std::size_t column = 0;
  for (const string& name : names) {
    const bool wraps = column + 1 + name.size() > width;
    if (wraps) out += '\n';
    if (wraps || column == 0) column = 1;
    out += (column == 1 ? "  " : " ") + name;
    column += name.size() + 1;
  }
  return out += '\n';
}

string footer() {
  std::vector<string> distributions;
  for (const string_view name : memcxx::distribution_names()) distributions.emplace_back(name);
  string out(examples);
  out += wrapped(distributions);
  out += dialects;
  out += wrapped(dialect_names());
  return out += rest_of_footer;
}

// Bytes from the shell never pass through the parser, which would give some of them ("[a]", "++",
// "{}") a meaning of its own: it sees "#0", "#1", … in their place.
struct words {
  std::vector<string> shown;
  std::vector<string> bytes;     // what "#i" stands for
  std::vector<string> operands;  // those of `bytes` that belong to the verb

  string stand_in(string_view original) {
    bytes.emplace_back(original);
    return "#" + std::to_string(bytes.size() - 1);
  }
  const string& original(const string& stand_in) const {
    return bytes.at(std::stoul(stand_in.substr(1)));
  }
  // A message of the parser, with the bytes put back, fit for one line.
  string restored(string_view message) const {
    string out;
    for (std::size_t i = 0; i < message.size();) {
      std::size_t index = bytes.size();
      const char* const from = message.data() + i;
      const char* const all = message.data() + message.size();
      const char* end = from + 1;
      if (*from == '#') end = std::from_chars(from + 1, all, index).ptr;
      if (index < bytes.size()) {
        out += in_quotes(bytes[index]);
        i += static_cast<std::size_t>(end - from);
      } else {
        out += *from == '\n' ? ' ' : *from;
        ++i;
      }
    }
    return out;
  }
};

bool is_negative_number(string_view word) {
  return word.size() > 1 && word[0] == '-' && word[1] >= '0' && word[1] <= '9';
}

CLI::Option* find_option(CLI::App& app, CLI::App* sub, const string& name) {
  CLI::Option* found = sub != nullptr ? sub->get_option_no_throw(name) : nullptr;
  return found != nullptr ? found : app.get_option_no_throw(name);
}

// Tells options from operands. `wrong` says what is neither an option nor a verb.
words split(CLI::App& app, std::span<char* const> argv, std::optional<string>& wrong) {
  words out;
  CLI::App* sub = nullptr;
  bool options_end = false;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const string_view word = argv[i];
    if (!options_end && word == "--") {
      options_end = true;
    } else if (options_end || word.size() < 2 || word[0] != '-' || is_negative_number(word)) {
      if (sub == nullptr) {
        const auto named =
            app.get_subcommands([word](CLI::App* s) { return s->check_name(string(word)); });
        if (named.empty()) {
          wrong = "there is no verb " + in_quotes(word) + "; mcx --help lists them";
          return out;
        }
        sub = named.front();
        out.shown.emplace_back(word);
      } else {
        out.operands.emplace_back(word);
        out.shown.push_back(out.stand_in(word));
      }
    } else {
      const std::size_t equals = word.find('=');
      const string name(word.substr(0, equals));
      const CLI::Option* option = find_option(app, sub, name);
      if (option == nullptr) {
        wrong = "unknown option " + in_quotes(name);
        if (sub != nullptr)
          *wrong += " for " + sub->get_name() +
                    "; keys and values that begin with \"-\" go behind \"--\"";
        return out;
      }
      if (option->get_items_expected_max() == 0) {
        out.shown.emplace_back(word);
      } else {
        out.shown.push_back(name);
        if (equals != string_view::npos)
          out.shown.push_back(out.stand_in(word.substr(equals + 1)));
        else if (i + 1 < argv.size())
          out.shown.push_back(out.stand_in(argv[++i]));
      }
    }
  }
  return out;
}

void describe(CLI::App& app, arguments& into) {
  const auto text = [](CLI::App& to, const char* name, std::optional<string>& target,
                       const char* placeholder, const char* help) {
    to.add_option_function<string>(
          name, [&target](const string& s) { target = s; }, help)
        ->type_name(placeholder);
  };
  app.name("mcx");
  app.description("Reads and writes memcached.\n");
  app.set_version_flag("--version", "mcx " + string(memcxx::library_version),
                       "Print the version of mcx and exit");
  app.footer(footer());
  app.get_formatter()->label("SUBCOMMAND", "VERB ...");
  app.fallthrough();
  app.require_subcommand(0, 1);
  text(app, "--servers", into.servers, "SERVERS",
       "A list or a URI (default: $MEMCXX_SERVERS, then 127.0.0.1)");
  text(app, "--protocol", into.protocol, "NAME", "auto (default), classic, meta or binary");
  text(app, "--distribution", into.distribution, "NAME",
       "How keys are spread over servers (default: ketama)");
  text(app, "--hash", into.hash, "NAME", "The hash of the distribution");
  text(app, "--timeout", into.timeout, "TIME", "For each call, as 250ms (default: 1s)");
  text(app, "--connect-timeout", into.connect_timeout, "TIME",
       "For connecting, which is part of a call (default: 500ms)");
  text(app, "--dialect", into.dialect, "NAME",
       "Typed values, with the flags and formats of this client; see below");
  app.add_flag("--json", into.json, "Print one JSON object a line, errors included")
      ->disable_flag_override();

  for (const verb& v : all_verbs()) {
    CLI::App* sub = app.add_subcommand(string(v.name), string(v.help));
    sub->group("Verbs");
    if (!v.alias.empty()) sub->alias(string(v.alias));
    sub->footer("Global options and the forms of TTL and --as: mcx --help");
    for (const operand& o : v.operands) {
      const string name(o.name);
      const string help(o.help);
      // Only how many there are is asked of the parser; see `words`.
      CLI::Option* const added =
          o.most > 1 ? sub->add_option_function<std::vector<string>>(
                           name, [](const std::vector<string>&) {}, help)
                     : sub->add_option_function<string>(name, [](const string&) {}, help);
      added->required(o.least > 0)->option_text(o.most > 1 ? "..." : " ");
    }
    if ((v.options & with_ttl) != 0)
      text(*sub, "--ttl", into.ttl, "TTL",
           (v.options & with_initial) != 0 ? "Time to live of a counter that --initial creates"
                                           : "Time to live (default: never expires)");
    if ((v.options & with_flags) != 0)
      text(*sub, "--flags", into.flags, "N", "Client flags, a 32 bit number (default: 0)");
    if ((v.options & with_read_form) != 0)
      text(*sub, "--as", into.as, "FORM", "Read a typed value: text, json, msgpack or hex");
    if ((v.options & with_write_form) != 0) {
      text(*sub, "--as", into.as, "FORM",
           "Store a typed value: text, int, float, bool, json, msgpack or bytes");
      text(*sub, "--min-compress", into.min_compress, "N",
           "Compress typed values of more than N bytes; 0 never (default: as the URI says)");
    }
    if ((v.options & with_initial) != 0)
      text(*sub, "--initial", into.initial, "N",
           "Create the counter with this value when there is none");
    if (v.name == "delete")
      sub->add_flag("--everywhere", into.everywhere, "On every server, wherever the key belongs")
          ->disable_flag_override();
    if (v.name == "flush")
      text(*sub, "--delay", into.delay, "TIME", "After this time (default: now)");
    if (v.name == "ring") {
      text(*sub, "--add", into.added, "SERVER", "What if this server joined, at the end");
      text(*sub, "--remove", into.removed, "SERVER", "What if this server left");
      text(*sub, "--keys", into.keys, "N", "How many keys are placed (default: 1000000)");
    }
  }
}

std::unexpected<nothing_to_run> mistake(string message) {
  return std::unexpected(nothing_to_run{true, std::move(message)});
}

}  // namespace

std::expected<arguments, nothing_to_run> parse_arguments(std::span<char* const> argv) {
  arguments parsed;
  CLI::App app;
  describe(app, parsed);
  std::optional<string> wrong;
  words given = split(app, argv, wrong);
  if (wrong) return mistake(*std::move(wrong));
  std::ranges::reverse(given.shown);  // as the parser wants a vector
  try {
    app.parse(std::vector<string>(given.shown));
  } catch (const CLI::CallForVersion& e) {
    return std::unexpected(nothing_to_run{false, string(e.what()) + "\n"});
  } catch (const CLI::Success&) {
    return std::unexpected(nothing_to_run{false, app.help()});
  } catch (const CLI::ParseError& e) {
    return mistake(given.restored(e.what()));
  }
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return mistake("a verb is needed; mcx --help lists them");
  parsed.verb = chosen.front()->get_name();
  parsed.operands = std::move(given.operands);
  for (auto member :
       {&arguments::servers, &arguments::protocol, &arguments::distribution, &arguments::hash,
        &arguments::timeout, &arguments::connect_timeout, &arguments::dialect, &arguments::ttl,
        &arguments::flags, &arguments::as, &arguments::min_compress, &arguments::initial,
        &arguments::delay, &arguments::added, &arguments::removed, &arguments::keys})
    if (auto& option = parsed.*member) option = given.original(*option);
  return parsed;
}

bool asks_for_json(std::span<char* const> argv) {
  for (const char* word : argv) {
    if (string_view(word) == "--") return false;
    if (string_view(word) == "--json") return true;
  }
  return false;
}

}  // namespace mcx
