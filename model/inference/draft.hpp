// Guesses the next record of a trace, so that the byte-level decoder has little left to correct
// (inference.hpp). It knows of a machine only the layout: for each byte of the record it keeps count of which
// simple rule would have guessed what the model decoded, and follows the best.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datagen/corpus/document.hpp"

namespace bytecpu {

// Rules of a byte, all from the memory image and the record before:
// - the byte itself, plus 0, 1, 2, 4, 8 or 16 (a program counter);
// - the byte of memory at counter · stride + k, the counter being the record's first field, stride 1 … 16 and
//   k 0 … 15 (the instruction that memory holds there); nothing beyond the image.
class Drafter {
 public:
  explicit Drafter(const Frame& frame);

  // The record after `record`, into `next`. All are as long as the layout says.
  void draft(std::span<const uint8_t> image, std::span<const uint8_t> record, std::span<uint8_t> next) const;
  // What the model made of it.
  void learn(std::span<const uint8_t> image, std::span<const uint8_t> record, std::span<const uint8_t> next);

 private:
  size_t counter(std::span<const uint8_t> record) const;

  Frame frame_;
  std::vector<std::vector<int64_t>> hits_;  // [byte of the record][rule]
  std::vector<size_t> best_;                // rule of each byte; of equal ones the first
};

}  // namespace bytecpu
