#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "emulator/toy8/toy8.hpp"
#include "tests/emulator/toy8/compare.hpp"

namespace bytecpu {
namespace {

using testing::compare;

// Every opcode and every pattern of zero and other operands, illegal ones too, over all values of what is
// read: all pairs for the forms of two operands, fewer where operands coincide.
TEST(Toy8, EveryFormIsRightForAllOperandValues) {
  const auto machine = make_toy8(64);
  constexpr size_t start_bytes = 80;
  std::vector<uint8_t> starts;
  size_t states = 0;
  for (uint8_t opcode = 0; opcode <= 21; ++opcode) {
    const bool binary = opcode >= 12 && opcode <= 20;
    for (const auto& operands : std::vector<std::array<uint8_t, 3>>{{0, 0, 0},
                                                                    {7, 0, 0},
                                                                    {7, 2, 0},
                                                                    {7, 2, 10},
                                                                    {2, 7, 2},
                                                                    {7, 2, 7},
                                                                    {7, 0, 10},
                                                                    {0, 2, 10},
                                                                    {7, 7, 7},
                                                                    {7, 7, 0},
                                                                    {11, 0, 0},
                                                                    {7, 11, 0},
                                                                    {7, 2, 11}}) {
      const bool plain = operands[0] == 7 && (operands[1] == 0 || operands[1] == 2) &&
                         (operands[2] == 0 || (operands[1] == 2 && operands[2] == 10));
      const bool pairs = binary && plain;
      for (int x = 0; x < 256; ++x) {
        for (int y = 0; y < 256; y += pairs ? 1 : 51) {
          std::vector<uint8_t> start(start_bytes);
          start[0] = opcode;
          std::copy(operands.begin(), operands.end(), start.begin() + 1);
          uint8_t* state = start.data() + 64;
          state[1] = static_cast<uint8_t>(y);  // ACC: the other operand of the one-register form
          for (int i = 0; i < 10; ++i) state[6 + i] = static_cast<uint8_t>(17 * i + 3);
          state[6 + 6] = static_cast<uint8_t>(x);
          if (operands[1] != 0) state[6 + 1] = static_cast<uint8_t>(y);
          starts.insert(starts.end(), start.begin(), start.end());
        }
      }
      states += compare(*machine, starts);
      starts.clear();
      if (::testing::Test::HasFailure()) FAIL() << "opcode " << +opcode;
    }
  }
  EXPECT_GE(states, 9u * 3 * 65536);
}

}  // namespace
}  // namespace bytecpu
