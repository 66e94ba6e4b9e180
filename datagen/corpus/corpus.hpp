// Where training takes its documents from: a dataset on disk, or an endless stream of fresh programs. The unit
// is a pool of documents, a pure function of (configuration, index, emphasis): any process and any thread can
// make any pool, and make it again, so an interrupted training resumes with identical losses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/corpus/document.hpp"

namespace bytecpu {

// What a training wants of the next pool, where the corpus can choose what it draws.
struct Emphasis {
  // Weight of each of Corpus::skills(); empty: as the corpus has them.
  std::vector<double> skills = {};
  // Most steps of a document; 0: as the corpus has them.
  int longest = 0;

  bool operator==(const Emphasis&) const = default;
};

class Corpus {
 public:
  virtual ~Corpus() = default;
  virtual const Frame& frame() const = 0;
  // For the log: what it draws from, with its seed.
  virtual std::string describe() const = 0;
  // What can be emphasised, by name: a machine's operations. None: its documents are what they are.
  virtual std::span<const std::string_view> skills() const { return {}; }
  // Most steps of a document that it draws; 0: its documents are what they are.
  virtual int longest() const { return 0; }
  // Replaces `out` with pool `index`. A corpus whose documents are what they are ignores the emphasis. Called
  // from one thread at a time, not always the same.
  virtual void fill(uint64_t index, const Emphasis& emphasis, Pool& out) = 0;
};

}  // namespace bytecpu
