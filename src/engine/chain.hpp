// A list whose links are in its members: putting in and taking out costs no memory and no search.
// Never here: ownership.
#pragma once

#include <cstddef>

namespace memcxx::engine {

template <class T>
class chain;

// To be derived from by what shall be in at most one chain at a time. Leaves it when destroyed.
template <class T>
class chained {
 public:
  chained() = default;
  ~chained() { unchain(); }
  chained(chained&&) noexcept {}  // only of what is in no chain
  chained& operator=(chained&&) noexcept { return *this; }

  void unchain() noexcept {
    if (in_ != nullptr) in_->remove(*this);
  }
  [[nodiscard]] bool is_chained() const noexcept { return in_ != nullptr; }

 private:
  friend class chain<T>;
  chain<T>* in_ = nullptr;
  chained* before_ = nullptr;
  chained* after_ = nullptr;
};

template <class T>
class chain {
 public:
  chain() = default;
  chain(const chain&) = delete;
  chain& operator=(const chain&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool holds(const T& what) const noexcept {
    return static_cast<const chained<T>&>(what).in_ == this;
  }
  [[nodiscard]] T& front() const noexcept { return static_cast<T&>(*first_); }

  void push_back(T& what) noexcept {
    chained<T>& c = what;
    c.unchain();
    c.in_ = this;
    c.before_ = last_;
    c.after_ = nullptr;
    (last_ != nullptr ? last_->after_ : first_) = &c;
    last_ = &c;
    ++size_;
  }
  // From the first to the last; `f` takes none away.
  template <class F>
  void for_each(F f) const {
    for (chained<T>* c = first_; c != nullptr; c = c->after_) f(static_cast<T&>(*c));
  }

 private:
  friend class chained<T>;
  void remove(chained<T>& c) noexcept {
    (c.before_ != nullptr ? c.before_->after_ : first_) = c.after_;
    (c.after_ != nullptr ? c.after_->before_ : last_) = c.before_;
    c.in_ = nullptr;
    --size_;
  }

  chained<T>* first_ = nullptr;
  chained<T>* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace memcxx::engine
