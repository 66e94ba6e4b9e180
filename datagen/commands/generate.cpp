// bytecpu-datagen generate: its options, and what it prints.
#include "datagen/dataset/generate.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "datagen/commands/commands.hpp"
#include "datagen/programs/program_options.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

struct Values {
  GenerateOptions generate;
  std::string operation_weights;
  bool json = false;
};

OptionList options(Values& v) {
  using Rng = GenerateOptions::Rng;
  using Format = GenerateOptions::Format;
  constexpr double most_traces = 4294967295;  // 2^32 - 1
  auto& g = v.generate;
  OptionList field;
  machine_options(field, g.machine, g.memory_bytes);
  program_options(field, g.programs);
  field(v.operation_weights, "operation-weights", text("OP=W,..."),
        "how often operations are drawn; those not named have weight 1");
  field(g.traces[0], "train", in(0, most_traces), "training traces");
  field(g.traces[1], "test", in(0, most_traces), "test traces");
  field(g.seed, "seed", at_least(0), "seed of all draws");
  field(g.rng, "rng", Names<Rng>{{"native", Rng::native}, {"python", Rng::python}},
        "python: the published generator's draws");
  field(g.keep_faults, "faults", Names<bool>{{"keep", true}, {"drop", false}},
        "traces that end in a fault; drop: others are drawn instead");
  field(g.format, "format", Names<Format>{{"shards", Format::shards}, {"files", Format::files}},
        "files: a .bin file a program, as published");
  field(g.shard_traces, "shard-traces", in(0, 1 << 20), "traces a shard; 0: 8192, fewer for large memories");
  field(g.part, "part", PartText{},
        "only part K of N of the shards; merge makes the dataset when all parts are there");
  field(g.threads, "threads", in(1, 1024), "threads; changes nothing but the speed");
  field(g.out, "out", text("DIR"), "folder to write; an interrupted one is completed").required();
  field(v.json, "json", "print the summary as JSON");
  return field;
}

// "ADD=2,DIV=0.5": the operations not named have weight 1.
std::vector<double> operation_weights(const std::string& text, const Machine& machine) {
  const auto operations = machine.operations();
  std::vector<double> weights(operations.size(), 1);
  for (size_t at = 0; at <= text.size();) {
    const auto item = text.substr(at, text.find(',', at) - at);
    at += item.size() + 1;
    const auto equals = std::min(item.find('='), item.size());
    const auto found = std::find(operations.begin(), operations.end(), item.substr(0, equals));
    char* end = nullptr;
    const double weight = equals < item.size() ? std::strtod(item.c_str() + equals + 1, &end) : -1;
    if (found == operations.end() || !(weight >= 0 && weight < 1e9) || end == item.c_str() + equals + 1 ||
        *end) {
      throw UsageError("--operation-weights: \"{}\" is no OPERATION=WEIGHT; operations are {}", item,
                       fmt::join(operations, ", "));
    }
    weights[found - operations.begin()] = weight;
  }
  return weights;
}

double states_per_second(const GenerateResult& result) {
  return static_cast<double>(result.run_states) / result.seconds;
}

ordered_json to_json(const GenerateResult& result, const GenerateOptions& options) {
  ordered_json json = {{"out", options.out.string()},
                       {"traces", result.traces[0] + result.traces[1]},
                       {"states", result.states[0] + result.states[1]},
                       {"bytes", result.bytes[0] + result.bytes[1]},
                       {"seconds", result.seconds},
                       {"states_per_second", states_per_second(result)},
                       {"resumed_shards", result.resumed_shards},
                       {"damaged_shards", result.damaged_shards}};
  if (options.part) json["part"] = to_string(*options.part);
  if (!options.part) json["overlap"] = result.overlap;
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    auto& split = json["splits"][to_string(s)];
    split = {{"traces", result.traces[i]}, {"states", result.states[i]}, {"bytes", result.bytes[i]}};
    if (!options.part) split["duplicates"] = result.duplicates[i];
  }
  return json;
}

void print(const GenerateResult& result, const GenerateOptions& options) {
  const auto& [out, part] = std::tie(options.out, options.part);
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    fmt::print("{:<6}{:>12} traces {:>14} states {:>16} bytes", to_string(s), result.traces[i],
               result.states[i], result.bytes[i]);
    fmt::print("{}\n", part ? std::string() : fmt::format(" {:>10} duplicates", result.duplicates[i]));
  }
  if (result.overlap > 0) fmt::print("{} test traces have a program that is in train too\n", result.overlap);
  if (result.resumed_shards > 0) fmt::print("{} shards were there already\n", result.resumed_shards);
  for (const auto& shard : result.damaged_shards) {
    fmt::print("{} was not as it had been written: made again\n", (out / shard).string());
  }
  fmt::print("{}{}: {} traces, {} states, {} bytes in {:.2f} s, {:.0f} states/s\n", out.string(),
             part ? ", part " + to_string(*part) : std::string(), result.traces[0] + result.traces[1],
             result.states[0] + result.states[1], result.bytes[0] + result.bytes[1], result.seconds,
             states_per_second(result));
}

void run(Values& v, const OptionList& given) {
  auto& g = v.generate;
  fit_memory(given, g.machine, g.memory_bytes);
  const auto machine = as_usage([&] { return make_machine(g.machine, g.memory_bytes); });
  fit_length(given, *machine, g.programs);
  if (!v.operation_weights.empty()) {
    g.programs.operation_weights = operation_weights(v.operation_weights, *machine);
  }
  const auto result = generate(g);
  if (v.json) {
    fmt::print("{}\n", json_text(to_json(result, g)));
  } else {
    print(result, g);
  }
}

}  // namespace

cli::Command generate_command() {
  return cli::command<Values>("generate", "Random programs are drawn and run; their traces become a dataset.",
                              "--train N --test N --out DIR [options]", options, run);
}

}  // namespace bytecpu
