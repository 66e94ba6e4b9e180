// TensorBoard's event files, read back by a reader that shares nothing with the writer.
#include "model/training/tensorboard.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0);
  }
  return ~crc;
}

template <typename T>
T take(std::string_view& bytes) {
  if (bytes.size() < sizeof(T)) throw std::out_of_range("cut short");
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes.remove_prefix(sizeof value);
  return value;
}

std::string_view take(std::string_view& bytes, size_t count) {
  if (bytes.size() < count) throw std::out_of_range("cut short");
  const auto taken = bytes.substr(0, count);
  bytes.remove_prefix(count);
  return taken;
}

uint64_t take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<uint8_t>(bytes);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

// A message's fields by number; their values as the bytes they take (varints as 8).
using Message = std::multimap<int, std::string>;
Message parse(std::string_view bytes) {
  Message message;
  while (!bytes.empty()) {
    const auto key = take_varint(bytes);
    std::string value;
    switch (key & 7) {
      case 0: {
        const auto number = take_varint(bytes);
        value.assign(reinterpret_cast<const char*>(&number), 8);
        break;
      }
      case 1:
        value = take(bytes, 8);
        break;
      case 2:
        value = take(bytes, take_varint(bytes));
        break;
      case 5:
        value = take(bytes, 4);
        break;
      default:
        throw std::invalid_argument("wire type");
    }
    message.emplace(key >> 3, value);
  }
  return message;
}

template <typename T>
T number(const Message& message, int field) {
  std::string_view bytes = message.find(field)->second;
  return take<T>(bytes);
}

std::vector<Message> read_events(const fs::path& file) {
  const auto unmask = [](uint32_t masked) {
    const uint32_t rotated = masked - 0xA282EAD8U;
    return rotated >> 17 | rotated << 15;
  };
  const auto contents = read_file(file);
  std::vector<Message> events;
  for (std::string_view rest = contents; !rest.empty();) {
    const auto length_bytes = rest.substr(0, 8);
    const auto length = take<uint64_t>(rest);
    EXPECT_EQ(unmask(take<uint32_t>(rest)), crc32c(length_bytes));
    const auto message = take(rest, length);
    EXPECT_EQ(unmask(take<uint32_t>(rest)), crc32c(message));
    events.push_back(parse(message));
  }
  return events;
}

class Tensorboard : public testing::Test {
 protected:
  Tensorboard() : folder_(fs::temp_directory_path() / ("bytecpu-events-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~Tensorboard() override { fs::remove_all(folder_); }
  std::vector<fs::path> files() {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  }
  fs::path folder_;
};

TEST_F(Tensorboard, TheReadersChecksumIsCrc32c) { EXPECT_EQ(crc32c("123456789"), 0xE3069283U); }

TEST_F(Tensorboard, EveryNumberOfALineIsAPoint) {
  EventFile events(folder_, 0);
  events.write({{"step", 300}, {"seconds", 1.5}, {"loss", 0.25}, {"lr", 1e-3}});
  events.write({{"step", 1'000'000'000'000}, {"validation", {{"loss", 0.5}, {"states", 170}}}});
  ASSERT_EQ(files().size(), 1U);
  const auto read = read_events(files()[0]);
  ASSERT_EQ(read.size(), 4U);
  EXPECT_EQ(read[0].find(3)->second, "brain.Event:2");

  const double seconds =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::map<std::string, float> points;
  for (size_t i : {2, 3}) {
    EXPECT_NEAR(number<double>(read[i], 1), seconds, 3600);
    const auto summary = parse(read[i].find(5)->second);
    for (const auto& [field, content] : summary) {
      EXPECT_EQ(field, 1);
      const auto value = parse(content);
      EXPECT_EQ(value.size(), 2U);
      points[value.find(1)->second] = number<float>(value, 2);
    }
  }
  EXPECT_EQ(number<int64_t>(read[2], 2), 300);
  EXPECT_EQ(number<int64_t>(read[3], 2), 1'000'000'000'000);
  EXPECT_EQ(points, (std::map<std::string, float>{{"training/loss", 0.25F},
                                                  {"training/lr", 1e-3F},
                                                  {"validation/loss", 0.5F},
                                                  {"validation/states", 170.0F}}));
}

TEST_F(Tensorboard, AResumedRunsFileFollowsAndVoidsTheStepsThatComeAgain) {
  EventFile(folder_, 0).write({{"step", 30}, {"loss", 1}});
  const auto first = files();
  EventFile(folder_, 20).write({{"step", 30}, {"loss", 1}});
  const auto both = files();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0], first[0]);
  const auto start = read_events(both[1])[1];
  EXPECT_EQ(number<int64_t>(start, 2), 21);
  EXPECT_EQ(number<uint64_t>(parse(start.find(7)->second), 1), 1U);  // SessionLog.START
}

TEST_F(Tensorboard, AFolderThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(EventFile(folder_ / "nowhere", 0), Error);
}

}  // namespace
}  // namespace bytecpu
