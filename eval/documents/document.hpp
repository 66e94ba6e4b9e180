// An evaluation as a JSON document, the one source of the report and of what is printed (text.hpp).
//
// Format "bytecpu-evaluation", version 1. A rate is {"right", "total", "wrong", "accuracy", "interval": [low, high]}:
// the accuracy null of none, the interval the 95 % Clopper-Pearson one. Denominators: metrics.hpp.
// - "format", "version", "bytecpu" (its version), "command", "time" (UTC)
// - "predictor": {"name", "details": what it tells of itself}
// - "data": {"source", "split", "traces", "states", "layout": as in a dataset's manifest, and how it was made}
// - "modes": {"step", "rollout", "exhaustive"}: those that were evaluated
// - "files", of predicted files: {"without_file": traces that none predicts, "problems": [{"file", "problem"}]}
// - "run": the training's run.json, where there is one
// - "training": the lines of the run's metrics.jsonl, where there is one
//
// Of step and rollout:
// - "traces", "states", "bytes", "changed", "unchanged" (bytes), "ends", "branches", "writes": rates;
//   "missing_states", "surplus_states", "early_ends", "late_ends"
// - "baselines": {"copy", "oracle"}: the rates above, of these predictors over the same traces
// - "bits_per_byte": null without probabilities; "seconds"
// - "by_form": [{"form", rate of states, "wrong_bytes", "first_errors": traces whose first error it is}],
//   "by_operation": [{"operation", rate of states}], "by_group": [{"group", rate of states}],
//   "by_field": [{"field", rate}]
// - "by_step": {"states", "wrong_states", "wrong_bytes"}: arrays, the first element for state 1; "bins": the same as
//   [{"first", "last", "states", "bytes": rates}]
// - "by_length": [{"first", "last": true states of the traces, "traces", "states", "bytes": rates}]
// - "first_error": traces by the state of their first error, the first element for state 1
// - "after_error", of rollouts: as by_step, by the distance from the trace's first wrong state, from 0 on
// - "confidence": {"mean_right", "mean_wrong": of right and of wrong states, null of none, "calibration_error",
//   "bins": [{"from", "to", rate of states, "mean_confidence"}]}; null without any
// - "examples": the traces with the most wrong bytes: {"trace", "program", "states" (true ones after state 0),
//   "first_error", "wrong_bytes", "end": "right", "early" or "late", "rows": [{"step", "instruction", "line": of the
//   program, from 0, where that instruction is, "truth", "predicted"}]}, the records in hexadecimal; null where there
//   is none
//
// Of exhaustive:
// - "results": rate; "seconds"; "by_operation": [{"operation", rate}]
// - "forms": [{"form", "operands": names of those that are swept, "cases": all that there are; null where those tested
//   are samples, "results": rate, "wrong_values", "examples": [{"instruction", "before", "expected", "predicted"}]}].
//   "wrong_values", only where any are wrong and values are swept, is a bitmap of operand values in hexadecimal, most
//   significant bit first: 256 bits, or for two operands 256 such rows, a row a value of the first
//
// Of a dataset of files, in place of the modes:
// - "data": {"source", "split", "documents", "generator"}
// - "kinds": [{"kind": an extension, or "A to B", "documents", "bytes", "nats": of all bytes and ends, "bits_per_byte":
//   nats / ln 2 / bytes, "interval": [low, high], of documents taken as independent, "compressors": {"xz", "zstd"}: bits
//   a byte for the same bytes, those of the train split before them; and of pairs "equal": rate of the converted files
//   that are right to the last byte, "ended": of those that the model ended, "examples": [{"name", "context", "truth",
//   "predicted": bytes in hexadecimal, "ended"}]}]
// - "labels", of a model that has learned labels: {"labels": names, "right": rate, "bits_per_label", "confusion": rows by
//   the right label of counts by the one given}
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "eval/measures/metrics.hpp"
#include "eval/sweeps/exhaustive.hpp"

namespace bytecpu {

inline constexpr std::string_view evaluation_format = "bytecpu-evaluation";
inline constexpr int evaluation_version = 1;

nlohmann::ordered_json to_json(const Rate& rate);
// The rates of the whole alone: what "baselines" holds.
nlohmann::ordered_json headline(const Scores& scores);
nlohmann::ordered_json to_json(const Scores& scores, const Machine& machine);
nlohmann::ordered_json to_json(const ExhaustiveScores& scores);

}  // namespace bytecpu
