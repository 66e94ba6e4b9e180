#include "datagen/corpus/dataset_corpus.hpp"

#include <algorithm>
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
      pool_traces_(pool_traces) {
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

void DatasetCorpus::shuffle(uint64_t epoch) {
  if (shuffled_epoch_ == epoch) return;
  shuffle_epoch(seed_, split_, epoch, dataset_.size(split_), order_);
  shuffled_epoch_ = epoch;
}

void DatasetCorpus::fill(uint64_t index, const Emphasis&, Pool& out) {
  shuffle(index / pools_per_epoch());
  const size_t first = index % pools_per_epoch() * pool_traces_;
  const size_t last = std::min(first + pool_traces_, order_.size());
  out.traces.clear();
  out.skills.clear();
  for (size_t i = first; i < last; ++i) out.traces.add(dataset_.trace(split_, order_[i]));
}

}  // namespace bytecpu
