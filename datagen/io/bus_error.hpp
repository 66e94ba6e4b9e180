// What happens where a file shrinks, or its disk fails, while it is mapped: one line that names it, exit code 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace bytecpu {

// From the first mapping on SIGBUS is handled, unless the program does so itself. From any thread.
void note_mapping(const uint8_t* data, size_t size, const std::filesystem::path& path);
void forget_mapping(const uint8_t* data);

}  // namespace bytecpu
