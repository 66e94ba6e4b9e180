// Records by their fields' names, starts made of code, traces of one program.
#pragma once

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"

namespace bytecpu::test {

inline const Field& field(const Layout& layout, std::string_view name) {
  const auto found = std::ranges::find(layout.fields, name, &Field::name);
  if (found == layout.fields.end()) throw Error("{} has no field {}", layout.machine, name);
  return *found;
}

inline uint64_t get(const Layout& layout, std::span<const uint8_t> record, std::string_view name) {
  const Field& f = field(layout, name);
  uint64_t value = 0;
  std::memcpy(&value, record.data() + f.offset, std::min(f.bytes, 8));
  return value;
}

inline void set(const Layout& layout, std::span<uint8_t> record, std::string_view name, uint64_t value) {
  const Field& f = field(layout, name);
  std::memcpy(record.data() + f.offset, &value, f.bytes);
}

// A trace that holds its bytes.
struct OwnedTrace {
  Layout layout;
  std::vector<uint8_t> bytes;
  StopReason stop{};

  Trace trace() const { return {layout, bytes, stop}; }
  std::span<const uint8_t> image() const { return trace().image(); }
  // Of records, state 0 included.
  size_t count() const { return static_cast<size_t>(trace().states()) + 1; }
  std::span<const uint8_t> record(size_t t) const { return trace().record(static_cast<int64_t>(t)); }
  uint64_t get(size_t t, std::string_view name) const { return test::get(layout, record(t), name); }
};

using Values = std::vector<std::pair<std::string, uint64_t>>;

inline std::vector<OwnedTrace> run(Machine& machine, std::span<const uint8_t> starts,
                                   const Limits& limits = {}) {
  TraceBatch batch(machine.layout());
  machine.run(starts, limits, batch);
  std::vector<OwnedTrace> traces;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Trace trace = batch[i];
    traces.push_back({machine.layout(), {trace.bytes.begin(), trace.bytes.end()}, trace.stop});
  }
  return traces;
}

// Memory image with the code, and data from its start on; state 0 with the values given.
inline std::vector<uint8_t> start_of(const Machine& machine, std::string_view code, const Values& values = {},
                                     std::span<const uint8_t> data = {}) {
  auto start = machine.load_program(code, "test");
  std::ranges::copy(data, start.begin() + machine.layout().data_offset);
  auto state = machine.first_state();
  for (const auto& [name, value] : values) set(machine.layout(), state, name, value);
  start.insert(start.end(), state.begin(), state.end());
  return start;
}

// The same of code that load_program refuses: nothing but what is given, and zeros.
inline std::vector<uint8_t> raw_start(const Machine& machine, std::string_view code, const Values& values,
                                      std::span<const uint8_t> data = {}) {
  std::vector<uint8_t> start(machine.layout().memory_bytes);
  std::ranges::copy(code, start.begin());
  std::ranges::copy(data, start.begin() + machine.layout().data_offset);
  auto state = machine.first_state();
  for (const auto& [name, value] : values) set(machine.layout(), state, name, value);
  start.insert(start.end(), state.begin(), state.end());
  return start;
}

inline OwnedTrace run_code(Machine& machine, std::string_view code, const Values& values = {},
                           std::span<const uint8_t> data = {}, const Limits& limits = {}) {
  return run(machine, start_of(machine, code, values, data), limits).at(0);
}

inline std::vector<uint8_t> random_starts(const Machine& machine, uint64_t seed, int count,
                                          const ProgramOptions& options) {
  const size_t each = machine.layout().start_bytes();
  std::vector<uint8_t> starts(count * each);
  NativeRandom random(seed, 0);
  for (int i = 0; i < count; ++i) {
    machine.random_start(random, options, std::span(starts).subspan(i * each, each));
  }
  return starts;
}

}  // namespace bytecpu::test
