// One program on the machine and on a predictor, state by state: where they part, as text and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "emulator/machine.hpp"
#include "eval/predictor.hpp"

namespace bytecpu {

struct Lockstep {
  const Machine* machine = nullptr;
  TraceBatch run;  // one trace
  RolloutPrediction prediction;

  int64_t states() const;  // after state 0
  int64_t predicted_states() const;
  bool halted() const { return run.stops[0] == StopReason::halted; }
  // Record t; empty where there is none.
  std::span<const uint8_t> truth(int64_t t) const;
  std::span<const uint8_t> predicted(int64_t t) const;
  // The first state in which they differ; states() + 1 where only the end does; none where they agree.
  std::optional<int64_t> parting() const;
};

// Runs the start, memory image ‖ state 0, on both, for at most `steps` states.
Lockstep run_lockstep(Machine& machine, Predictor& predictor, std::span<const uint8_t> start, int64_t steps);

// A row a state: the machine's state, and "same" or what the predictor has instead. A line says where they
// part.
std::string lockstep_text(const Lockstep& lockstep, bool colour);

// As trace_json(), and "predicted": records after state 0 in hexadecimal; "ended"; "parts_at", null where
// they agree.
nlohmann::ordered_json lockstep_json(const Lockstep& lockstep);

}  // namespace bytecpu
