// toy8 against the tests' interpreter.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "tests/emulator/reference_toy8.hpp"

namespace bytecpu::testing {

// Runs all starts in one call and compares every trace with the reference's. Returns the number of states.
inline size_t compare(Machine& machine, std::span<const uint8_t> starts, const Limits& limits = {}) {
  TraceBatch batch(machine.layout());
  machine.run(starts, limits, batch);
  const size_t start_bytes = machine.layout().start_bytes();
  EXPECT_EQ(batch.size(), starts.size() / start_bytes);
  EXPECT_EQ(batch.stops.size(), batch.size());
  size_t states = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto expected = ReferenceToy8::run(starts.subspan(i * start_bytes, start_bytes), limits.steps);
    const bool same = std::ranges::equal(batch[i].bytes, expected.bytes);
    EXPECT_TRUE(same) << "trace " << i << ":\n"
                      << machine.disassemble(
                             starts.subspan(i * start_bytes).first(machine.layout().memory_bytes));
    EXPECT_EQ(batch.stops[i], expected.stop) << "trace " << i;
    if (!same) break;
    states += (expected.bytes.size() - start_bytes) / 16;
  }
  return states;
}

}  // namespace bytecpu::testing
