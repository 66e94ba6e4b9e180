#include "model/training/checksums.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr auto list_name = "checksums.json";
constexpr auto format = "bytecpu-checksums";
constexpr int version = 1;
constexpr std::array checked_files = {"config.json", "model.safetensors", "optimizer.safetensors",
                                      "training.json"};

void write_checksums(const fs::path& folder) {
  ordered_json json = {{"format", format}, {"version", version}};
  for (const char* name : checked_files) {
    if (fs::exists(folder / name)) json["files"][name] = checksum(MappedFile(folder / name).bytes());
  }
  write_file(folder / list_name, json.dump(1) + "\n");
}

void check_checksum(const fs::path& file, std::span<const uint8_t> bytes) {
  const auto list = file.parent_path() / list_name;
  if (!fs::exists(list)) return;
  std::string listed;
  try {
    const auto json = ordered_json::parse(read_file(list));
    if (json.at("format") != format || json.at("version").get<int>() != version) {
      throw Error("not the checksums of a checkpoint that this program knows");
    }
    json.at("files").at(file.filename().string()).get_to(listed);
  } catch (const std::exception& e) {
    throw Error("{}: {}", list.string(), e.what());
  }
  if (checksum(bytes) != listed) {
    throw Error("{}: its checksum is not the one in {}: one of the two was altered", file.string(),
                list_name);
  }
}

std::string read_checked(const fs::path& file) {
  auto text = read_file(file);
  check_checksum(file, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  return text;
}

}  // namespace bytecpu
