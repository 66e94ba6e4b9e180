// Which bytecpu this is.
#pragma once

#include <string_view>

namespace bytecpu {

// At a release's tag, the release alone: "0.1.0". Otherwise the number of commits and the last one's name are added:
// "0.1.0+829.d91a09c"; and ".dirty" where files had been changed when the build was last configured. BYTECPU_VERSION
// is the release alone.
std::string_view version();

}  // namespace bytecpu
