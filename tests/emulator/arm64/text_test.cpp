#include "emulator/arm64/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>

namespace bytecpu::arm64 {
namespace {

TEST(Arm64Text, IsTheMachinesOwnWhateverCapstonesReleaseWrites) {
  const native::Disassembler disassembler(CS_ARCH_ARM64, CS_MODE_ARM, rewrite);
  struct Written {
    uint32_t word;
    const char* text;
  };
  for (const auto& [word, text] : {
           Written{0x52800027, "movz w7, #0x1"},
           Written{0xD2A00020, "movz x0, #0x1, lsl #16"},
           Written{0x12800007, "movn w7, #0"},
           Written{0x72800047, "movk w7, #0x2"},
           Written{0x2A0003E1, "mov w1, w0"},
           Written{0x320003E7, "orr w7, wzr, #1"},
           Written{0x320103E0, "orr w0, wzr, #0x80000000"},
           Written{0xF2010028, "ands x8, x1, #0x8000000080000000"},
           Written{0x330203E7, "bfi w7, wzr, #0x1e, #1"},
           Written{0x330007E7, "bfxil w7, wzr, #0, #2"},
           Written{0x33020427, "bfi w7, w1, #0x1e, #2"},
           Written{0x1A80E400, "csinc w0, w0, w0, al"},
           Written{0xDA9FE3E2, "csinv x2, xzr, xzr, al"},
           Written{0x1A800400, "cinc w0, w0, ne"},
           Written{0xD50320FF, "xpaclri"},
           Written{0xD503233F, "paciasp"},
           Written{0xD503245F, "bti c"},
           Written{0xD503201F, "nop"},
       }) {
    const auto bytes = std::bit_cast<std::array<uint8_t, 4>>(word);
    const auto decoded = disassembler.decode(bytes, 0);
    ASSERT_TRUE(decoded.has_value()) << text;
    EXPECT_EQ(to_string(*decoded), text);
  }
}

}  // namespace
}  // namespace bytecpu::arm64
