// A shard of a dataset of files: a byte for its kind, then the file. What is taken has names and steps in
// order.
#include "datagen/files/file_shard.hpp"

#include "datagen/files/names.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  fuzz::Input input(data, size);
  FileManifest manifest;
  manifest.extensions = {"", "abc", "mid"};
  const int kind = input.byte() % 3;
  if (kind == 1) {
    manifest.extensions = {"abc", "mid"};
    manifest.pairs = {"abc", "mid"};
  }
  if (kind == 2) manifest.labels = {"a", "b"};
  const fuzz::MemoryFile file(input.text());
  fuzz::accepted([&] {
    const FileShard shard(file.path(), manifest);
    int64_t bytes = 0;
    for (size_t i = 0; i < shard.entries(); ++i) {
      fuzz::expect(shard.label(i) >= -1 && shard.label(i) < 2, "a label is one of the table");
      for (size_t f = 0; f < shard.files_per_entry(); ++f) {
        bytes += std::ssize(shard.bytes(i, f));
        fuzz::expect(name_problem(shard.name(i, f)).empty(), "a name stays in its folder");
        fuzz::expect(unescaped(escaped(shard.name(i, f))) == shard.name(i, f), "a name's text is its own");
        fuzz::expect(manifest.extensions.at(static_cast<size_t>(shard.extension(i, f))) ==
                         extension_of(shard.name(i, f)),
                     "an extension is the name's");
      }
    }
    fuzz::expect(bytes == shard.info().bytes, "a shard counts its bytes");
    shard.intact();
  });
  return 0;
}
