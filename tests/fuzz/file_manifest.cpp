// The manifest.json of a dataset of files. What is taken, written and read again, is the same.
#include "datagen/files/file_dataset.hpp"
#include "datagen/files/listing.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  const fuzz::MemoryFile file(fuzz::Input(data, size).text());
  FileManifest manifest;
  if (!fuzz::accepted([&] { manifest = read_file_manifest(file.path()); })) return 0;
  for (const auto& [key, value] : manifest.found.items()) listing_line(value);
  const auto text = to_json(manifest).dump();
  const fuzz::MemoryFile copy(text);
  fuzz::expect(to_json(read_file_manifest(copy.path())).dump() == text, "written and read it is the same");
  return 0;
}
