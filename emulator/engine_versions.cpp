#include "emulator/engine_versions.hpp"

#include <capstone/capstone.h>
#include <fmt/format.h>
#include <unicorn/unicorn.h>

namespace bytecpu {

EngineVersions engine_versions() {
  const unsigned unicorn = uc_version(nullptr, nullptr);
  int major = 0, minor = 0;
  cs_version(&major, &minor);
  return {fmt::format("{}.{}.{}", unicorn >> 24 & 0xFF, unicorn >> 16 & 0xFF, unicorn >> 8 & 0xFF),
          fmt::format("{}.{}", major, minor)};
}

}  // namespace bytecpu
