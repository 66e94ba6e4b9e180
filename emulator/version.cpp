#include "emulator/version.hpp"

namespace bytecpu {

std::string_view version() { return BYTECPU_FULL_VERSION; }

}  // namespace bytecpu
