// The one exception type for bad input: a file, a flag, a program.
// The message names the file or flag, the place in it, and what to do about it. Broken invariants use BYTECPU_CHECK.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace bytecpu {

class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// A command line that cannot be acted on; programs exit with 2 instead of 1.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace bytecpu

// An invariant that also holds in release builds; a failure is a bug in bytecpu, never bad input.
#define BYTECPU_CHECK(condition) \
  ((condition)                   \
       ? void(0)                 \
       : throw std::logic_error(fmt::format("{}:{}: check failed: {}", __FILE__, __LINE__, #condition)))
