#include "datagen/io/files.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "datagen/io/output_folder.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using test::expect_error;
using test::TemporaryFolder;

size_t entries(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

TEST(WriteFile, ReadsBackAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const std::vector<uint8_t> a = {1, 2, 3}, b, c = {0, 255};
  const std::vector<std::span<const uint8_t>> parts = {a, b, c};
  write_file(folder / "x", parts);
  EXPECT_EQ(read_file(folder / "x"), std::string("\1\2\3\0\377", 5));
  write_file(folder / "x", "replaced");
  EXPECT_EQ(read_file(folder / "x"), "replaced");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, NamesTheMissingFolder) {
  const TemporaryFolder folder;
  expect_error([&] { write_file(folder / "no" / "x", "a"); }, {"no/x", "there is no folder"});
}

TEST(WriteFile, AFullDiskLeavesTheOldFileAndNoTemporary) {
  const TemporaryFolder folder;
  write_file(folder / "x", "old");
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit small{1000, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error([&] { write_file(folder / "x", std::string(5000, 'n')); }, {"cannot write", "/x: "});
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, AFolderOfThatNameStaysAndNoTemporaryIsLeft) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "x" / "y");
  expect_error([&] { write_file(folder / "x", "a"); }, {"cannot write"});
  EXPECT_TRUE(std::filesystem::exists(folder / "x" / "y"));
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(WriteFile, WritesThroughALinkAndDoesNotReplaceIt) {
  const TemporaryFolder folder;
  write_file(folder / "file", "older and longer");
  std::filesystem::create_symlink(folder / "file", folder / "link");
  write_file(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_file(folder / "file"), "new");
  // Through a link: should it be replaced, the device itself is not.
  std::filesystem::create_symlink("/dev/full", folder / "full");
  expect_error([&] { write_file(folder / "full", "a"); }, {"cannot write ", "/full: No space left"});
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "full"));
}

TEST(ReadFile, NamesWhatIsNotThere) {
  const TemporaryFolder folder;
  expect_error([&] { read_file(folder / "x"); }, {"/x", "No such file"});
  expect_error([&] { read_file(folder.path()); }, {"directory"});
}

TEST(MappedFile, HoldsTheBytesAndMoves) {
  const TemporaryFolder folder;
  write_file(folder / "x", "bytes");
  write_file(folder / "empty", "");
  MappedFile file(folder / "x"), other(folder / "empty");
  EXPECT_TRUE(other.bytes().empty());
  other = std::move(file);
  const MappedFile moved(std::move(other));
  EXPECT_EQ(std::string(moved.bytes().begin(), moved.bytes().end()), "bytes");
}

TEST(MappedFile, RefusesWhatIsNoRegularFileWithoutWaiting) {
  const TemporaryFolder folder;
  expect_error([&] { MappedFile file(folder.path()); }, {"not a regular file"});
  expect_error([&] { MappedFile file(folder / "x"); }, {"/x", "No such file"});
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  expect_error([&] { MappedFile file(folder / "pipe"); }, {"not a regular file"});
}

TEST(Checksum, IsXxh3_128) {
  // XXH3-128 of nothing and of "a", as xxhsum -H2 prints them.
  EXPECT_EQ(checksum({}), "99aa06d3014798d86001c324468d497f");
  const uint8_t a = 'a';
  EXPECT_EQ(checksum({&a, 1}), "a96faf705af16834e6c632b61e964e1f");
}

TEST(MappedFile, CutShortWhileItIsReadItEndsTheProgramWithALineThatNamesIt) {
  const TemporaryFolder folder;
  write_file(folder / "x", std::string(100'000, 'x'));
  const MappedFile before(folder / "x"), file(folder / "x");
  const auto read_all = [&] {
    std::filesystem::resize_file(folder / "x", 10);
    volatile unsigned sum = 0;
    for (const uint8_t byte : file.bytes()) sum = sum + byte;
    ::_exit(0);
  };
  EXPECT_EXIT(read_all(), testing::ExitedWithCode(1), "cannot read .*/x: it was cut short");
}

TEST(MappedFile, HoweverManyWereReadBeforeTheOneThatIsCutShortIsNamed) {
  const TemporaryFolder folder;
  write_file(folder / "before", "x");
  for (int i = 0; i < 20'000; ++i) const MappedFile before(folder / "before");
  write_file(folder / "last", std::string(100'000, 'x'));
  const MappedFile file(folder / "last");
  const auto read_last = [&] {
    std::filesystem::resize_file(folder / "last", 10);
    [[maybe_unused]] const volatile uint8_t last = file.bytes().back();
    ::_exit(0);
  };
  EXPECT_EXIT(read_last(), testing::ExitedWithCode(1), "cannot read .*/last: it was cut short");
}

TEST(OutputFolder, IsOneProcessesAtATime) {
  const TemporaryFolder folder;
  {
    const OutputFolder first(folder / "d");
    expect_error([&] { OutputFolder second(folder / "d"); }, {"/d: another process is writing to it"});
    write_file(folder / "d" / "x", "x");
  }
  const OutputFolder second(folder / "d");
  EXPECT_EQ(second.contents(), std::vector<std::string>{"x"});
}

TEST(OutputFolder, MadeAndLeftEmptyItIsRemovedAgain) {
  const TemporaryFolder folder;
  { const OutputFolder made(folder / "d"); }
  EXPECT_FALSE(std::filesystem::exists(folder / "d"));
  std::filesystem::create_directory(folder / "d");
  { const OutputFolder found(folder / "d"); }
  EXPECT_TRUE(std::filesystem::exists(folder / "d"));
}

TEST(OutputFolder, KnowsThatItWasRemovedOrReplaced) {
  const TemporaryFolder folder;
  const OutputFolder output(folder / "d");
  EXPECT_NO_THROW(output.require_there());
  std::filesystem::remove(folder / "d");
  expect_error([&] { output.require_there(); }, {"/d: it was removed"});
  std::filesystem::create_directory(folder / "d");
  expect_error([&] { output.require_there(); }, {"/d: it was removed"});
}

}  // namespace
}  // namespace bytecpu
