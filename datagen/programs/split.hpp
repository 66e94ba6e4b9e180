// Which split a program belongs to: a pure function of its memory image. So datasets and streams of any seed
// agree, and no test program of one is a training program of another.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "emulator/machine.hpp"

namespace bytecpu {

enum class Split { train, test };
inline constexpr std::array splits = {Split::train, Split::test};
std::string_view to_string(Split split);

// XXH3-64 of the memory image.
uint64_t program_hash(std::span<const uint8_t> image);

// Programs whose hash is a multiple of 8 are test, all others train: 1/8 of all programs are test. The empty
// image, all zeros (on toy8 the program of HLT alone), is always train.
Split split_of(std::span<const uint8_t> image);

// Draws whole starts (program and state 0) until the program is of `split`. Throws Error when many draws
// bring none: the options allow too few programs.
void random_start(const Machine& machine, RandomSource& random, const ProgramOptions& options, Split split,
                  std::span<uint8_t> start);

// What a native random stream is for; streams of different purpose or index never share draws.
enum class Purpose : uint64_t { shard, pool, shuffle };
NativeRandom native_random(uint64_t seed, Purpose purpose, Split split, uint64_t index, uint64_t part = 0);

}  // namespace bytecpu
