#include "datagen/programs/split.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

constexpr uint64_t one_test_in = 8;
constexpr int most_draws = 10'000;  // seven in eight being wrong, all of them are with probability 1e-580

}  // namespace

std::string_view to_string(Split split) { return split == Split::train ? "train" : "test"; }

uint64_t program_hash(std::span<const uint8_t> image) { return XXH3_64bits(image.data(), image.size()); }

Split split_of(std::span<const uint8_t> image) {
  if (program_hash(image) % one_test_in != 0) return Split::train;
  const bool empty = std::all_of(image.begin(), image.end(), [](uint8_t byte) { return byte == 0; });
  return empty ? Split::train : Split::test;
}

void random_start(const Machine& machine, RandomSource& random, const ProgramOptions& options, Split split,
                  std::span<uint8_t> start) {
  const auto image = start.first(machine.layout().memory_bytes);
  for (int draw = 0; draw < most_draws; ++draw) {
    machine.random_start(random, options, start);
    if (split_of(image) == split) return;
  }
  throw Error("none of {} random programs of {} to {} instructions belongs to {}; allow longer programs",
              most_draws, options.min_instructions, options.max_instructions, to_string(split));
}

NativeRandom native_random(uint64_t seed, Purpose purpose, Split split, uint64_t index, uint64_t part) {
  const std::array<uint64_t, 4> key = {static_cast<uint64_t>(purpose), static_cast<uint64_t>(split), index,
                                       part};
  return {seed, XXH3_64bits(key.data(), sizeof key)};
}

}  // namespace bytecpu
