// Members of JSON objects that files hold, checked. All throw Error that names the member.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "emulator/error.hpp"

namespace bytecpu::members {

inline const nlohmann::ordered_json& member(const nlohmann::ordered_json& json, const char* name) {
  if (!json.is_object()) throw Error("\"{}\" is wanted in something that is no object", name);
  const auto found = json.find(name);
  if (found == json.end()) throw Error("\"{}\" is missing", name);
  return *found;
}

inline std::string text(const nlohmann::ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_string()) throw Error("\"{}\" is not a string", name);
  return value.get<std::string>();
}

template <typename Int>
Int count(const nlohmann::ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<Int>::max())) {
    throw Error("\"{}\" is not a count", name);
  }
  return value.get<Int>();
}

inline const nlohmann::ordered_json& list(const nlohmann::ordered_json& json, const char* name) {
  const auto& value = member(json, name);
  if (!value.is_array()) throw Error("\"{}\" is not a list", name);
  return value;
}

// The name of a shard.
inline std::string file(const nlohmann::ordered_json& json, const char* name) {
  const auto shard = text(json, name);
  if (shard.empty() || std::filesystem::path(shard).filename() != shard || shard == "..") {
    throw Error("shard \"{}\" is not a file in the dataset's folder", shard);
  }
  return shard;
}

}  // namespace bytecpu::members
