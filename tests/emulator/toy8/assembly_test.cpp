#include <gtest/gtest.h>

#include <array>
#include <string>

#include "emulator/error.hpp"
#include "emulator/machine.hpp"

namespace bytecpu {
namespace {

class Assembly : public ::testing::Test {
 protected:
  std::vector<uint8_t> assemble(std::string_view text) { return machine_->load_program(text, "p.asm"); }
  std::string error(std::string_view text) {
    try {
      assemble(text);
    } catch (const Error& failure) {
      return failure.what();
    }
    return "no error";
  }
  std::vector<uint8_t> record(std::array<uint8_t, 4> code) {
    std::vector<uint8_t> bytes(16);
    std::copy(code.begin(), code.end(), bytes.begin() + 2);
    return bytes;
  }

  std::unique_ptr<Machine> machine_ = make_machine("toy8", 64);
};

std::vector<uint8_t> image(std::vector<uint8_t> code) {
  code.resize(64);
  return code;
}

TEST_F(Assembly, EncodesEveryMnemonic) {
  const std::vector<std::pair<std::string, std::vector<uint8_t>>> known = {{"HLT", {0}},
                                                                           {"CLR", {1}},
                                                                           {"CLR J", {1, 10}},
                                                                           {"INC", {2}},
                                                                           {"DEC B", {3, 2}},
                                                                           {"SHL", {4}},
                                                                           {"SHR C", {5, 3}},
                                                                           {"ROL", {6}},
                                                                           {"ROR A", {7, 1}},
                                                                           {"NOT", {8}},
                                                                           {"PUSH D", {9, 4}},
                                                                           {"POP E", {10, 5}},
                                                                           {"LOADI 255", {11, 255}},
                                                                           {"SWAP F", {12, 6}},
                                                                           {"SWAP F G", {12, 6, 7}},
                                                                           {"ADD A", {13, 1}},
                                                                           {"ADD A B", {13, 1, 2}},
                                                                           {"ADD A B C", {13, 1, 2, 3}},
                                                                           {"SUB H", {14, 8}},
                                                                           {"MUL I J", {15, 9, 10}},
                                                                           {"DIV A A A", {16, 1, 1, 1}},
                                                                           {"AND B", {17, 2}},
                                                                           {"OR C D", {18, 3, 4}},
                                                                           {"XOR E F G", {19, 5, 6, 7}},
                                                                           {"MOV J A", {20, 10, 1}}};
  for (const auto& [text, code] : known) {
    EXPECT_EQ(assemble(text), image(code)) << text;
    const auto bytes = assemble(text);
    EXPECT_EQ(machine_->describe(record({bytes[0], bytes[1], bytes[2], bytes[3]})).text, text);
  }
}

TEST_F(Assembly, IgnoresCaseBlanksCommentsAndEmptyLines) {
  EXPECT_EQ(assemble("; first\n\n\tloadi 0x1F # number\r\n  Add a\tB   c;\n#\nHlt"),
            image({11, 31, 0, 0, 13, 1, 2, 3}));
}

TEST_F(Assembly, NamesFileLineAndColumnOfAnError) {
  EXPECT_EQ(error("HLT\n  FOO A"), "p.asm:2:3: there is no instruction \"FOO\"");
  EXPECT_EQ(error("ADD A K"), "p.asm:1:7: \"K\" is not a register; use A … J, separated by blanks");
  EXPECT_EQ(error("ADD A, B"), "p.asm:1:5: \"A,\" is not a register; use A … J, separated by blanks");
  EXPECT_EQ(error("\nLOADI 256"), "p.asm:2:7: \"256\" is not a number; use 0 … 255 or 0x00 … 0xff");
  EXPECT_EQ(error("LOADI -1"), "p.asm:1:7: \"-1\" is not a number; use 0 … 255 or 0x00 … 0xff");
  EXPECT_EQ(error("LOADI 0x"), "p.asm:1:7: \"0x\" is not a number; use 0 … 255 or 0x00 … 0xff");
  EXPECT_EQ(error("LOADI 12z"), "p.asm:1:7: \"12z\" is not a number; use 0 … 255 or 0x00 … 0xff");
  EXPECT_EQ(error("LOADI A"), "p.asm:1:7: \"A\" is not a number; use 0 … 255 or 0x00 … 0xff");
  EXPECT_EQ(error("ADD"), "p.asm:1:4: ADD takes 1 to 3 operands, not 0");
  EXPECT_EQ(error("mov a ; b"), "p.asm:1:6: MOV takes 2 operands, not 1");
  EXPECT_EQ(error("PUSH A B"), "p.asm:1:8: PUSH takes 1 operand, not 2");
  EXPECT_EQ(error("HLT A"), "p.asm:1:5: HLT takes 0 operands, not 1");
  EXPECT_EQ(error("LOADI"), "p.asm:1:6: LOADI takes 1 operand, not 0");
  EXPECT_EQ(error(".byte 1 2 3"), "p.asm:1:12: .BYTE takes 4 operands, not 3");
  EXPECT_EQ(error("; nothing\n"), "p.asm: holds no instruction");
  EXPECT_EQ(error(std::string("A\0\xFF\x1B", 4)), "p.asm:1:1: there is no instruction \"A???\"");
  EXPECT_EQ(error(std::string(1000, 'X')),
            "p.asm:1:1: there is no instruction \"XXXXXXXXXXXXXXXXXXXXXXXX…\"");
}

TEST_F(Assembly, RefusesAProgramLongerThanTheMemory) {
  std::string text;
  for (int i = 0; i < 16; ++i) text += "INC\n";
  EXPECT_EQ(assemble(text).size(), 64u);
  EXPECT_EQ(error(text + " ; still fits\n\n HLT"),
            "p.asm:19:2: the program is longer than the memory, 16 instructions in 64 bytes");
}

TEST_F(Assembly, DisassemblesToThePublishedText) {
  EXPECT_EQ(machine_->disassemble(assemble("INC A\nLOADI 7\nADD A B C")), "INC A\nLOADI 7\nADD A B C\nHLT\n");
  EXPECT_EQ(machine_->disassemble(image({})), "HLT\n");
}

TEST_F(Assembly, WritesAsBytesWhatNoTextStandsFor) {
  EXPECT_EQ(
      machine_->disassemble(image({21, 1, 2, 3, 2, 1, 9, 0, 0, 5, 0, 0, 9, 11})),
      ".byte 21 1 2 3  ; ???\n.byte 2 1 9 0  ; INC A\n.byte 0 5 0 0  ; HLT\n.byte 9 11 0 0  ; ???\nHLT\n");
}

TEST_F(Assembly, EveryEncodingSurvivesTheRoundTrip) {
  // All opcodes and all small operands, and some large ones, 16 to an image.
  std::vector<uint8_t> bytes;
  for (int opcode = 0; opcode < 256; ++opcode) {
    for (const int a : {0, 1, 2, 10, 11, 255}) {
      for (const int b : {0, 1, 10, 11, 200}) {
        for (const int c : {0, 1, 10, 11}) {
          for (const int byte : {opcode, a, b, c}) bytes.push_back(static_cast<uint8_t>(byte));
          if (bytes.size() < 64) continue;
          ASSERT_EQ(assemble(machine_->disassemble(bytes)), bytes) << machine_->disassemble(bytes);
          bytes.clear();
        }
      }
    }
  }
}

TEST_F(Assembly, FormsNameTheKindsOfOperands) {
  const auto form = [&](std::array<uint8_t, 4> code) { return machine_->describe(record(code)).form; };
  EXPECT_EQ(form({0, 0, 0, 0}), "HLT");
  EXPECT_EQ(form({2, 0, 0, 0}), "INC");
  EXPECT_EQ(form({2, 4, 0, 0}), "INC R");
  EXPECT_EQ(form({11, 0, 0, 0}), "LOADI n");
  EXPECT_EQ(form({13, 4, 0, 9}), "ADD R");
  EXPECT_EQ(form({13, 4, 5, 6}), "ADD R R R");
  EXPECT_EQ(form({13, 0, 5, 6}), "???");
  EXPECT_EQ(form({20, 4, 0, 0}), "???");
  EXPECT_EQ(form({99, 0, 0, 0}), "???");
}

}  // namespace
}  // namespace bytecpu
