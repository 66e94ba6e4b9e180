// What is in a folder of files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bytecpu {

struct Walk {
  std::vector<std::string> files;  // relative paths, sorted by bytes
  // In the order of the paths.
  std::vector<std::string> links, special, unreadable;
};

// All files below a folder, hidden ones too. Links are not followed; folders that cannot be read are listed.
// Throws Error if the folder itself cannot be.
Walk walk(const std::filesystem::path& folder);

}  // namespace bytecpu
