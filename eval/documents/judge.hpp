// A whole evaluation as a document (document.hpp): what programs and the Python module put it together from.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "datagen/dataset/dataset.hpp"
#include "eval/sweeps/exhaustive.hpp"
#include "eval/truth/evaluation.hpp"

namespace bytecpu {

// Without results yet: "modes" is empty.
nlohmann::ordered_json new_document(nlohmann::ordered_json predictor, nlohmann::ordered_json data);

// The member "data": traces of a dataset in a folder; programs drawn by fresh_traces(); exhaustive evaluation alone.
nlohmann::ordered_json dataset_json(const Dataset& data, const std::string& folder, Split split,
                                    const TestSet& set);
nlohmann::ordered_json fresh_json(const Machine& machine, const TestSet& set, uint64_t seed,
                                  const ProgramOptions& programs);
nlohmann::ordered_json isolated_json(const Machine& machine);

// The baselines' rates over the same traces, all but the one named `but`: the predictor itself, where it is one.
nlohmann::ordered_json baselines(Mode mode, const TestSet& set, const Machine& machine, std::string_view but,
                                 const OnProgress& progress = {});

// A member of "modes": "step", "rollout" over the set's traces, or "exhaustive", over those cases; predicted
// `chunk` at a time. `baseline`: its name where the predictor is one, empty else.
// While baselines are judged, progress stays where it was at the end of the predictor's own.
// Where the set has a part, the counts of its share instead (counts.hpp).
nlohmann::ordered_json judge(std::string_view mode, Predictor& predictor, const TestSet& set,
                             Machine& machine, std::span<const CasesOfRow> exhaustive, int64_t chunk,
                             std::string_view baseline, const OnProgress& progress = {});

}  // namespace bytecpu
