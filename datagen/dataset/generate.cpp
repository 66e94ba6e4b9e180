#include "datagen/dataset/generate.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>

#include "datagen/dataset/files_writer.hpp"
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

struct Job {
  Split split;
  size_t index;  // of the shard, within its split
  int64_t traces;
};

std::vector<Job> plan(const GenerateOptions& options) {
  std::vector<Job> jobs;
  for (const Split s : splits) {
    const int64_t total = options.traces[static_cast<size_t>(s)];
    for (int64_t first = 0, index = 0; first < total; first += options.shard_traces, ++index) {
      jobs.push_back({s, static_cast<size_t>(index), std::min(options.shard_traces, total - first)});
    }
  }
  return jobs;
}

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

// Before anything is touched: all that is in the folder must come from the same configuration. Broken shards
// will be made again.
void check_dataset_folder(const OutputFolder& folder, const fs::path& out, const std::vector<Job>& jobs,
                          const ordered_json& generator, const Layout& layout) {
  constexpr auto other = "holds a dataset of another configuration";
  std::set<std::string> shards;
  for (const auto& job : jobs) shards.insert(shard_name(job.split, job.index));
  const auto configuration = configuration_hash(generator, layout);
  for (const auto& name : folder.contents()) {
    if (name == "manifest.json") {
      const auto manifest = read_manifest(out / name);
      if (manifest.generator != generator || manifest.layout != layout) refuse(out, other);
    } else if (shards.contains(name)) {
      const auto found = shard_configuration(out / name);
      if (found && *found != configuration && !is_damaged(out / name, layout)) refuse(out, other);
    } else {
      refuse(out, name.ends_with(".safetensors") ? other : fmt::format("is not empty: it holds {}", name));
    }
  }
}

}  // namespace

int64_t default_shard_traces(const Layout& layout) {
  return std::clamp<int64_t>(shard_start_bytes / layout.start_bytes(), 1, most_shard_traces);
}

GenerateResult generate(const GenerateOptions& given) {
  const auto start_time = std::chrono::steady_clock::now();
  auto options = given;
  const auto drawer = machine_of(options);
  const auto& layout = drawer->layout();
  if (options.shard_traces == 0) options.shard_traces = default_shard_traces(layout);
  check(options, *drawer);
  const auto jobs = plan(options);
  const auto generator = describe(options, *drawer);

  const OutputFolder folder(options.out);
  std::optional<FilesWriter> files;
  std::optional<DatasetWriter> shards;
  if (options.format == Format::files) {
    files.emplace(folder, layout, generator);
  } else {
    check_dataset_folder(folder, options.out, jobs, generator, layout);
    shards.emplace(options.out, layout, generator);
  }
  folder.remove_temporaries({to_string(Split::train), to_string(Split::test)});

  std::vector<std::unique_ptr<Machine>> machines;  // one a thread
  while (machines.size() < std::min<size_t>(options.threads, jobs.size()))
    machines.push_back(machine_of(options));
  GenerateResult result;
  cli::Progress progress("generate", "traces", static_cast<double>(options.traces[0] + options.traces[1]));
  std::mutex mutex;
  PythonRandom python(options.seed);

  // The published stream has one order for all of its draws.
  const auto draw_published = [&](size_t i) {
    if (options.rng == Rng::native) return std::vector<uint8_t>();
    return draw_starts(*drawer, python, options.programs, std::nullopt, jobs[i].traces);
  };
  const auto make_shard = [&](int thread, size_t i, std::vector<uint8_t> starts) {
    const auto& [split, index, count] = jobs[i];
    auto& machine = *machines[thread];
    TraceBatch traces(layout);
    const auto found = shards ? shards->adopt(split, index, count) : DatasetWriter::Found::nothing;
    const bool adopted = found == DatasetWriter::Found::adopted;
    if (!adopted) {
      if (options.rng == Rng::native) {
        auto random = native_random(options.seed, Purpose::shard, split, index);
        run_drawn(machine, random, options, split, count, traces);
      } else {
        machine.run(starts, limits_of(options.programs), traces);
      }
      if (shards) shards->write(split, index, traces);
      if (files) {
        const int64_t first = static_cast<int64_t>(index) * options.shard_traces;
        for (size_t t = 0; t < traces.size(); ++t)
          files->write(split, first + static_cast<int64_t>(t), traces[t], machine);
      }
    }

    const std::lock_guard lock(mutex);
    const auto s = static_cast<size_t>(split);
    const auto bytes = static_cast<int64_t>(traces.bytes.size());
    result.resumed_shards += adopted;
    if (found == DatasetWriter::Found::damaged) result.damaged_shards.insert(shard_name(split, index));
    result.traces[s] += count;
    if (!adopted) {
      result.bytes[s] += bytes;
      result.states[s] += (bytes - count * layout.memory_bytes) / layout.record_bytes;
      result.run_states += (bytes - count * layout.memory_bytes) / layout.record_bytes;
    }
    progress.update(static_cast<double>(result.traces[0] + result.traces[1]));
  };
  parallel_for(static_cast<int>(machines.size()), jobs.size(), draw_published, make_shard);

  if (files) {
    const auto counts = files->finish();
    result.duplicates = counts.duplicates;
    result.overlap = counts.overlap;
  }
  if (shards) {
    const auto manifest = shards->finish();
    result.overlap = manifest.overlap;
    for (const Split s : splits) {
      const auto i = static_cast<size_t>(s);
      result.states[i] = manifest[s].states;
      result.bytes[i] = manifest[s].bytes;
      result.duplicates[i] = manifest[s].duplicates;
    }
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_time).count();
  return result;
}

}  // namespace bytecpu
