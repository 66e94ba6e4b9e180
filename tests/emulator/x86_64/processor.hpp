// The processor itself as an oracle: a child process whose instructions are single-stepped with ptrace.
#pragma once

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

namespace bytecpu::test {

class Processor {
 public:
  static constexpr uint64_t address = 0x10000, bytes = 0x2000;

  // With one page of code and one of data at `base`, which this process sees too. On failure problem()
  // says why.
  explicit Processor(uint64_t base = address) {
    void* wanted = reinterpret_cast<void*>(base);
    memory_ = mmap(wanted, bytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory_ != wanted) {
      fail("no memory at the guest's addresses");
      return;
    }
    child_ = fork();
    if (child_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      for (;;) raise(SIGSTOP);
    }
    int status = 0;
    if (child_ < 0 || waitpid(child_, &status, 0) != child_ || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, child_, nullptr, PTRACE_O_EXITKILL) != 0 ||
        ptrace(PTRACE_GETREGS, child_, nullptr, &initial_) != 0) {
      fail("ptrace is not allowed");
    }
  }
  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;
  ~Processor() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (memory_ != MAP_FAILED) munmap(memory_, bytes);
  }

  const std::string& problem() const { return problem_; }
  std::span<uint8_t> memory() const { return {static_cast<uint8_t*>(memory_), bytes}; }
  const user_regs_struct& initial() const { return initial_; }

  // Executes one instruction; the signal that it raised, SIGTRAP for none.
  int step(user_regs_struct& registers) {
    int status = 0;
    if (ptrace(PTRACE_SETREGS, child_, nullptr, &registers) != 0 ||
        ptrace(PTRACE_SINGLESTEP, child_, nullptr, nullptr) != 0 || waitpid(child_, &status, 0) != child_ ||
        !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, child_, nullptr, &registers) != 0) {
      return -1;
    }
    return WSTOPSIG(status);
  }

 private:
  void fail(const char* what) { problem_ = std::string(what) + ": " + std::strerror(errno); }

  void* memory_ = MAP_FAILED;
  pid_t child_ = -1;
  user_regs_struct initial_{};
  std::string problem_;
};

}  // namespace bytecpu::test
