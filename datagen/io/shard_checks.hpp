// Which of a dataset's shards were found to have the checksums that its manifest lists. Each is looked at when it is
// first read, from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace bytecpu {

class ShardChecks {
 public:
  explicit ShardChecks(size_t shards = 0) : state_(std::make_unique<State>(shards)) {}

  // `contents`: of the file of shard `number`. Throws Error naming `path` where its checksum is not the listed one.
  void require(size_t number, std::span<const uint8_t> contents, const std::string& listed,
               const std::filesystem::path& path) const;

 private:
  struct State {
    explicit State(size_t shards) : right(shards) {}
    std::mutex mutex;
    std::vector<std::atomic<bool>> right;
  };
  std::unique_ptr<State> state_;
};

}  // namespace bytecpu
