#include "eval/truth/evaluation.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/run.hpp"
#include "datagen/programs/split.hpp"
#include "emulator/error.hpp"
#include "emulator/random.hpp"

namespace bytecpu {

namespace {

constexpr size_t run_chunk = 256;  // traces that the machine runs at once

void count_states(TestSet& set) {
  for (const Trace& trace : set.traces) set.states += trace.states();
}

std::vector<std::filesystem::path> predicted_files(const std::filesystem::path& folder, Split split) {
  auto files = list_bin_files(folder, split)[static_cast<size_t>(split)];
  if (files.empty()) throw Error("{}: its {} folder holds no .bin files", folder.string(), to_string(split));
  return files;
}

}  // namespace

int64_t TestSet::states_of_part() const {
  int64_t sum = 0;
  for (size_t i = 0; i < traces.size(); ++i) {
    if (has(i)) sum += traces[i].states();
  }
  return sum;
}

TestSet dataset_traces(const Dataset& data, Split split, int64_t most, Machine& machine) {
  const Layout& layout = machine.layout();
  if (!(data.layout() == layout)) {
    throw Error("the dataset's records are not laid out as {} lays them out; it was made by another version",
                layout.machine);
  }
  const size_t count = most > 0 ? std::min(data.size(split), static_cast<size_t>(most)) : data.size(split);
  if (count == 0) throw Error("the dataset's {} split has no traces", to_string(split));

  TestSet set(layout);
  TraceBatch run(layout);
  std::vector<uint8_t> starts;
  for (size_t first = 0; first < count; first += run_chunk) {
    const size_t last = std::min(first + run_chunk, count);
    starts.clear();
    run.clear();
    int64_t steps = 0;
    for (size_t i = first; i < last; ++i) {
      const Trace& trace = data.trace(split, i);
      const auto start = trace.start();
      starts.insert(starts.end(), start.begin(), start.end());
      steps = std::max(steps, trace.states());
    }
    machine.run(starts, {.steps = static_cast<uint64_t>(steps) + 1}, run);
    for (size_t i = first; i < last; ++i) {
      const Trace& trace = data.trace(split, i);
      const auto said = trace.bytes, done = run[i - first].bytes;
      const auto differ = std::mismatch(said.begin(), said.end(), done.begin(), done.end()).first;
      if (differ != said.end() || (trace.complete() && said.size() != done.size())) {
        throw Error("{} trace {}, byte {}: {} does otherwise; see what bytecpu-datagen verify says",
                    to_string(split), i, differ - said.begin(), layout.machine);
      }
      set.traces.push_back(trace);
    }
  }
  count_states(set);
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
      known.insert(program_hash(unlike->trace(Split::train, i).image()));
    }
  }
  TestSet set(machine.layout());
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
    set.fresh.pop_back();
  }
  for (size_t i = 0; i < set.fresh.size(); ++i) set.traces.push_back(set.fresh[i]);
  count_states(set);
  return set;
}

Scores evaluate(Predictor& predictor, Mode mode, const TestSet& set, const Machine& machine, int64_t chunk,
                const OnProgress& progress) {
  BYTECPU_CHECK(chunk > 0);
  std::vector<size_t> order;
  for (size_t i = 0; i < set.traces.size(); ++i) {
    if (set.has(i)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return set.traces[a].bytes.size() < set.traces[b].bytes.size();
  });

  Scores scores(mode, machine);
  int64_t done = 0;
  for (size_t first = 0; first < order.size(); first += static_cast<size_t>(chunk)) {
    const auto indices =
        std::span(order).subspan(first, std::min(static_cast<size_t>(chunk), order.size() - first));
    std::vector<Trace> truth;
    std::vector<int64_t> most;
    for (const size_t i : indices) {
      const Trace& trace = truth.emplace_back(set.traces[i]);
      most.push_back(trace.states() + (trace.complete() ? rollout_slack : 0));
      done += trace.states();
    }
    const auto add = [&](const auto& predictions) {
      BYTECPU_CHECK(predictions.size() == indices.size());
      for (size_t k = 0; k < indices.size(); ++k) {
        scores.add(static_cast<int64_t>(indices[k]), set.traces[indices[k]], predictions[k]);
      }
    };
    if (mode == Mode::step)
      add(predictor.step(truth));
    else
      add(predictor.rollout(truth, most));
    if (progress) progress(done);
  }
  return scores;
}

TestSet traces_of_files(const std::filesystem::path& folder, Split split, Machine& machine) {
  const Layout& layout = machine.layout();
  const auto start_bytes = static_cast<size_t>(layout.start_bytes());
  TestSet set(layout);
  std::unordered_set<std::string> known;
  std::vector<int64_t> states;  // that the files have
  for (const auto& path : predicted_files(folder, split)) {
    std::optional<MappedFile> file;
    try {
      file.emplace(path);
    } catch (const Error&) {
      continue;  // evaluate_files() lists it
    }
    if (file->bytes().size() < start_bytes) continue;
    const Trace trace(layout, file->bytes());
    const auto start = trace.start();
    if (!known.emplace(start.begin(), start.end()).second) continue;
    machine.run(start, {.steps = static_cast<uint64_t>(trace.states() + rollout_slack)}, set.fresh);
    states.push_back(trace.states());
  }
  for (size_t i = 0; i < set.fresh.size(); ++i) {
    const Trace trace = set.fresh[i];
    set.traces.push_back(trace.stop == StopReason::step_limit ? trace.first(states[i]) : trace);
  }
  count_states(set);
  return set;
}

namespace {

// What is wrong with a prediction of so many bytes after state 0, where `truth` has n states; empty: nothing.
std::string fault(int64_t bytes, int64_t n, bool complete, int64_t record_bytes) {
  const int64_t m = bytes / record_bytes;
  std::string text;
  if (bytes % record_bytes != 0)
    text = fmt::format("ends {} bytes into a record, which counts as wrong", bytes % record_bytes);
  const char* join = text.empty() ? "" : "; ";
  if (m < n) text += fmt::format("{}{} of {} states missing", join, n - m, n);
  if (m > n && complete) {
    text += fmt::format("{}{} states after the end", join, m - n);
    if (m > n + rollout_slack) text += fmt::format(", {} of them counted", rollout_slack);
  }
  return text;
}

}  // namespace

FileScores evaluate_files(const std::filesystem::path& folder, Split split, Truth truth_from,
                          bool skip_missing, const TestSet& set, const Machine& machine) {
  const Layout& layout = machine.layout();
  const auto start_bytes = static_cast<size_t>(layout.start_bytes()),
             record = static_cast<size_t>(layout.record_bytes);
  const auto text_of = [](std::span<const uint8_t> bytes) { return std::string(bytes.begin(), bytes.end()); };
  std::unordered_map<std::string, size_t> by_start, by_name;  // the last trace, where several share it
  std::vector<std::string> names;
  for (size_t i = 0; i < set.traces.size(); ++i) {
    names.push_back(bin_file_name(machine, set.traces[i].image()));
    by_name[names[i]] = by_start[text_of(set.traces[i].start())] = i;
  }

  FileScores result{Scores(Mode::rollout, machine)};
  std::vector<bool> has_file(set.traces.size());
  // A damaged file that says of no trace which it is, where the truth comes from the files: one wrong state.
  const std::vector<uint8_t> unknown(start_bytes + record);
  size_t number = 0;  // of the file
  for (const auto& path : predicted_files(folder, split)) {
    const size_t file_number = number++;
    const auto list = [&](std::string problem) {
      result.problems.push_back({path.filename().string(), std::move(problem)});
    };
    std::optional<MappedFile> file;
    std::string unreadable;
    try {
      file.emplace(path);
    } catch (const Error& error) {
      unreadable = error.what();
    }
    const auto bytes = file ? file->bytes() : std::span<const uint8_t>();
    const auto same_start =
        bytes.size() < start_bytes ? by_start.end() : by_start.find(text_of(bytes.first(start_bytes)));
    if (!set.has(same_start == by_start.end() ? file_number : same_start->second)) continue;
    if (same_start == by_start.end()) {
      std::string problem = !unreadable.empty() ? unreadable
                            : bytes.size() < start_bytes
                                ? fmt::format("{} bytes are no memory image and state 0", bytes.size())
                                : "no trace evaluated has its memory image and state 0";
      if (truth_from == Truth::files) {
        result.scores.add(-1, Trace(layout, unknown), Rollout{.ended = true});
        problem += ": counted as one wrong state";
      } else {
        const bool counted = by_name.contains(path.filename().string());
        problem += counted ? ": its trace counts as one without a file" : ": not counted";
      }
      list(std::move(problem));
      continue;
    }
    const size_t trace = same_start->second;
    if (has_file[trace]) {
      list("a second prediction of the same trace: not counted");
      continue;
    }
    has_file[trace] = true;
    const Trace& truth = set.traces[trace];
    const int64_t n = truth.states();
    auto predicted = bytes.subspan(start_bytes);
    auto problem = fault(std::ssize(predicted), n, truth.complete(), layout.record_bytes);
    if (!problem.empty()) list(std::move(problem));
    // As of a model's rollout, no more than rollout_slack states after the end. Of a torn record beyond the
    // true states nothing is right; among them it is missing.
    predicted = predicted.first(std::min(predicted.size(), static_cast<size_t>(n + rollout_slack) * record));
    std::vector<uint8_t> records(predicted.begin(), predicted.end());
    const bool surplus = std::ssize(records) > n * layout.record_bytes;
    records.resize((records.size() + (surplus ? record - 1 : 0)) / record * record);
    result.scores.add(static_cast<int64_t>(trace), truth,
                      Rollout{.steps = std::move(records), .ended = true});
  }
  for (size_t i = 0; i < set.traces.size(); ++i) {
    if (has_file[i] || by_name[names[i]] != i || !set.has(i)) continue;
    ++result.without_file;
    if (!skip_missing) result.scores.add(static_cast<int64_t>(i), set.traces[i], Rollout{.ended = true});
  }
  return result;
}

}  // namespace bytecpu
