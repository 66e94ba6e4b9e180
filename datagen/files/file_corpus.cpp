#include "datagen/files/file_corpus.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "emulator/error.hpp"

namespace bytecpu {

FileCorpus::FileCorpus(const std::filesystem::path& folder, Split split, uint64_t seed, int pool_documents)
    : folder_(folder), dataset_(folder), split_(split), seed_(seed), pool_documents_(pool_documents) {
  if (pool_documents < 1) throw Error("a pool needs at least one document, not {}", pool_documents);
  if (dataset_.size(split) == 0)
    throw Error("{}: there are no {} documents", folder.string(), to_string(split));
  if (dataset_.size(split) > std::numeric_limits<uint32_t>::max()) {
    throw Error("{}: more than 2^32 - 1 {} documents", folder.string(), to_string(split));
  }
}

std::string FileCorpus::describe() const {
  return fmt::format("{}, {} split, {} documents, shuffled with seed {}, {} a pool", folder_.string(),
                     to_string(split_), dataset_.size(split_), seed_, pool_documents_);
}

void FileCorpus::shuffle(uint64_t epoch) {
  if (shuffled_epoch_ == epoch) return;
  shuffle_epoch(seed_, split_, epoch, dataset_.size(split_), order_);
  shuffled_epoch_ = epoch;
}

void FileCorpus::fill(uint64_t index, const Emphasis&, Pool& out) {
  shuffle(index / pools_per_epoch());
  const size_t first = index % pools_per_epoch() * pool_documents_;
  const size_t last = std::min(first + pool_documents_, order_.size());
  out.traces.clear();
  out.skills.clear();
  out.files.clear();
  for (size_t i = first; i < last; ++i) out.files.push_back(dataset_.document(split_, order_[i]));
}

}  // namespace bytecpu
