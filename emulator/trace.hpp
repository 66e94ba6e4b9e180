// A trace: memory image ‖ state 0 ‖ state 1 ‖ …, and why it ends. No other file knows how a trace lies in
// memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "emulator/layout.hpp"

namespace bytecpu {

// Why a run ended. The numbers are those of datasets' `stops`.
enum class StopReason : uint8_t {
  halted = 0,
  step_limit = 1,
  time_limit = 2,
  illegal_instruction = 3,
  // An access, or a fetch, outside of the machine's memory.
  memory_fault = 4,
  // A write to the part of the memory that holds the code.
  code_write = 5,
  // Where the processor has one: division by zero, or a quotient out of range.
  divide_error = 6,
  // Of an imported trace that is not what the machine makes.
  unknown = 7,
};
inline constexpr StopReason last_stop_reason = StopReason::unknown;
std::string_view to_string(StopReason reason);

// One trace, borrowed. Whole records: what comes from outside is checked by is_whole() first.
struct Trace {
  int memory_bytes = 0, record_bytes = 0;
  std::span<const uint8_t> bytes = {};
  StopReason stop = StopReason::halted;

  Trace() = default;
  Trace(const Layout& layout, std::span<const uint8_t> bytes_, StopReason stop_ = StopReason::halted)
      : Trace(layout.memory_bytes, layout.record_bytes, bytes_, stop_) {}
  Trace(int memory, int record, std::span<const uint8_t> bytes_, StopReason stop_)
      : memory_bytes(memory), record_bytes(record), bytes(bytes_), stop(stop_) {}

  bool is_whole() const {
    return bytes.size() >= start_bytes() && records().size() % static_cast<size_t>(record_bytes) == 0;
  }
  std::span<const uint8_t> image() const { return bytes.first(static_cast<size_t>(memory_bytes)); }
  // Memory image ‖ state 0: what determines all that follows.
  std::span<const uint8_t> start() const { return bytes.first(start_bytes()); }
  // State 0 and all that follow, back to back.
  std::span<const uint8_t> records() const { return bytes.subspan(static_cast<size_t>(memory_bytes)); }
  // 0 … states().
  std::span<const uint8_t> record(int64_t t) const {
    return records().subspan(static_cast<size_t>(t * record_bytes), static_cast<size_t>(record_bytes));
  }
  // After state 0.
  int64_t states() const { return std::ssize(records()) / record_bytes - 1; }
  // Whether the machine itself ended it after the last state; else it might have gone on.
  bool complete() const { return stop == StopReason::halted; }
  // Its first states: `count` after state 0, fewer than it has.
  Trace first(int64_t count) const {
    const auto kept = static_cast<size_t>(memory_bytes + (count + 1) * record_bytes);
    return {memory_bytes, record_bytes, bytes.first(kept), StopReason::step_limit};
  }

 private:
  size_t start_bytes() const { return static_cast<size_t>(memory_bytes + record_bytes); }
};

// Traces back to back. Trace i is bytes[offsets[i] … offsets[i+1]).
struct TraceBatch {
  int memory_bytes = 0, record_bytes = 0;
  std::vector<uint8_t> bytes = {};
  std::vector<int64_t> offsets{0};
  // One a trace.
  std::vector<StopReason> stops = {};

  explicit TraceBatch(const Layout& layout)
      : memory_bytes(layout.memory_bytes), record_bytes(layout.record_bytes) {}

  size_t size() const { return offsets.size() - 1; }
  Trace operator[](size_t i) const {
    return {memory_bytes, record_bytes,
            std::span(bytes).subspan(static_cast<size_t>(offsets[i]),
                                     static_cast<size_t>(offsets[i + 1] - offsets[i])),
            stops[i]};
  }
  void add(const Trace& trace) {
    bytes.insert(bytes.end(), trace.bytes.begin(), trace.bytes.end());
    offsets.push_back(static_cast<int64_t>(bytes.size()));
    stops.push_back(trace.stop);
  }
  void pop_back() {
    stops.pop_back();
    offsets.pop_back();
    bytes.resize(static_cast<size_t>(offsets.back()));
  }
  void clear() {
    bytes.clear();
    offsets.assign(1, 0);
    stops.clear();
  }
};

// Puts the memory write that a record tells of (ACCESS_OFFSET, WRITE_SIZE, WRITE_VALUE) into the image: what
// the machine's memory is when the record's instruction runs. Nothing where there is no write, or where one does
// not lie in the image, as a wrong prediction's may.
void apply_write(const Layout& layout, std::span<const uint8_t> record, std::span<uint8_t> image);

}  // namespace bytecpu
