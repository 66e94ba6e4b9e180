// Which shards a dataset of random programs has: those of train, then those of test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "datagen/io/part.hpp"
#include "datagen/programs/split.hpp"

namespace bytecpu {

struct ShardJob {
  Split split;
  size_t index;  // of the shard, within its split
  int64_t traces;
};

class ShardPlan {
 public:
  // `traces`: by Split. `shard_traces`: of every shard but a split's last.
  ShardPlan(const std::array<int64_t, 2>& traces, int64_t shard_traces);

  size_t size() const { return shards_[0] + shards_[1]; }
  ShardJob operator[](size_t job) const;
  // The jobs of a part, in order.
  std::vector<size_t> share(const Part& part) const;
  // The job that makes the file of this name.
  std::optional<size_t> find(std::string_view name) const;

 private:
  std::array<int64_t, 2> traces_;
  int64_t shard_traces_;
  std::array<size_t, 2> shards_;
};

}  // namespace bytecpu
