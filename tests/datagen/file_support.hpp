// What the tests of datasets of files share.
#pragma once

#include <map>
#include <string>

#include "datagen/files/file_dataset.hpp"
#include "datagen/files/pack.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu::test {

using Contents = std::map<std::string, std::string>;

inline void put_all(const fs::path& folder, const Contents& files) {
  fs::create_directories(folder);
  for (const auto& [name, contents] : files) {
    fs::create_directories((folder / name).parent_path());
    put(folder / name, contents);
  }
}

// Text that no other number has, of so many bytes.
inline std::string unlike(int number, size_t bytes) {
  std::string text;
  for (uint32_t state = static_cast<uint32_t>(number) * 2654435761u + 1; text.size() < bytes;) {
    state = state * 1664525u + 1013904223u;
    text += static_cast<char>(state >> 24);
  }
  return text;
}

// Names and contents of all kinds.
inline Contents mixed() {
  Contents files = {{"empty", ""},
                    {"a/empty.txt", ""},
                    {".hidden", "x"},
                    {"a/b/c/deep.tar.gz", unlike(1, 100)},
                    {"no dot", "y"},
                    {"dot.", "z"},
                    {"zero\x01.bin", std::string(64, '\0')},
                    {"bad\xff.\xfe", "not UTF-8"},
                    {std::string(251, 'n') + ".txt", "long name"},
                    {"a/x.extension-of-26-bytes--", "w"},
                    {"back\\slash.txt", "v"},
                    {"a.txt", "in front of a/"}};
  for (int i = 0; i < 60; ++i)
    files[fmt::format("many/{:02}.dat", i)] = unlike(i + 100, static_cast<size_t>(i) * 7);
  return files;
}

inline PackOptions packing(const TemporaryFolder& folder, const std::string& in = "in",
                           const std::string& out = "d") {
  PackOptions options;
  options.folder = folder / in;
  options.out = folder / out;
  return options;
}

inline std::string text_of(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// Documents of a split by name, one after the other where several have one.
inline Contents documents(const FileDataset& dataset, Split split) {
  Contents all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all[std::string(dataset.name(split, i))] += text_of(dataset.document(split, i).steps);
  return all;
}

// Both splits'.
inline Contents documents(const fs::path& folder) {
  const FileDataset dataset(folder);
  auto all = documents(dataset, Split::train);
  all.merge(documents(dataset, Split::test));
  return all;
}

inline int64_t listed(const PackResult& result, const char* key) {
  const auto& found = result.manifest.found;
  return found.contains(key) ? found[key]["count"].get<int64_t>() : 0;
}

}  // namespace bytecpu::test
