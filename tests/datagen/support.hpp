// What the datagen tests share: folders that vanish, commands that are run, trees of files that are compared.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "emulator/random.hpp"

namespace bytecpu::test {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "bytecpu-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw Error("cannot make {}", pattern);
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { fs::remove_all(path_); }

  fs::path operator/(const fs::path& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::vector<uint8_t> random_bytes(size_t count, uint64_t seed) {
  NativeRandom random(seed, 0);
  std::vector<uint8_t> bytes(count);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random.below(256));
  return bytes;
}

struct Outcome {
  int code = -1;  // 128 + signal for a program that a signal ended, as in a shell
  std::string out, err;
};

// Runs a shell command.
inline Outcome shell(const std::string& command) {
  const TemporaryFolder folder;
  const auto line =
      fmt::format("({}) >'{}' 2>'{}'", command, (folder / "out").string(), (folder / "err").string());
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(folder / "out"),
          read_file(folder / "err")};
}

inline Outcome datagen(const std::string& arguments) {
  return shell(BYTECPU_BIN "/bytecpu-datagen " + arguments);
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

template <typename Function>
void expect_error(Function function, std::initializer_list<std::string_view> parts) {
  try {
    function();
    ADD_FAILURE() << "no Error";
  } catch (const Error& e) {
    for (const auto part : parts) EXPECT_TRUE(contains(e.what(), part)) << e.what() << "\nwants " << part;
  }
}

// Not write_file: for files that are to be wrong.
inline void put(const fs::path& path, std::string_view contents) {
  std::ofstream(path, std::ios::binary).write(contents.data(), static_cast<std::streamsize>(contents.size()));
}

inline void flip_byte(const fs::path& path, size_t at) {
  auto contents = read_file(path);
  contents.at(at) ^= 1;
  put(path, contents);
}

// Contents of every file below a folder, by relative path.
inline std::map<std::string, std::string> tree(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder)] = read_file(entry.path());
  }
  return files;
}

// Trees print as a megabyte of bytes where they differ; their names do not.
inline void expect_same_tree(const fs::path& a, const fs::path& b) {
  const auto in_a = tree(a), in_b = tree(b);
  for (const auto& [name, contents] : in_a) {
    EXPECT_TRUE(in_b.contains(name)) << name << " is only in " << a;
    if (in_b.contains(name)) {
      EXPECT_TRUE(in_b.at(name) == contents) << name << " differs";
    }
  }
  for (const auto& [name, contents] : in_b) EXPECT_TRUE(in_a.contains(name)) << name << " is only in " << b;
}

}  // namespace bytecpu::test
