#include "datagen/corpus/dataset_corpus.hpp"

#include <limits>

#include "datagen/programs/split.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

DatasetCorpus::DatasetCorpus(const std::filesystem::path& folder, Split split, uint64_t seed, int pool_traces)
    : folder_(folder),
      dataset_(folder),
      frame_(frame_of(dataset_.layout())),
      split_(split),
      seed_(seed),
      pool_traces_(pool_traces),
      epochs_(seed, split, dataset_.size(split), static_cast<size_t>(pool_traces)) {
  if (pool_traces < 1) throw Error("a pool needs at least one trace, not {}", pool_traces);
  if (dataset_.size(split) == 0) throw Error("{}: there are no {} traces", folder.string(), to_string(split));
  if (dataset_.size(split) > std::numeric_limits<uint32_t>::max()) {
    throw Error("{}: more than 2^32 - 1 {} traces", folder.string(), to_string(split));
  }
}

std::string DatasetCorpus::describe() const {
  return fmt::format("{}, {} split, {} traces, shuffled with seed {}, {} a pool", folder_.string(),
                     to_string(split_), dataset_.size(split_), seed_, pool_traces_);
}

void DatasetCorpus::fill(uint64_t index, const Emphasis&, Pool& out) {
  out.traces.clear();
  out.skills.clear();
  for (const uint32_t i : epochs_.pool(index)) out.traces.add(dataset_.trace(split_, i));
}

}  // namespace bytecpu
