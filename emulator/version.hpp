// Which bytecpu this is.
#pragma once

#include <string_view>

namespace bytecpu {

// The release, and, where it is built from a commit that is none, which: "0.1.0+829.d91a09c", the commits before
// it and its name; with ".dirty" where files were changed. BYTECPU_VERSION is the release alone.
std::string_view version();

}  // namespace bytecpu
