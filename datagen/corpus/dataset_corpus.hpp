// A split of a dataset on disk as a corpus, shuffled anew every epoch.
#pragma once

#include <filesystem>
#include <string>

#include "datagen/corpus/corpus.hpp"
#include "datagen/corpus/epochs.hpp"
#include "datagen/dataset/dataset.hpp"

namespace bytecpu {

// An epoch is pools_per_epoch() pools and holds every trace once; pool i is pool i % pools_per_epoch() of
// epoch i / pools_per_epoch(), a pure function of (dataset, split, seed, pool_traces, i). An epoch's last
// pool may be smaller.
class DatasetCorpus final : public Corpus {
 public:
  // Throws Error: no dataset there, nothing in the split, pool_traces below 1.
  DatasetCorpus(const std::filesystem::path& folder, Split split, uint64_t seed, int pool_traces);

  const Dataset& dataset() const { return dataset_; }
  uint64_t pools_per_epoch() const { return epochs_.pools_per_epoch(); }

  const Frame& frame() const override { return frame_; }
  std::string describe() const override;
  void fill(uint64_t index, const Emphasis& emphasis, Pool& out) override;

 private:
  std::filesystem::path folder_;
  Dataset dataset_;
  Frame frame_;
  Split split_;
  uint64_t seed_;
  size_t pool_traces_;
  Epochs epochs_;
};

}  // namespace bytecpu
