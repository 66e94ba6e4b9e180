// A split of a dataset on disk as a source of pools, shuffled anew every epoch.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "datagen/corpus/corpus.hpp"
#include "datagen/dataset/dataset.hpp"

namespace bytecpu {

// An epoch is pools_per_epoch() pools and holds every trace once; pool i is pool i % pools_per_epoch() of
// epoch i / pools_per_epoch(), a pure function of (dataset, split, seed, pool_traces, i). An epoch's last
// pool may be smaller.
class DatasetSource final : public TraceSource {
 public:
  // Throws Error: no dataset there, nothing in the split, pool_traces below 1.
  DatasetSource(const std::filesystem::path& folder, Split split, uint64_t seed, int pool_traces);

  const Dataset& dataset() const { return dataset_; }
  uint64_t pools_per_epoch() const { return (dataset_.size(split_) + pool_traces_ - 1) / pool_traces_; }

  const Layout& layout() const override { return dataset_.layout(); }
  std::string describe() const override;
  void fill(uint64_t index, const ProgramOptions& options, TraceBatch& out) override;

 private:
  void shuffle(uint64_t epoch);

  std::filesystem::path folder_;
  Dataset dataset_;
  Split split_;
  uint64_t seed_;
  size_t pool_traces_;
  std::optional<uint64_t> shuffled_epoch_;
  std::vector<uint32_t> order_;  // of shuffled_epoch_
};

}  // namespace bytecpu
