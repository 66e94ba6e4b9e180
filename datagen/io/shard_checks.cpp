#include "datagen/io/shard_checks.hpp"

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

void ShardChecks::require(size_t number, std::span<const uint8_t> contents, const std::string& listed,
                          const std::filesystem::path& path) const {
  if (state_->right[number]) return;
  const std::lock_guard lock(state_->mutex);
  if (state_->right[number]) return;
  if (checksum(contents) != listed) {
    throw Error("{}: its checksum is not the manifest's: it was altered; bytecpu-datagen verify tells more",
                path.string());
  }
  state_->right[number] = true;
}

}  // namespace bytecpu
