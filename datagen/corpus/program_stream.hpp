// An endless stream of fresh random programs of one split, run as they are asked for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/corpus/corpus.hpp"
#include "datagen/io/options.hpp"
#include "datagen/programs/split.hpp"

namespace bytecpu {

// Pool i is a pure function of (Options, i, emphasis); the number of threads only changes how fast it comes.
// Its skills are the machine's operations: a step's is the instruction that it has fetched, which the step
// after it shows the work of.
class ProgramStream final : public Corpus {
 public:
  struct Options {
    std::string machine = "toy8";
    int memory_bytes = 1024;
    ProgramOptions programs = {};
    uint64_t seed = 0;
    Split split = Split::train;
    int pool_traces = 4096;
    int threads = 1;
    // Whether pools tell the skills of their steps.
    bool tell_skills = false;
  };

  // Throws Error for a machine that there is not, or pool_traces or threads below 1.
  explicit ProgramStream(const Options& options);
  // Programs of at most as many instructions as the machine's memory holds.
  void fit_length();

  const Frame& frame() const override { return frame_; }
  std::string describe() const override;
  std::span<const std::string_view> skills() const override { return machines_[0]->operations(); }
  int longest() const override { return options_.programs.max_instructions; }
  void fill(uint64_t index, const Emphasis& emphasis, Pool& out) override;

 private:
  Options options_;
  // One a thread of fill().
  std::vector<std::unique_ptr<Machine>> machines_;
  Frame frame_;
};

// Options that set the machine, its memory, and how programs are drawn.
OptionList options(ProgramStream::Options& stream);

}  // namespace bytecpu
