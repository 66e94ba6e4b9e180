#include "eval/documents/judge.hpp"

#include <fmt/chrono.h>

#include <chrono>

#include "datagen/io/cli.hpp"
#include "emulator/version.hpp"
#include "eval/documents/counts.hpp"
#include "eval/documents/document.hpp"
#include "eval/predictors/baselines.hpp"

namespace bytecpu {

using nlohmann::ordered_json;

ordered_json new_document(ordered_json predictor, ordered_json data) {
  return {{"format", evaluation_format},
          {"version", evaluation_version},
          {"bytecpu", version()},
          {"command", cli::command_line()},
          {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()))},
          {"predictor", std::move(predictor)},
          {"data", std::move(data)},
          {"modes", ordered_json::object()}};
}

ordered_json dataset_json(const Dataset& data, const std::string& folder, Split split, const TestSet& set) {
  const Manifest& manifest = data.manifest();
  return {{"source", folder},
          {"split", to_string(split)},
          {"traces", set.traces.size()},
          {"states", set.states},
          {"layout", to_json(manifest.layout)},
          {"generator", manifest.generator},
          {"traces_in_split", manifest[split].traces},
          {"test_programs_in_train", manifest.overlap}};
}

ordered_json fresh_json(const Machine& machine, const TestSet& set, uint64_t seed,
                        const ProgramOptions& programs) {
  return {{"source", "fresh programs"},
          {"split", "test"},
          {"traces", set.traces.size()},
          {"states", set.states},
          {"layout", to_json(machine.layout())},
          {"seed", seed},
          {"min_instructions", programs.min_instructions},
          {"max_instructions", programs.max_instructions}};
}

ordered_json isolated_json(const Machine& machine) {
  return {{"source", "isolated instructions"}, {"layout", to_json(machine.layout())}};
}

ordered_json baselines(Mode mode, const TestSet& set, const Machine& machine, std::string_view but,
                       const OnProgress& progress) {
  constexpr int64_t chunk = 1024;
  auto all = ordered_json::object();
  for (const char* name : {"copy", "oracle"}) {
    if (name == but) continue;
    const auto baseline = make_baseline(name, machine.layout());
    all[name] = headline(evaluate(*baseline, mode, set, machine, chunk, progress));
  }
  return all;
}

ordered_json judge(std::string_view mode, Predictor& predictor, const TestSet& set, Machine& machine,
                   std::span<const CasesOfRow> exhaustive, int64_t chunk, std::string_view baseline,
                   const OnProgress& progress) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  ordered_json result;
  if (mode == "exhaustive") {
    const auto part = set.part.value_or(Part());
    const auto scores = evaluate_exhaustive(predictor, machine, exhaustive, chunk, progress, part);
    result = set.part ? ordered_json{{"counts", counts_json(scores)}} : to_json(scores);
    result["seconds"] = seconds();
    return result;
  }
  const Mode kind = mode == "step" ? Mode::step : Mode::rollout;
  const auto scores = evaluate(predictor, kind, set, machine, chunk, progress);
  result = set.part ? ordered_json{{"counts", counts_json(scores)}} : to_json(scores, machine);
  result["seconds"] = seconds();
  const auto stays = [&](int64_t) {
    if (progress) progress(set.states);
  };
  result["baselines"] = baselines(kind, set, machine, baseline, stays);
  return result;
}

}  // namespace bytecpu
