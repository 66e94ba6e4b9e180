// The main of a target where there is no fuzzer: gives it each file of the folders named, in the order of
// their names, and then nothing at all. What does not hold ends the process, the file's name last.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "datagen/io/files.hpp"
#include "tests/fuzz/support.hpp"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : fs::directory_iterator(argv[i])) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    fmt::print(stderr, "no inputs\n");
    return 1;
  }
  for (const auto& file : files) {
    fmt::print("{}\n", file.string());
    std::fflush(stdout);
    const auto input = bytecpu::read_file(file);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  LLVMFuzzerTestOneInput(nullptr, 0);
  return 0;
}
