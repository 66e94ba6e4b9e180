// One program on the machine and on a predictor, state by state: where they differ, as text and as JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "emulator/machine.hpp"
#include "eval/predictors/predictor.hpp"

namespace bytecpu {

struct Lockstep {
  explicit Lockstep(const Machine& m) : machine(&m), run(m.layout()) {}

  const Machine* machine;
  // One trace.
  TraceBatch run;
  bool free = false;                            // the predictor runs on its own states, else on the true ones
  std::vector<std::vector<uint8_t>> predicted;  // [t - 1] record t; empty where the end is predicted
  bool finished = false;                        // everything has been predicted that can be
  bool cut = false;                             // free: the predictor takes no more states than it has

  int64_t states() const { return run[0].states(); }
  bool halted() const { return run.stops[0] == StopReason::halted; }
  std::span<const uint8_t> truth(int64_t t) const;  // record t; empty where there is none
  bool differs(int64_t t) const;                    // t from 1 to predicted.size()
  // Of what is predicted: the first state that differs, states() + 1 being the end; and how many do.
  std::optional<int64_t> first_difference() const;
  int64_t differences() const;
};

// Called with the states first … last whenever more are predicted; false ends the lockstep.
using OnStates = std::function<bool(const Lockstep&, int64_t first, int64_t last)>;

// Runs the start, memory image ‖ state 0, on both, for at most `steps` states. Free, the predictor goes on to
// its own end, or rollout_slack states after the machine's; or it is cut where it takes no more.
Lockstep run_lockstep(Machine& machine, Predictor& predictor, std::span<const uint8_t> start, int64_t steps,
                      bool free, const OnStates& on_states = {});

// A table, row by row. A row has the machine's state and "same" or what the predictor has instead; the first
// row that differs begins with ">". What changed since the state before is bold, or marked with * without
// colour.
std::string lockstep_heading(const Lockstep& lockstep);
std::string lockstep_row(const Lockstep& lockstep, int64_t t, bool colour);
std::string lockstep_verdict(const Lockstep& lockstep);

// As trace_json(), and "free"; "predicted": records after state 0 in hexadecimal, null where the end is
// predicted; "first_difference", null where they agree, and "differences"; "cut".
nlohmann::ordered_json lockstep_json(const Lockstep& lockstep);

}  // namespace bytecpu
