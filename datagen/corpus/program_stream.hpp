// An endless stream of fresh random programs of one split, run as they are asked for.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "datagen/corpus/corpus.hpp"
#include "datagen/programs/split.hpp"

namespace bytecpu {

// Pool i is a pure function of (machine, memory_bytes, seed, split, pool_traces, i, ProgramOptions); the
// number of threads only changes how fast it comes.
class StreamSource final : public TraceSource {
 public:
  struct Options {
    std::string machine = "toy8";
    int memory_bytes = 1024;
    uint64_t seed = 0;
    Split split = Split::train;
    int pool_traces = 4096;
    int threads = 1;
  };

  // Throws Error for a machine that there is not, or pool_traces or threads below 1.
  explicit StreamSource(const Options& options);

  const Layout& layout() const override { return machines_[0]->layout(); }
  std::string describe() const override;
  std::span<const std::string_view> operations() const override { return machines_[0]->operations(); }
  int operation(std::span<const uint8_t> record) const override;
  void fill(uint64_t index, const ProgramOptions& programs, TraceBatch& out) override;

 private:
  Options options_;
  std::vector<std::unique_ptr<Machine>> machines_;  // one a thread of fill()
  std::unique_ptr<Machine> reader_;                 // operation()'s
  std::map<std::string_view, int> operation_index_;
};

// Options that set the machine, its memory, and how programs are drawn.
boost::program_options::options_description options(StreamSource::Options& stream, ProgramOptions& programs);

}  // namespace bytecpu
