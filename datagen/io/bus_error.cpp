#include "datagen/io/bus_error.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace bytecpu {
namespace {

// The kernel tells of a page that a file no longer has by SIGBUS, which would end the program without a word.
// Its handler may call next to nothing, so it finds the file's name in a table of all mappings. The table and
// the handler are the process's, as signals are.
struct Mapping {
  std::atomic<const uint8_t*> data = nullptr;
  std::atomic<size_t> size = 0;
  std::atomic<char*> path = nullptr;
};
constexpr size_t most_noted = 1 << 14;  // the reading of further ones ends without the name
std::array<Mapping, most_noted> mappings;
std::atomic<size_t> noted = 0;
std::mutex noting;

void write_error(const char* text) {
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, text, std::strlen(text));
}

void on_bus_error(int, siginfo_t* info, void*) {
  const auto* at = static_cast<const uint8_t*>(info->si_addr);
  for (size_t i = 0; i < noted; ++i) {
    const uint8_t* data = mappings[i].data;
    if (!data || at < data || at >= data + mappings[i].size) continue;
    write_error(::program_invocation_short_name);
    write_error(": cannot read ");
    write_error(mappings[i].path);
    write_error(": it was cut short while it was in use, or its disk fails\n");
    ::_exit(1);
  }
  ::signal(SIGBUS, SIG_DFL);  // not of a file: the access is repeated and ends the program
}

// Where nobody else handles the signal.
void handle_bus_errors() {
  struct sigaction old {};
  if (::sigaction(SIGBUS, nullptr, &old) != 0 || old.sa_handler != SIG_DFL) return;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

void note_mapping(const uint8_t* data, size_t size, const std::filesystem::path& path) {
  static std::once_flag once;
  std::call_once(once, handle_bus_errors);
  const std::lock_guard lock(noting);
  for (size_t i = 0; i < most_noted; ++i) {
    auto& mapping = mappings[i];
    if (mapping.data) continue;
    mapping.path = ::strdup(path.c_str());
    if (!mapping.path) return;
    mapping.size = size;
    mapping.data = data;
    if (i >= noted) noted = i + 1;
    return;
  }
}

void forget_mapping(const uint8_t* data) {
  const std::lock_guard lock(noting);
  for (size_t i = 0; i < noted; ++i) {
    if (mappings[i].data != data) continue;
    mappings[i].data = nullptr;
    ::free(mappings[i].path.exchange(nullptr));
    return;
  }
}

}  // namespace bytecpu
