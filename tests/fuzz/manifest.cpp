// A dataset's manifest.json. What is taken, written and read again, is the same.
#include "datagen/dataset/dataset.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  const fuzz::MemoryFile file(fuzz::Input(data, size).text());
  Manifest manifest;
  if (!fuzz::accepted([&] { manifest = read_manifest(file.path()); })) return 0;
  const auto text = to_json(manifest).dump();
  const fuzz::MemoryFile copy(text);
  const auto again = read_manifest(copy.path());
  fuzz::expect(to_json(again).dump() == text && again.layout == manifest.layout,
               "written and read it is the same");
  return 0;
}
