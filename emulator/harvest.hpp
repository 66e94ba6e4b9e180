// Real code as programs: basic blocks and small functions out of ELF files, and starts for them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/machine.hpp"

namespace bytecpu {

// A piece of code that stands alone.
struct CodePiece {
  enum class Kind { block, function };
  Kind kind = Kind::block;
  std::vector<uint8_t> code;
  std::vector<std::string> mnemonics;  // of its instructions, in order
  // Of the layout's fields, the names of those that its addresses begin with, and of those that are added to them.
  std::vector<std::string> bases = {}, indices = {};
};

struct Harvest {
  std::vector<CodePiece> pieces;  // in order of the file
  // Instructions at which pieces end though the code goes on: by mnemonic and reason, those that the machine does not
  // include; and "relative to the PC".
  std::map<std::string, int64_t> left_out;
};

class Harvester {
 public:
  virtual ~Harvester() = default;

  // Whether a file is a 64-bit ELF file of the machine's processor.
  virtual bool takes(std::string_view contents) const = 0;
  // Of a file that it takes: blocks are what runs from one place that is branched to up to the next branch, without it, and
  // at most 32 instructions; functions are what is called, up to 64 instructions, and calls nothing. A piece has at least
  // two instructions, and fits the machine's memory. Throws Error for a file that contradicts itself.
  virtual Harvest harvest(std::string_view contents, std::string_view name) const = 0;
  // Draws memory and state 0 for a piece into `start`, which is the machine's start_bytes() long: what addresses
  // begin with points into the data, and so does about half of what the data hold.
  virtual void draw_start(RandomSource& random, const CodePiece& piece, std::span<uint8_t> start) const = 0;
};

// Throws Error for a machine that is not a processor of ELF files.
std::unique_ptr<Harvester> make_harvester(std::string_view machine, int memory_bytes);

}  // namespace bytecpu
