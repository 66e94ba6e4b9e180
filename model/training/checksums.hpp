// checksums.json of a checkpoint: what each of its files must be, so that no damaged one is believed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace bytecpu {

// {"format": "bytecpu-checksums", "version": 1, "files": {NAME: XXH3-128}} of the weights, moments and JSON files
// that are in the folder; to be written last.
void write_checksums(const std::filesystem::path& folder);

// `bytes` are the file's. Throws Error, naming it, where the checksums.json beside it tells of others. Checkpoints
// made before there was one have none, and pass.
void check_checksum(const std::filesystem::path& file, std::span<const uint8_t> bytes);

// The file's text, checked.
std::string read_checked(const std::filesystem::path& file);

}  // namespace bytecpu
