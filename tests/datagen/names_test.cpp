#include "datagen/files/names.hpp"

#include <gtest/gtest.h>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

TEST(Names, EscapedTextComesBackAndIsUtf8WithoutControlCharacters) {
  for (const std::string_view name :
       {"", "plain", "b\xc3\xa4r", "\\", "\\x41", "\n\t\x7f", "\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xc0\xaf", "\xc2\x80", "a\xf0\x9f\x90\xb1z"}) {
    const auto text = escaped(name);
    EXPECT_EQ(unescaped(text), name) << text;
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(text.find_first_of("\n\t\x7f"), text.npos);
  }
  EXPECT_EQ(escaped("b\xc3\xa4r \xf0\x9f\x90\xb1"), "b\xc3\xa4r \xf0\x9f\x90\xb1");
  EXPECT_EQ(escaped("a\\\xff\n"), "a\\x5c\\xff\\x0a");
  for (const char* text : {"\\", "\\x", "\\x4", "\\x4g", "\\n", "\\xFF"})
    EXPECT_THROW(unescaped(text), Error) << text;
}

TEST(Names, AnExtensionIsWhatFollowsTheLastDotOfTheLastPart) {
  EXPECT_EQ(extension_of("a/b.tar.gz"), "gz");
  EXPECT_EQ(extension_of("a.d/b"), "");
  EXPECT_EQ(extension_of("a/.hidden"), "hidden");
  EXPECT_EQ(extension_of("b."), "");
  EXPECT_EQ(extension_of("b.0123456789abcdefXYZ"), "0123456789abcdef");
  EXPECT_EQ(stem_of("a.d/b.tar.gz"), "a.d/b.tar");
  EXPECT_EQ(stem_of("a.d/b"), "a.d/b");
}

TEST(Names, NoNameLeadsOutOfAFolder) {
  for (const std::string_view name :
       {"", "/", "/a", "..", "../a", "a/../b", "a/..", "a//b", "a/", "./a", "a/."})
    EXPECT_NE(name_problem(name), "") << name;
  EXPECT_NE(name_problem(std::string_view("a\0b", 3)), "");
  for (const char* name : {"a", "a/b", "...", "a/..b", ".a"}) EXPECT_EQ(name_problem(name), "") << name;
}

}  // namespace
}  // namespace bytecpu
