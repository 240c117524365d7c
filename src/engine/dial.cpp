// Opening a connection. See dial.hpp.
#include "engine/dial.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace memcxx::engine {

namespace {

// The limit that was met, by name: "within 500ms (connect_timeout)".
std::string name_limit(const options& o, clock::duration left) {
  const bool own = o.connect_timeout <= left;
  const auto ms = own ? o.connect_timeout : std::chrono::ceil<std::chrono::milliseconds>(left);
  return " within " + std::to_string(ms.count()) + (own ? "ms (connect_timeout)" : "ms (timeout)");
}

}  // namespace

dial::dial(server& to, clock::time_point now, clock::time_point deadline)
    : server_(to),
      until_(std::min(now + to.settings().connect_timeout, deadline)),
      limit_(name_limit(to.settings(), deadline - now)),
      negotiation_(to.memory()) {}

dial::progress dial::give_up(errc code, std::string message) {
  why_ = error(code, std::move(message), server_.name());
  drop_all();
  return progress::failed;
}

void dial::drop_all() noexcept {
  drop();
  if (kept_ != nullptr) server_.discard(std::move(kept_));
}

void dial::drop() noexcept {
  if (link_ != nullptr) server_.discard(std::move(link_));
}

dial::progress dial::start_lookup() {
  const server_address& a = server_.address();
  if (a.is_unix) {
    if (const auto path = transport::unix_endpoint(a.host)) endpoints_.push_back(*path);
  } else if (const auto address = transport::numeric_endpoint(a.host, a.port)) {
    endpoints_.push_back(*address);
  } else {
    try {
      lookup_ = server_.resolve();
    } catch (const std::system_error& e) {
      return give_up(errc::resolve_failed, e.what());
    }
    return progress::waiting;
  }
  if (endpoints_.empty()) return give_up(errc::resolve_failed, "the path is too long");
  return progress::done;
}

dial::progress dial::advance(clock::time_point now) {
  if (stage_ == stage::resolving) {
    if (lookup_ == nullptr) {
      const progress p = start_lookup();
      if (p == progress::failed) return p;
    }
    if (lookup_ != nullptr) {
      if (!lookup_->ready()) {
        if (now < until_) return progress::waiting;
        return give_up(errc::timeout, "the name did not resolve" + limit_);
      }
      endpoints_ = lookup_->endpoints();
      if (endpoints_.empty()) return give_up(errc::resolve_failed, lookup_->why_not());
    }
    return next_address(now);
  }

  if (stage_ == stage::connecting) {
    pollfd p{link_->io.descriptor(), POLLOUT, 0};
    if (::poll(&p, 1, 0) == 0) {
      if (now < address_until_) return progress::waiting;
      last_failure_ = "no answer to connect";
      return next_address(now);
    }
    if (const int code = link_->io.finish(); code != 0) {
      last_failure_ = std::generic_category().message(code);
      return next_address(now);
    }
    stage_ = stage::handshaking;
    link_->wire.open();
  }
  return stage_ == stage::flushing ? flush_items(now) : shake_hands(now);
}

// Begins with the next address; when one connects at once, goes on to the handshake.
dial::progress dial::next_address(clock::time_point now) {
  stage_ = stage::connecting;
  while (next_ < endpoints_.size()) {
    if (now >= until_) break;
    const auto left = static_cast<long>(endpoints_.size() - next_);
    address_until_ = now + (until_ - now) / left;
    connection_options wire = server_.wire_options();
    negotiation_.prepare(wire, now);
    drop();
    link_ = std::make_unique<link>(wire);
    bool connected = false;
    const int code = link_->io.start(endpoints_[next_++], server_.settings().keepalive, connected);
    if (code != 0) {
      last_failure_ = std::generic_category().message(code);
      continue;
    }
    server_.opened(*link_);
    if (!connected) return progress::waiting;
    stage_ = stage::handshaking;
    link_->wire.open();
    return shake_hands(now);
  }
  if (kept_ != nullptr && negotiation_.use_kept(now)) {
    drop();
    link_ = std::move(kept_);
    return finish_handshake(now);
  }
  if (now >= until_) {
    return give_up(errc::timeout,
                   "no connection" + limit_ + (last_failure_.empty() ? "" : ": " + last_failure_));
  }
  return give_up(errc::connect_failed, last_failure_);
}

dial::progress dial::shake_hands(clock::time_point now) {
  connection& wire = link_->wire;
  link_->flush();
  while (!wire.ready() && !wire.failed() && link_->receive(link::patience::none)) {
  }
  if (wire.ready() || wire.failed()) return judge_handshake(now);
  if (now < until_) return progress::waiting;
  if (kept_ != nullptr) return next_address(now);
  return give_up(errc::timeout, "no answer to the handshake" + limit_);
}

dial::progress dial::judge_handshake(clock::time_point now) {
  const connection& wire = link_->wire;
  switch (negotiation_.next(wire, now)) {
    case negotiation::step::use:
      return finish_handshake(now);
    case negotiation::step::keep_and_ask:
      kept_ = std::move(link_);
      --next_;  // the same address again
      return next_address(now);
    case negotiation::step::again:
      --next_;
      return next_address(now);
    case negotiation::step::use_kept:
      drop();
      link_ = std::move(kept_);
      return finish_handshake(now);
    case negotiation::step::give_up:
      break;
  }
  // It accepted the connection, so another address of it would say the same.
  return give_up(
      wire.failure() == errc::connection_closed ? errc::connect_failed : wire.failure(),
      "handshake: " + std::string(wire.failure_text()) + std::string(negotiation_.advice()));
}

// The connection is ready.
dial::progress dial::finish_handshake(clock::time_point now) {
  if (kept_ != nullptr) server_.discard(std::move(kept_));
  connection& wire = link_->wire;
  link_->guessed = negotiation_.guessed();
  link_->opened = now;
  link_->trusted = wire.trusted_idle();
  server_.spoke(wire.speaks());
  if (!server_.needs_flush()) return progress::done;
  protocol::request r;
  r.op = protocol::verb::flush;
  wire.submit(r, flush_, 0);
  stage_ = stage::flushing;
  return flush_items(now);
}

// The server was away: what it holds may be out of date (options::flush_on_reconnect).
dial::progress dial::flush_items(clock::time_point now) {
  connection& wire = link_->wire;
  link_->flush();
  while (!flush_.done && link_->receive(link::patience::none)) {
  }
  if (flush_.done && flush_.status == errc::ok && !wire.failed()) {
    server_.flushed();
    return progress::done;
  }
  if (flush_.done) return give_up(errc::connect_failed, "the flush on reconnect failed");
  if (now < until_) return progress::waiting;
  return give_up(errc::timeout, "no answer to the flush on reconnect" + limit_);
}

pollfd dial::waits_for() const noexcept {
  switch (stage_) {
    case stage::resolving:
      return {lookup_ != nullptr ? lookup_->descriptor() : -1, POLLIN, 0};
    case stage::connecting:
      return {link_->io.descriptor(), POLLOUT, 0};
    case stage::handshaking:
    case stage::flushing:
      return {link_->io.descriptor(), POLLIN, 0};
  }
  return {-1, 0, 0};
}

clock::time_point dial::wake_at() const noexcept {
  return stage_ == stage::connecting ? std::min(address_until_, until_) : until_;
}

}  // namespace memcxx::engine
