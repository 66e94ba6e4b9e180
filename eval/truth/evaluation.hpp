// Evaluates a predictor over test traces: Unicorn gives the truth, predictions are made in chunks, and scores
// come out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/part.hpp"
#include "emulator/machine.hpp"
#include "eval/measures/metrics.hpp"
#include "eval/predictors/predictor.hpp"

namespace bytecpu {

// Traces to evaluate on. Those of a dataset are borrowed from it, fresh ones are held.
struct TestSet {
  explicit TestSet(const Layout& layout = {}) : fresh(layout) {}

  std::vector<Trace> traces;
  // Where it is set, only its share of the traces is evaluated: those whose number it has.
  std::optional<Part> part;
  TraceBatch fresh;
  int64_t states = 0;  // after state 0, all traces together

  bool has(size_t trace) const { return !part || part->has(trace); }
  int64_t states_of_part() const;
};

// The first `most` traces of the split (0: all). Each is run again on the machine: throws Error where the
// dataset says otherwise, or holds another machine's traces.
TestSet dataset_traces(const Dataset& data, Split split, int64_t most, Machine& machine);

// `count` fresh programs of the test split (datagen/programs/split.hpp), drawn with `seed`: none twice, and none that
// the train split of `unlike` (may be null) holds. Programs that do not halt are left out. Throws Error if
// the options leave too few.
TestSet fresh_traces(Machine& machine, const ProgramOptions& options, int64_t count, uint64_t seed,
                     const Dataset* unlike);

// Records past the true end that a rollout may have before it is cut.
inline constexpr int64_t rollout_slack = 16;

// Done so far: states.
using OnProgress = std::function<void(int64_t)>;

// Predicts `chunk` traces at a time, longest last, and scores them: all, or the part's share.
Scores evaluate(Predictor& predictor, Mode mode, const TestSet& set, const Machine& machine, int64_t chunk,
                const OnProgress& progress = {});

// What predicted files are measured against: the traces of a dataset, or what the machine makes of the memory
// image and state 0 in each file; of a program that does not halt as many states as its file has.
enum class Truth { data, files };

// The true traces for Truth::files. Throws Error where there is no .bin file in the split's folder.
TestSet traces_of_files(const std::filesystem::path& folder, Split split, Machine& machine);

struct FileProblem {
  std::string file, problem;
};

struct FileScores {
  Scores scores;
  int64_t without_file = 0;  // traces of the set, or of its part's share, that have no file
  std::vector<FileProblem> problems = {};
};

// Predictions made elsewhere, as rollouts: a split's .bin files as `bytecpu-datagen export` writes them,
// memory image ‖ state 0 ‖ predicted states, whatever their names. A trace ends where its file does.
//
// No file ends the evaluation. Truncated, overlong and damaged ones count as wrong states and are among the
// problems: missing states and torn records are wrong, and so are surplus states, up to rollout_slack. A
// trace without a readable file is scored as all states missing, or not at all if `skip_missing`; where
// traces have the same program, and so the same name in an exported folder, only the last one needs a file.
// Of the set's part, only the files of its traces are scored; files that say of no trace which it is are shared out
// by their number. Throws Error where there is no .bin file in the split's folder.
FileScores evaluate_files(const std::filesystem::path& folder, Split split, Truth truth, bool skip_missing,
                          const TestSet& set, const Machine& machine);

}  // namespace bytecpu
