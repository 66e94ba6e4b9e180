// A plain interpreter of toy8, the oracle of the tests. Written from the machine's description, not from the
// product's source: it shares no code and no table with it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "emulator/machine.hpp"

namespace bytecpu::testing {

struct ReferenceTrace {
  std::vector<uint8_t> bytes;  // memory image ‖ state 0 ‖ …
  StopReason stop = StopReason::halted;
};

class ReferenceToy8 {
 public:
  // Executes one instruction on ACC and A … J. False, and nothing changed, if it is illegal.
  static bool step(std::array<uint8_t, 4> code, uint8_t& acc, std::array<uint8_t, 10>& file) {
    const auto [op, a, b, c] = code;
    const auto reg = [&](uint8_t n) -> uint8_t* { return n >= 1 && n <= 10 ? &file[n - 1] : nullptr; };
    if (op > 20) return false;
    if (op == 0) return true;
    if (op == 11) return acc = a, true;
    if (op >= 1 && op <= 8) {
      uint8_t* x = a == 0 ? &acc : reg(a);
      if (!x) return false;
      const int v = *x;
      switch (op) {
        case 1:
          *x = 0;
          break;
        case 2:
          *x = v == 255 ? 255 : v + 1;
          break;
        case 3:
          *x = v == 0 ? 0 : v - 1;
          break;
        case 4:
          *x = (v * 2) % 256;
          break;
        case 5:
          *x = v / 2;
          break;
        case 6:
          *x = (v * 2) % 256 + v / 128;
          break;
        case 7:
          *x = v / 2 + (v % 2) * 128;
          break;
        case 8:
          *x = 255 - v;
          break;
      }
      return true;
    }
    uint8_t* r = reg(a);
    if (!r) return false;
    if (op == 9) return acc = *r, true;
    if (op == 10) return *r = acc, true;
    if (op == 20) {
      uint8_t* s = reg(b);
      if (!s) return false;
      *r = *s;
      return true;
    }
    uint8_t* s = reg(b);
    if (b != 0 && !s) return false;
    if (op == 12) return std::swap(*r, s ? *s : acc), true;
    // ADD … XOR in three forms.
    if (b == 0) {
      acc = apply(op, acc, *r);
      return true;
    }
    if (c == 0) {
      *r = apply(op, *r, *s);
      return true;
    }
    uint8_t* t = reg(c);
    if (!t) return false;
    *t = apply(op, *r, *s);
    return true;
  }

  // `steps`: most records after state 0; not given: as many as there are instructions in memory.
  static ReferenceTrace run(std::span<const uint8_t> start, uint64_t steps = Limits().steps) {
    const size_t memory = start.size() - 16, count = memory / 4;
    ReferenceTrace trace{{start.begin(), start.end()}, StopReason::step_limit};
    size_t pc = start[memory];
    uint8_t acc = start[memory + 1];
    std::array<uint8_t, 10> file;
    for (int i = 0; i < 10; ++i) file[i] = start[memory + 6 + i];
    if (steps == Limits().steps) steps = count;
    for (uint64_t taken = 0; taken < steps; ++taken) {
      if (pc >= count) return trace.stop = StopReason::memory_fault, trace;
      const std::array<uint8_t, 4> code = {start[4 * pc], start[4 * pc + 1], start[4 * pc + 2],
                                           start[4 * pc + 3]};
      pc = pc + 1 < count ? pc + 1 : count - 1;
      trace.bytes.push_back(static_cast<uint8_t>(pc));
      trace.bytes.push_back(acc);
      trace.bytes.insert(trace.bytes.end(), code.begin(), code.end());
      trace.bytes.insert(trace.bytes.end(), file.begin(), file.end());
      if (!step(code, acc, file)) return trace.stop = StopReason::illegal_instruction, trace;
      if (code[0] == 0) return trace.stop = StopReason::halted, trace;
    }
    return trace;
  }

 private:
  static uint8_t apply(int op, int x, int y) {
    const auto sat = [](int v) { return static_cast<uint8_t>(v > 255 ? 255 : v < 0 ? 0 : v); };
    if (op == 13) return sat(x + y);
    if (op == 14) return sat(x - y);
    if (op == 15) return sat(x * y);
    if (op == 16) return y == 0 ? 255 : static_cast<uint8_t>(x / y);
    if (op == 17) return static_cast<uint8_t>(x & y);
    if (op == 18) return static_cast<uint8_t>(x | y);
    return static_cast<uint8_t>(x ^ y);
  }
};

}  // namespace bytecpu::testing
