// Training curves for TensorBoard: its event files, scalars only. The library that writes them is a part of
// PyTorch's Python side, not of LibTorch.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace bytecpu {

// A file of events: records of u64 length, its checksum, an encoded `Event` message, its checksum;
// little-endian, checksums CRC-32C, masked. Sources: tensorflow/core/lib/io/record_writer.h (framing) and
// tensorflow/core/util/event.proto, framework/summary.proto (field numbers).
class EventFile {
 public:
  // Opens a new file in `folder`. Points after `last_step` in earlier files of the folder are void to
  // readers: those steps come again. Throws Error naming the file.
  EventFile(const std::filesystem::path& folder, int64_t last_step);
  // A line of metrics.jsonl (trainer.hpp), every number in it but the times a point: "loss" of a training's
  // line as "training/loss", of a validation's as "validation/loss".
  void write(const nlohmann::ordered_json& line);

 private:
  void append(int64_t step, const std::string& content);
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace bytecpu
