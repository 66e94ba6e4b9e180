// A file that holds others, compressed with a model: a safetensors file with the coded bytes, and in its metadata what
// decompress() must be given.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "datagen/io/safetensors.hpp"
#include "model/inference/compression.hpp"
#include "model/inference/prepare.hpp"

namespace bytecpu {

struct ArchivedFile {
  std::string name;  // any bytes; no "/"
  int64_t bytes;
  std::string checksum;

  FileSize size() const;
};

// How it was coded: what changes a probability's last bit.
struct Coding {
  std::string weights;  // checksum of the model's model.safetensors
  InferenceOptions inference;
  int64_t batch;
};

// Writes the file whole or not at all.
void write_archive(const std::filesystem::path& path, const Coding& coding,
                   std::span<const ArchivedFile> files, std::span<const uint8_t> compressed);

class Archive {
 public:
  // Checks all of it. Throws Error naming the file and what is wrong with it.
  explicit Archive(const std::filesystem::path& path);

  const Coding& coding() const { return coding_; }
  const std::vector<ArchivedFile>& files() const { return files_; }
  std::span<const uint8_t> compressed() const { return compressed_; }

 private:
  void read();

  safetensors::File file_;
  Coding coding_;
  std::vector<ArchivedFile> files_;
  std::span<const uint8_t> compressed_;
};

}  // namespace bytecpu
