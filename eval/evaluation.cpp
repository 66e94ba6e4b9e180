#include "eval/evaluation.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "datagen/bin_files.hpp"
#include "datagen/files.hpp"
#include "datagen/run.hpp"
#include "datagen/split.hpp"
#include "emulator/error.hpp"
#include "emulator/random.hpp"

namespace bytecpu {

namespace {

constexpr size_t run_chunk = 256;  // traces that the machine runs at once

int64_t states_of(std::span<const uint8_t> trace, const Layout& layout) {
  return (static_cast<int64_t>(trace.size()) - layout.start_bytes()) / layout.record_bytes;
}

void count_states(TestSet& set, const Layout& layout) {
  for (const TrueTrace& trace : set.traces) set.states += states_of(trace.bytes, layout);
}

}  // namespace

TestSet dataset_traces(const Dataset& data, Split split, int64_t most, Machine& machine) {
  const Layout& layout = machine.layout();
  if (!(data.layout() == layout)) {
    throw Error("the dataset's records are not laid out as {} lays them out; it was made by another version",
                layout.machine);
  }
  const size_t count = most > 0 ? std::min(data.size(split), static_cast<size_t>(most)) : data.size(split);
  if (count == 0) throw Error("the dataset's {} split has no traces", to_string(split));

  TestSet set;
  TraceBatch run;
  std::vector<uint8_t> starts;
  for (size_t first = 0; first < count; first += run_chunk) {
    const size_t last = std::min(first + run_chunk, count);
    starts.clear();
    run.clear();
    int64_t steps = 0;
    for (size_t i = first; i < last; ++i) {
      const auto trace = data.trace(split, i);
      const auto start = trace.first(static_cast<size_t>(layout.start_bytes()));
      starts.insert(starts.end(), start.begin(), start.end());
      steps = std::max(steps, states_of(trace, layout));
    }
    machine.run(starts, {.steps = static_cast<uint64_t>(steps) + 1}, run);
    for (size_t i = first; i < last; ++i) {
      const auto said = data.trace(split, i), done = run.trace(i - first);
      const bool complete = data.stop(split, i) == StopReason::halted;
      const auto differ = std::mismatch(said.begin(), said.end(), done.begin(), done.end()).first;
      if (differ != said.end() || (complete && said.size() != done.size())) {
        throw Error("{} trace {}, byte {}: {} does otherwise; see what bytecpu-datagen verify says",
                    to_string(split), i, differ - said.begin(), layout.machine);
      }
      set.traces.push_back({said, complete});
    }
  }
  count_states(set, layout);
  return set;
}

TestSet fresh_traces(Machine& machine, const ProgramOptions& options, int64_t count, uint64_t seed,
                     const Dataset* unlike) {
  constexpr uint64_t stream = uint64_t{0x6576616c}
                              << 32;  // apart from the streams that datasets are drawn from
  const auto memory_bytes = static_cast<size_t>(machine.layout().memory_bytes);
  std::unordered_set<uint64_t> known;
  if (unlike) {
    for (size_t i = 0; i < unlike->size(Split::train); ++i) {
      known.insert(program_hash(unlike->trace(Split::train, i).first(memory_bytes)));
    }
  }
  TestSet set;
  NativeRandom random(seed, stream);
  const Limits limits = limits_of(options);
  std::vector<uint8_t> start(static_cast<size_t>(machine.layout().start_bytes()));
  const int64_t most_draws = 100 * count + 1000;
  for (int64_t draw = 0; static_cast<int64_t>(set.fresh.size()) < count; ++draw) {
    if (draw == most_draws) {
      throw Error(
          "{} draws gave only {} of {} fresh programs: the others repeat, are in the train split or do not "
          "halt; ask for fewer or longer ones",
          most_draws, set.fresh.size(), count);
    }
    random_start(machine, random, options, Split::test, start);
    if (!known.insert(program_hash(std::span(start).first(memory_bytes))).second) continue;
    machine.run(start, limits, set.fresh);
    if (set.fresh.stops.back() == StopReason::halted || options.window_steps > 0) continue;
    set.fresh.stops.pop_back();
    set.fresh.offsets.pop_back();
    set.fresh.bytes.resize(static_cast<size_t>(set.fresh.offsets.back()));
  }
  for (size_t i = 0; i < set.fresh.size(); ++i) {
    set.traces.push_back({set.fresh.trace(i), set.fresh.stops[i] == StopReason::halted});
  }
  count_states(set, machine.layout());
  return set;
}

Scores evaluate(Predictor& predictor, Mode mode, const TestSet& set, const Machine& machine, int64_t chunk,
                const OnProgress& progress) {
  BYTECPU_CHECK(chunk > 0);
  const Layout& layout = machine.layout();
  std::vector<size_t> order(set.traces.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return set.traces[a].bytes.size() < set.traces[b].bytes.size();
  });

  Scores scores(mode, machine);
  int64_t done = 0;
  for (size_t first = 0; first < order.size(); first += static_cast<size_t>(chunk)) {
    const auto indices =
        std::span(order).subspan(first, std::min(static_cast<size_t>(chunk), order.size() - first));
    std::vector<std::span<const uint8_t>> inputs;
    std::vector<int64_t> most;
    for (const size_t i : indices) {
      const TrueTrace& trace = set.traces[i];
      const int64_t n = states_of(trace.bytes, layout);
      inputs.push_back(mode == Mode::step ? trace.bytes
                                          : trace.bytes.first(static_cast<size_t>(layout.start_bytes())));
      most.push_back(trace.complete ? n + rollout_slack : n);
      done += n;
    }
    const auto add = [&](const auto& predictions) {
      BYTECPU_CHECK(predictions.size() == indices.size());
      for (size_t k = 0; k < indices.size(); ++k) {
        scores.add(static_cast<int64_t>(indices[k]), set.traces[indices[k]], predictions[k]);
      }
    };
    if (mode == Mode::step)
      add(predictor.step(inputs));
    else
      add(predictor.rollout(inputs, most));
    if (progress) progress(done);
  }
  return scores;
}

FileScores evaluate_files(const std::filesystem::path& folder, bool skip_missing, const TestSet& set,
                          const Machine& machine) {
  const Layout& layout = machine.layout();
  const auto start_bytes = static_cast<size_t>(layout.start_bytes());
  std::vector<std::string> names;
  std::unordered_map<std::string, size_t> traces;  // by name, the last one where several share it
  for (size_t i = 0; i < set.traces.size(); ++i) {
    names.push_back(
        bin_file_name(machine, set.traces[i].bytes.first(static_cast<size_t>(layout.memory_bytes))));
    traces[names[i]] = i;
  }

  FileScores result{Scores(Mode::rollout, machine)};
  std::vector<bool> has_file(set.traces.size());
  const auto files = list_bin_files(folder, Split::test);
  for (const auto& path : files[static_cast<size_t>(Split::test)]) {
    const auto found = traces.find(path.filename().string());
    if (found == traces.end()) {
      throw Error("{}: no trace evaluated has this name, the MD5 of its program; is it of other data?",
                  path.string());
    }
    const MappedFile file(path);
    check_trace_length(path, file.bytes().size(), layout);
    const TrueTrace& truth = set.traces[found->second];
    const auto start = file.bytes().first(start_bytes);
    const auto differ = std::mismatch(start.begin(), start.end(), truth.bytes.begin()).first;
    if (differ != start.end()) {
      throw Error(
          "{}: byte {} differs from the data's; a prediction opens with the data's memory image and state 0",
          path.string(), differ - start.begin());
    }
    const auto records = file.bytes().subspan(start_bytes);
    result.scores.add(static_cast<int64_t>(found->second), truth,
                      RolloutPrediction{{records.begin(), records.end()}, true});
    has_file[found->second] = true;
  }
  for (size_t i = 0; i < set.traces.size(); ++i) {
    if (has_file[i] || traces[names[i]] != i) continue;
    ++result.without_file;
    if (!skip_missing) result.scores.add(static_cast<int64_t>(i), set.traces[i], RolloutPrediction{{}, true});
  }
  return result;
}

}  // namespace bytecpu
