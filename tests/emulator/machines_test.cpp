#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {
namespace {

TEST(Machines, EveryNamedMachineIsMadeAndCallsItselfSo) {
  ASSERT_FALSE(machine_names().empty());
  for (const auto name : machine_names())
    EXPECT_EQ(make_machine(name, usual_memory(name))->layout().machine, name);
}

TEST(Machines, AnUnknownNameIsAnErrorThatListsTheKnownOnes) {
  try {
    make_machine("toy9", 1024);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(),
              fmt::format("unknown machine \"toy9\"; there are: {}", fmt::join(machine_names(), ", ")));
  }
}

TEST(Machines, EveryFieldListCoversItsRecordInOrder) {
  for (const auto name : machine_names()) {
    const auto machine = make_machine(name, usual_memory(name));
    int offset = 0;
    for (const Field& field : machine->layout().fields) {
      EXPECT_EQ(field.offset, offset) << field.name;
      offset += field.bytes;
    }
    EXPECT_EQ(offset, machine->layout().record_bytes);
    EXPECT_EQ(offset % 16, 0);
  }
}

TEST(Machines, EveryStopReasonHasItsOwnText) {
  EXPECT_EQ(to_string(StopReason::halted), "halted");
  EXPECT_EQ(to_string(StopReason::step_limit), "step limit");
  EXPECT_EQ(to_string(StopReason::time_limit), "time limit");
  EXPECT_EQ(to_string(StopReason::illegal_instruction), "illegal instruction");
  EXPECT_EQ(to_string(StopReason::memory_fault), "memory fault");
  EXPECT_EQ(to_string(StopReason::code_write), "write to code");
  EXPECT_EQ(to_string(StopReason::divide_error), "divide error");
  EXPECT_EQ(to_string(StopReason::unknown), "unknown");
}

}  // namespace
}  // namespace bytecpu
