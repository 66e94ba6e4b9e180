#include "datagen/files/file_corpus.hpp"

#include <algorithm>
#include <limits>

#include "datagen/files/names.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

FileCorpus::FileCorpus(const std::filesystem::path& folder, Split split, uint64_t seed, int pool_documents,
                       Learn learn, Keep keep)
    : folder_(folder),
      dataset_(folder),
      learn_(learn),
      keep_(keep),
      split_(split),
      seed_(seed),
      pool_documents_(pool_documents),
      epochs_(seed, split, size(), static_cast<size_t>(pool_documents)) {
  if (learn != Learn::files) frame_.labels = dataset_.manifest().labels;
  if (learn != Learn::files && frame_.labels.empty()) {
    throw Error("{}: its files have no labels; pack them with --labels", folder.string());
  }
  if (pool_documents < 1) throw Error("a pool needs at least one document, not {}", pool_documents);
  if (dataset_.size(split) == 0)
    throw Error("{}: there are no {} documents", folder.string(), to_string(split));
  if (size() > std::numeric_limits<uint32_t>::max()) {
    throw Error("{}: more than 2^32 - 1 {} documents", folder.string(), to_string(split));
  }
  for (size_t i = 0; i < dataset_.size(split); ++i) {
    const auto document = dataset_.document(split, i);
    longest_ = std::max(longest_, static_cast<int>(document.count()));
    if (keep == Keep::end && !document.complete) {
      throw Error("{}: {} is cut, and files are read from their end: pack them whole", folder.string(),
                  escaped(dataset_.name(split, i)));
    }
  }
}

std::string FileCorpus::describe() const {
  const char* what = learn_ == Learn::files    ? ""
                     : learn_ == Learn::labels ? "the labels of "
                                               : "files and labels of ";
  return fmt::format("{}, {} split, {}{} documents, shuffled with seed {}, {} a pool", folder_.string(),
                     to_string(split_), what, dataset_.size(split_), seed_, pool_documents_);
}

void FileCorpus::fill(uint64_t index, const Emphasis& emphasis, Pool& out) {
  out.traces.clear();
  out.skills.clear();
  out.files.clear();
  for (const uint32_t i : epochs_.pool(index)) add(i, emphasis.longest, out);
}

void FileCorpus::add(size_t number, int longest, Pool& out) const {
  const size_t files = dataset_.size(split_), file = number % files;
  const auto document = dataset_.document(split_, file);
  if (learn_ == Learn::files || (learn_ == Learn::both && number < files)) {
    if (longest == 0 || document.count() <= longest) return out.files.push_back(document);
    return out.files.push_back(keep_ == Keep::end ? document.last(longest) : document.first(longest));
  }
  const int label = dataset_.label(split_, file);
  if (label >= 0) out.files.push_back(Document::label(frame_.labels[static_cast<size_t>(label)], document));
}

}  // namespace bytecpu
