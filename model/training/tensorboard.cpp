#include "model/training/tensorboard.hpp"

#include <bit>
#include <boost/crc.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

static_assert(std::endian::native == std::endian::little);

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

uint32_t masked_checksum(const std::string& bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;  // CRC-32C
  crc.process_bytes(bytes.data(), bytes.size());
  return std::rotr(static_cast<uint32_t>(crc.checksum()), 15) + 0xA282EAD8U;
}

// Fields of a Protocol Buffers message: key (number and wire type), then the value.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes += static_cast<char>(value);
}
std::string integer(int number, int64_t value) {
  return varint(number << 3 | 0) + varint(static_cast<uint64_t>(value));
}
std::string real64(int number, double value) { return varint(number << 3 | 1) + raw(value); }
std::string real32(int number, float value) { return varint(number << 3 | 5) + raw(value); }
std::string nested(int number, const std::string& content) {
  return varint(number << 3 | 2) + varint(content.size()) + content;
}

// Numbers of the messages' fields.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7;
}
constexpr int summary_value = 1, value_tag = 1, value_simple = 2, session_status = 1, session_start = 1;

std::chrono::microseconds now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

void add_points(std::string& summary, const std::string& group, const nlohmann::ordered_json& values) {
  for (const auto& [name, value] : values.items()) {
    if (value.is_object()) add_points(summary, name, value);
    if (!value.is_number() || name == "step" || name == "seconds") continue;
    summary += nested(summary_value,
                      nested(value_tag, group + "/" + name) + real32(value_simple, value.get<float>()));
  }
}

}  // namespace

EventFile::EventFile(const std::filesystem::path& folder, int64_t last_step) {
  // Readers take the files of a folder in the order of their names.
  const auto time = now().count();
  path_ = folder / fmt::format("events.out.tfevents.{:010}.{:06}", time / 1'000'000, time % 1'000'000);
  out_.open(path_, std::ios::binary);
  append(0, nested(event::file_version, "brain.Event:2"));
  // The start of a session at a step voids the points of that step and later.
  append(last_step + 1, nested(event::session_log, integer(session_status, session_start)));
}

void EventFile::write(const nlohmann::ordered_json& line) {
  std::string summary;
  add_points(summary, "training", line);
  append(line.at("step").get<int64_t>(), nested(event::summary, summary));
}

void EventFile::append(int64_t step, const std::string& content) {
  const double seconds = std::chrono::duration<double>(now()).count();
  const auto message = real64(event::wall_time, seconds) + integer(event::step, step) + content;
  const auto length = raw(static_cast<uint64_t>(message.size()));
  out_ << length << raw(masked_checksum(length)) << message << raw(masked_checksum(message)) << std::flush;
  if (!out_) throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
}

}  // namespace bytecpu
