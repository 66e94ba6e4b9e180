// Files without loss in as many bits as a model finds them probable: the proof that its bits a byte are real.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/network/byte_model.hpp"

namespace bytecpu {

// What is known of a file before it is read.
struct FileSize {
  std::string extension;
  int64_t bytes;
};

// The files' bytes, each coded by its probability given those before it. A file that is longer than the model takes
// is cut into pieces, each coded as if it were a file. The ends are not coded, as the sizes are known. `batch`
// pieces at once; `done` is called with how many bytes are coded so far. Throws Error where a probability is not
// finite.
std::vector<uint8_t> compress(ByteModel& model, std::span<const FileSize> sizes,
                              std::span<const std::vector<uint8_t>> files, int64_t batch,
                              const std::function<void(int64_t)>& done = {});

// Undoes it, where model, sizes, batch, threads, precision and processor are the same: probabilities that differ in
// the last bit end in other bytes, of which nothing is said. So keep a checksum.
std::vector<std::vector<uint8_t>> decompress(ByteModel& model, std::span<const FileSize> sizes,
                                             std::span<const uint8_t> compressed, int64_t batch,
                                             const std::function<void(int64_t)>& done = {});

}  // namespace bytecpu
