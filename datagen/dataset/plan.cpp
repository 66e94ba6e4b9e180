#include "datagen/dataset/plan.hpp"

#include <algorithm>
#include <charconv>

#include "datagen/dataset/dataset.hpp"

namespace bytecpu {

ShardPlan::ShardPlan(const std::array<int64_t, 2>& traces, int64_t shard_traces)
    : traces_(traces), shard_traces_(shard_traces) {
  for (size_t s = 0; s < 2; ++s) {
    shards_[s] = static_cast<size_t>(traces[s] / shard_traces + (traces[s] % shard_traces > 0));
  }
}

ShardJob ShardPlan::operator[](size_t job) const {
  const size_t s = job < shards_[0] ? 0 : 1;
  const size_t index = job - (s == 0 ? 0 : shards_[0]);
  const auto first = static_cast<int64_t>(index) * shard_traces_;
  return {splits[s], index, std::min(shard_traces_, traces_[s] - first)};
}

std::vector<size_t> ShardPlan::share(const Part& part) const {
  std::vector<size_t> jobs;
  for (auto job = static_cast<size_t>(part.index) - 1; job < size(); job += static_cast<size_t>(part.count)) {
    jobs.push_back(job);
  }
  return jobs;
}

std::optional<size_t> ShardPlan::find(std::string_view name) const {
  for (const Split s : splits) {
    const auto start = std::string(to_string(s)) + "-";
    if (!name.starts_with(start)) continue;
    size_t index = 0;
    std::from_chars(name.data() + start.size(), name.data() + name.size(), index);
    if (index >= shards_[static_cast<size_t>(s)] || shard_name(s, index) != name) return std::nullopt;
    return index + (s == Split::train ? 0 : shards_[0]);
  }
  return std::nullopt;
}

}  // namespace bytecpu
