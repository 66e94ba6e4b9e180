// What the fuzz targets share. A target is one function, LLVMFuzzerTestOneInput: it gives the bytes of an
// input to a parser or a machine and says what must hold. An Error is a good answer to a bad input; whatever
// else is thrown, a crash, a hang and much memory are findings.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "emulator/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace bytecpu::fuzz {

// Ends the process where something does not hold, so that the fuzzer keeps the input.
inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// Calls what may refuse its input by an Error. Whether it did not.
template <typename Function>
bool accepted(Function function) {
  try {
    function();
    return true;
  } catch (const Error& e) {
    constexpr size_t longest_message = 1 << 20;
    const std::string_view message = e.what();
    expect(!message.empty() && message.size() < longest_message, "an Error says what is wrong, in short");
    return false;
  }
}

// The bytes of an input, taken from its front.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : left_(data, size) {}

  // 0 where none is left.
  uint8_t byte() {
    const auto taken = take(1);
    return taken.empty() ? 0 : taken[0];
  }
  // Fewer where fewer are left.
  std::span<const uint8_t> take(size_t count) {
    const auto taken = left_.first(std::min(count, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  std::span<const uint8_t> rest() { return take(left_.size()); }
  std::string_view text() {
    const auto taken = rest();
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  std::span<const uint8_t> left_;
};

// A file in memory alone, for readers that want a path. It is gone with the process.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view contents) : file_(memfd_create("input", MFD_CLOEXEC)) {
    expect(file_ >= 0 && ::write(file_, contents.data(), contents.size()) == std::ssize(contents),
           "a file in memory can be written");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(file_); }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace bytecpu::fuzz
