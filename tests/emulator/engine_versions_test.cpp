#include "emulator/engine_versions.hpp"

#include <gtest/gtest.h>

namespace bytecpu {
namespace {

TEST(EngineVersions, AreNumbersWithDots) {
  const auto [unicorn, capstone] = engine_versions();
  for (const std::string& version : {unicorn, capstone}) {
    EXPECT_GE(version.size(), 3u);
    EXPECT_EQ(version.find_first_not_of("0123456789."), std::string::npos) << version;
    EXPECT_NE(version[0], '0');
  }
}

}  // namespace
}  // namespace bytecpu
