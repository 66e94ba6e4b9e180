// What was counted, as JSON that is read again and added up: of one part of an evaluation.
//
// A rate is [right, total]; a tally [states, wrong states, wrong bytes]; the rest is as Scores and ExhaustiveScores have
// it, bytes in hexadecimal.
#pragma once

#include <nlohmann/json.hpp>

#include "eval/measures/metrics.hpp"
#include "eval/sweeps/exhaustive.hpp"

namespace bytecpu {

nlohmann::ordered_json counts_json(const Scores& scores);
nlohmann::ordered_json counts_json(const ExhaustiveScores& scores);

// Adds what counts_json() wrote; the scores are then those of both together. Throws Error or a JSON exception where it
// is something else, or counted of other rows.
void add_counts(const nlohmann::ordered_json& json, Scores& scores);
void add_counts(const nlohmann::ordered_json& json, ExhaustiveScores& scores);

}  // namespace bytecpu
