// What a caller may ignore, and what not: each line that says so has to be warned of, and no other.
// Compiled by ignored_test.py alone.
// Never here: anything that runs.
#include <map>
#include <string>

#include <memcxx/client.hpp>

using namespace std::chrono_literals;

void of_a_client(const memcxx::client& cache, memcxx::client& mine) {
  char buffer[8];
  memcxx::batch b;
  cache.get("k");                                // warns
  cache.get<int>("k");                           // warns
  cache.gat("k", 1s);                            // warns
  cache.get_into("k", buffer);                   // warns
  cache.get_item<int>("k");                      // warns
  cache.set("k", "v");                           // warns
  cache.set("k", 1);                             // warns
  cache.set("k", "v", {.quiet = true});          // warns
  cache.add("k", "v");                           // warns
  cache.replace("k", "v");                       // warns
  cache.cas("k", "v", 1);                        // warns
  cache.append("k", "v");                        // warns
  cache.prepend("k", "v");                       // warns
  cache.remove("k");                             // warns
  cache.touch("k", 1s);                          // warns
  cache.incr("k");                               // warns
  cache.decr("k");                               // warns
  cache.debug("k");                              // warns
  cache.execute(memcxx::commands::version{});    // warns
  cache.get_many({"k"});                         // warns
  cache.set_many({{"k", "v"}});                  // warns
  cache.set_many(std::map<std::string, int>());  // warns
  cache.remove_many({"k"});                      // warns
  cache.run(b);                                  // warns
  cache.flush();                                 // warns
  cache.cache("k", 1s, [] { return 1; });        // warns
  cache.open("a");                               // warns
  mine.add_server(memcxx::server_address());     // warns
  mine.remove_server("a");                       // warns
  mine.set_weight("a", 1);                       // warns
  mine.replace_servers({});                      // warns
  memcxx::client::create("a");                   // warns
  cache.disconnect();
}

void of_a_session(const memcxx::session& one) {
  memcxx::batch b;
  one.set("k", "v");  // warns
  one.run(b);         // warns
  one.connect();      // warns
  one.disconnect();
}

// Its outcome is told by run.
void of_a_batch(memcxx::batch& b) {
  b.get("k");
  b.set("k", "v");
  b.set("k", 1);
  b.incr("k");
  b.remove("k");
}
