// The releases of the libraries that a machine's results come from, for manifests and messages.
#pragma once

#include <string>

namespace bytecpu {

struct EngineVersions {
  std::string unicorn, capstone;  // such as "2.0.1" and "4.0": of the libraries loaded, not of their headers
  bool operator==(const EngineVersions&) const = default;
};
EngineVersions engine_versions();

}  // namespace bytecpu
