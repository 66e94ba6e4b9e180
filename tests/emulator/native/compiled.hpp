// Programs made with the compilers of this machine, for tests that have them.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "emulator/error.hpp"

namespace bytecpu::test {

struct Output {
  int code;
  std::string text;
};

inline Output shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return {-1, "popen"};
  std::string text;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

inline bool is_there(const std::string& program) { return shell("command -v " + program).code == 0; }

// A folder of its own, gone at the end.
class Workshop {
 public:
  Workshop() {
    std::string path = (std::filesystem::temp_directory_path() / "bytecpu-XXXXXX").string();
    if (!::mkdtemp(path.data())) throw Error("no temporary folder");
    folder_ = path;
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  ~Workshop() { std::filesystem::remove_all(folder_); }

  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& contents) const {
    std::ofstream(at(name), std::ios::binary) << contents;
    return at(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(at(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Throws Error with what the command prints where it fails.
  std::string run(const std::string& command) const {
    const auto [code, text] = shell("cd " + folder_.string() + " && " + command);
    if (code != 0) throw Error("{}: {}", command, text);
    return text;
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace bytecpu::test
