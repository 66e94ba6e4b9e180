#include "datagen/dataset/generate.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>

#include "datagen/dataset/files_writer.hpp"
#include "datagen/dataset/part_file.hpp"
#include "datagen/dataset/plan.hpp"
#include "datagen/dataset/writer.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/parallel.hpp"
#include "datagen/programs/run.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Format = GenerateOptions::Format;
using Rng = GenerateOptions::Rng;

constexpr int64_t most_shard_traces = 8192, shard_start_bytes = 32 << 20;

void check(const GenerateOptions& options, const Machine& machine) {
  const auto& programs = options.programs;
  constexpr int64_t most_traces = int64_t{1} << 32;
  for (const Split s : splits) {
    const int64_t n = options.traces[static_cast<size_t>(s)];
    if (n < 0 || n >= most_traces) throw UsageError("--{} {}: not in 0 … 2^32 - 1", to_string(s), n);
  }
  if (options.traces[0] + options.traces[1] == 0)
    throw UsageError("nothing to generate: give --train N, --test N");
  if (options.shard_traces < 1 || options.shard_traces > 1 << 20) {
    throw UsageError("--shard-traces {}: not in 1 … 2^20", options.shard_traces);
  }
  if (options.threads < 1 || options.threads > 1024)
    throw UsageError("--threads {}: not in 1 … 1024", options.threads);
  if (options.part && options.format == Format::files) {
    throw UsageError("--part {}: a part is of shards; --format files makes none", to_string(*options.part));
  }
  if (!options.keep_faults && options.rng != Rng::native) {
    throw UsageError("--faults drop: the published draws are kept as they come");
  }
  if (programs.min_instructions < 1 || programs.max_instructions < programs.min_instructions) {
    throw UsageError("--min-instructions {} --max-instructions {}: want 1 <= min <= max",
                     programs.min_instructions, programs.max_instructions);
  }
  // The machine says if the rest does not fit it; and every split must have programs.
  NativeRandom random(options.seed, 0);
  std::vector<uint8_t> start(machine.layout().start_bytes());
  try {
    machine.random_start(random, programs, start);
    for (const Split s : splits) {
      if (options.rng == Rng::native && options.traces[static_cast<size_t>(s)] > 0) {
        random_start(machine, random, programs, s, start);
      }
    }
  } catch (const Error& e) {
    throw UsageError("{}", e.what());
  }
}

std::unique_ptr<Machine> machine_of(const GenerateOptions& options) {
  try {
    return make_machine(options.machine, options.memory_bytes);
  } catch (const Error& e) {
    throw UsageError("{}", e.what());
  }
}

// What the dataset is made from, enough to make it again.
ordered_json describe(const GenerateOptions& options, const Machine& machine) {
  const auto& programs = options.programs;
  ordered_json json = {{"kind", "random programs"},
                       {"bytecpu", BYTECPU_VERSION},
                       {"rng", options.rng == Rng::native ? "native" : "python"},
                       {"seed", options.seed},
                       {"train", options.traces[0]},
                       {"test", options.traces[1]},
                       {"min_instructions", programs.min_instructions},
                       {"max_instructions", programs.max_instructions},
                       {"small_operands", programs.small_operands},
                       {"window_steps", programs.window_steps},
                       {"max_steps", limits_of(programs).steps}};
  for (const auto& [name, share] : {std::pair{"memory_share", programs.memory_share},
                                    {"branch_share", programs.branch_share},
                                    {"loop_share", programs.loop_share}}) {
    if (share) json[name] = *share;
  }
  if (programs.anywhere_share > 0) json["anywhere_share"] = programs.anywhere_share;
  if (!options.keep_faults) json["faults"] = "drop";
  for (size_t i = 0; i < programs.operation_weights.size(); ++i) {
    json["operation_weights"][std::string(machine.operations()[i])] = programs.operation_weights[i];
  }
  if (options.format == Format::shards) json["shard_traces"] = options.shard_traces;
  return json;
}

// Draws and runs `count` programs; until there are so many without a fault, where those are not kept.
void run_drawn(Machine& machine, RandomSource& random, const GenerateOptions& options, Split split,
               int64_t count, TraceBatch& traces) {
  const auto limits = limits_of(options.programs);
  constexpr int most_rounds = 1000;
  for (int round = 0; round < most_rounds; ++round) {
    const auto missing = count - static_cast<int64_t>(traces.size());
    if (missing == 0) return;
    const auto starts = draw_starts(machine, random, options.programs, split, missing);
    if (options.keep_faults) return machine.run(starts, limits, traces);
    TraceBatch batch(machine.layout());
    machine.run(starts, limits, batch);
    append_faultless(batch, traces);
  }
  throw Error("of {} rounds of random programs too few end without a fault: use --faults keep", most_rounds);
}

[[noreturn]] void refuse(const fs::path& out, std::string_view why) {
  throw Error("{} {}; choose another folder", out.string(), why);
}

bool is_damaged(const fs::path& shard, const Layout& layout) {
  try {
    return Shard(shard, layout).intact() == false;
  } catch (const Error&) {
    return false;  // of another machine, for all that is known
  }
}

constexpr auto other_configuration = "holds a dataset of another configuration";

// A shard of the plan must be of the configuration, or damaged.
void check_shard(const fs::path& shard, const std::string& configuration, const Layout& layout) {
  const auto found = shard_configuration(shard);
  if (found && *found != configuration && !is_damaged(shard, layout)) {
    refuse(shard.parent_path(), other_configuration);
  }
}

// Before anything is touched: all that is in the folder must come from the same configuration. Broken shards
// will be made again. Other parts' files are PartWriter's to check.
void check_dataset_folder(const OutputFolder& folder, const ShardPlan& plan, const ordered_json& generator,
                          const Layout& layout, bool is_part) {
  const auto& out = folder.path();
  const auto configuration = configuration_hash(generator, layout);
  for (const auto& name : folder.contents()) {
    const bool of_parts = name == PartLock::file_name || part_of_file(name);
    if (name == "manifest.json") {
      const auto manifest = read_manifest(out / name);
      if (manifest.generator != generator || manifest.layout != layout) refuse(out, other_configuration);
      if (is_part) refuse(out, "holds the whole dataset already");
    } else if (plan.find(name)) {
      check_shard(out / name, configuration, layout);
    } else if (of_parts && !is_part) {
      throw Error("{} holds parts of a dataset: bytecpu-datagen merge makes the dataset of them",
                  out.string());
    } else if (!of_parts) {
      refuse(out, name.ends_with(".safetensors") ? other_configuration
                                                 : fmt::format("is not empty: it holds {}", name));
    }
  }
}

// One call of generate(), with its options checked.
class Generation {
 public:
  Generation(const GenerateOptions& options, std::unique_ptr<Machine> drawer);
  GenerateResult run();

 private:
  void open_writers();
  std::vector<uint8_t> draw_published(size_t job);
  void make_shard(Machine& machine, size_t job, std::vector<uint8_t> starts);
  void run_programs(Machine& machine, const ShardJob& job, std::vector<uint8_t> starts, TraceBatch& traces);
  void note(const ShardJob& job, DatasetWriter::Found found, const TraceBatch& traces);
  void finish_files();
  void finish_shards();
  void finish_part();

  const GenerateOptions& options_;
  std::unique_ptr<Machine> drawer_;
  const Layout& layout_;
  ShardPlan plan_;
  std::vector<size_t> jobs_;  // of the plan, those to do
  ordered_json generator_;
  OutputFolder folder_;
  std::optional<PartWriter> part_;
  std::optional<FilesWriter> files_;
  std::optional<DatasetWriter> shards_;
  PythonRandom python_;
  size_t drawn_jobs_ = 0;  // from python_
  std::mutex mutex_;       // of what follows
  GenerateResult result_;
  std::optional<cli::Progress> progress_;
};

Generation::Generation(const GenerateOptions& options, std::unique_ptr<Machine> drawer)
    : options_(options),
      drawer_(std::move(drawer)),
      layout_(drawer_->layout()),
      plan_(options.traces, options.shard_traces),
      jobs_(plan_.share(options.part.value_or(Part()))),
      generator_(describe(options, *drawer_)),
      folder_(options.out, options.part ? OutputFolder::Use::shared : OutputFolder::Use::alone),
      python_(options.seed) {
  open_writers();
}

void Generation::open_writers() {
  if (options_.format == Format::files) {
    files_.emplace(folder_, layout_, generator_);
    return folder_.remove_temporaries({to_string(Split::train), to_string(Split::test)});
  }
  check_dataset_folder(folder_, plan_, generator_, layout_, options_.part.has_value());
  if (options_.part)
    part_.emplace(folder_, PartFile{.part = *options_.part, .layout = layout_, .generator = generator_});
  shards_.emplace(options_.out, layout_, generator_);
  if (!part_) return folder_.remove_temporaries();
  folder_.remove_temporaries([&](std::string_view name) {
    const auto job = plan_.find(name);
    return job ? options_.part->has(*job) : name == part_file_name(*options_.part);
  });
}

GenerateResult Generation::run() {
  const auto start_time = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Machine>> machines;  // one a thread
  while (machines.size() < std::min<size_t>(options_.threads, jobs_.size())) {
    machines.push_back(machine_of(options_));
  }
  int64_t total = 0;
  for (const size_t job : jobs_) total += plan_[job].traces;
  progress_.emplace("generate", "traces", static_cast<double>(total));
  const auto draw = [&](size_t i) { return draw_published(jobs_[i]); };
  const auto work = [&](int thread, size_t i, std::vector<uint8_t> starts) {
    make_shard(*machines[thread], jobs_[i], std::move(starts));
  };
  parallel_for(static_cast<int>(machines.size()), jobs_.size(), draw, work);
  if (files_) {
    finish_files();
  } else if (part_) {
    finish_part();
  } else {
    finish_shards();
  }
  progress_.reset();
  result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_time).count();
  return result_;
}

// The published stream has one order for all of its draws: those of jobs that are not done are thrown away.
std::vector<uint8_t> Generation::draw_published(size_t job) {
  std::vector<uint8_t> starts;
  if (options_.rng == Rng::native) return starts;
  for (; drawn_jobs_ <= job; ++drawn_jobs_) {
    starts = draw_starts(*drawer_, python_, options_.programs, std::nullopt, plan_[drawn_jobs_].traces);
  }
  return starts;
}

void Generation::make_shard(Machine& machine, size_t job, std::vector<uint8_t> starts) {
  const auto of_shard = plan_[job];
  const auto& [split, index, count] = of_shard;
  TraceBatch traces(layout_);
  const auto found = shards_ ? shards_->adopt(split, index, count) : DatasetWriter::Found::nothing;
  if (found != DatasetWriter::Found::adopted) {
    run_programs(machine, of_shard, std::move(starts), traces);
    if (shards_) shards_->write(split, index, traces);
    if (files_) {
      const int64_t first = static_cast<int64_t>(index) * options_.shard_traces;
      for (size_t t = 0; t < traces.size(); ++t)
        files_->write(split, first + static_cast<int64_t>(t), traces[t], machine);
    }
  }
  note(of_shard, found, traces);
}

void Generation::run_programs(Machine& machine, const ShardJob& job, std::vector<uint8_t> starts,
                              TraceBatch& traces) {
  if (options_.rng == Rng::native) {
    auto random = native_random(options_.seed, Purpose::shard, job.split, job.index);
    run_drawn(machine, random, options_, job.split, job.traces, traces);
  } else {
    machine.run(starts, limits_of(options_.programs), traces);
  }
}

// `traces`: none of a shard that was adopted.
void Generation::note(const ShardJob& job, DatasetWriter::Found found, const TraceBatch& traces) {
  const std::lock_guard lock(mutex_);
  const auto s = static_cast<size_t>(job.split);
  const auto bytes = static_cast<int64_t>(traces.bytes.size());
  const auto states =
      (bytes - static_cast<int64_t>(traces.size()) * layout_.memory_bytes) / layout_.record_bytes;
  result_.resumed_shards += found == DatasetWriter::Found::adopted;
  if (found == DatasetWriter::Found::damaged) result_.damaged_shards.insert(shard_name(job.split, job.index));
  result_.traces[s] += job.traces;
  result_.bytes[s] += bytes;
  result_.states[s] += states;
  result_.run_states += states;
  progress_->update(static_cast<double>(result_.traces[0] + result_.traces[1]));
}

void Generation::finish_files() {
  const auto counts = files_->finish();
  result_.duplicates = counts.duplicates;
  result_.overlap = counts.overlap;
}

void Generation::finish_shards() {
  const auto manifest = shards_->finish();
  result_.overlap = manifest.overlap;
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    result_.states[i] = manifest[s].states;
    result_.bytes[i] = manifest[s].bytes;
    result_.duplicates[i] = manifest[s].duplicates;
  }
}

void Generation::finish_part() {
  const auto shards = shards_->shards();
  result_.states = result_.bytes = {};
  for (size_t i = 0; i < shards.size(); ++i) {
    const auto s = static_cast<size_t>(plan_[jobs_[i]].split);
    result_.states[s] += shards[i].states;
    result_.bytes[s] += shards[i].bytes;
  }
  part_->finish(shards, engine_versions(), shards_->wrote());
}

}  // namespace

int64_t default_shard_traces(const Layout& layout) {
  return std::clamp<int64_t>(shard_start_bytes / layout.start_bytes(), 1, most_shard_traces);
}

GenerateResult generate(const GenerateOptions& given) {
  auto options = given;
  auto drawer = machine_of(options);
  if (options.shard_traces == 0) options.shard_traces = default_shard_traces(drawer->layout());
  check(options, *drawer);
  return Generation(options, std::move(drawer)).run();
}

}  // namespace bytecpu
