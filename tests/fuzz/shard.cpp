// A dataset's shard of a machine: a byte for which, then the file. Its traces are whole.
#include "datagen/dataset/dataset.hpp"
#include "tests/fuzz/machines.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  fuzz::Input input(data, size);
  const Layout& layout = fuzz::machine(input.byte()).layout();
  const fuzz::MemoryFile file(input.text());
  fuzz::accepted([&] {
    const Shard shard(file.path(), layout);
    int64_t states = 0, bytes = 0;
    for (size_t i = 0; i < shard.size(); ++i) {
      fuzz::expect(shard[i].is_whole(), "a shard's traces are whole");
      fuzz::expect(shard[i].stop <= last_stop_reason, "why a trace ended is known");
      states += shard[i].states() + 1;
      bytes += std::ssize(shard[i].bytes);
    }
    fuzz::expect(states == shard.info().states && bytes == shard.info().bytes, "a shard counts its states");
  });
  return 0;
}
