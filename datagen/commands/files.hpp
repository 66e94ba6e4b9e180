// What inspect, verify and export do with a dataset of files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "datagen/programs/split.hpp"

namespace bytecpu {

// Whether there is a dataset, and one of files.
bool is_dataset_of_files(const std::filesystem::path& folder);

// Document `index` of a split, or, without, all in figures.
void inspect_files(const std::filesystem::path& folder, Split split, std::optional<int64_t> index, bool json);
// Throws Error after printing where something is wrong.
void print_check_of_files(const std::filesystem::path& folder, int threads, bool json);
void print_export_of_files(const std::filesystem::path& folder, const std::filesystem::path& out);

}  // namespace bytecpu
