// A split of a dataset of files as a corpus, shuffled anew every epoch.
#pragma once

#include <filesystem>
#include <string>

#include "datagen/corpus/corpus.hpp"
#include "datagen/corpus/epochs.hpp"
#include "datagen/files/file_dataset.hpp"

namespace bytecpu {

// An epoch is pools_per_epoch() pools and holds every document once; pool i is pool i % pools_per_epoch() of
// epoch i / pools_per_epoch(), a pure function of (dataset, split, seed,
// pool_documents, i) and the emphasis. An epoch's last
// pool may be smaller. The documents are borrowed from the dataset, so the corpus must outlive its pools.
class FileCorpus final : public Corpus {
 public:
  // What its documents are: the files, the label of each (Document::label), or both.
  enum class Learn { files, labels, both };
  // What is left of a file that is cut because of the emphasis.
  enum class Keep { beginning, end };

  // Throws Error: no dataset of files there, nothing in the split, pool_documents below 1, no labels to learn; a file that
  // `pack` has cut, where ends are kept.
  FileCorpus(const std::filesystem::path& folder, Split split, uint64_t seed, int pool_documents,
             Learn learn = Learn::files, Keep keep = Keep::beginning);

  const FileDataset& dataset() const { return dataset_; }
  uint64_t pools_per_epoch() const { return epochs_.pools_per_epoch(); }

  const Frame& frame() const override { return frame_; }
  std::string describe() const override;
  int longest() const override { return longest_; }
  // Files longer than the emphasis wants are cut to their first or last steps; labels are not.
  void fill(uint64_t index, const Emphasis& emphasis, Pool& out) override;

 private:
  // Documents of an epoch; of files without a label there is none to learn.
  size_t size() const { return dataset_.size(split_) * (learn_ == Learn::both ? 2 : 1); }
  void add(size_t number, int longest, Pool& out) const;

  std::filesystem::path folder_;
  FileDataset dataset_;
  Learn learn_;
  Keep keep_;
  Frame frame_ = frame_of_files();
  Split split_;
  uint64_t seed_;
  size_t pool_documents_;
  Epochs epochs_;
  int longest_ = 0;
};

}  // namespace bytecpu
