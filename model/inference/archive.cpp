#include "model/inference/archive.hpp"

#include "datagen/files/names.hpp"
#include "datagen/io/json_members.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

constexpr auto format = "bytecpu-archive";
constexpr int version = 1;
// A byte costs at least 255 ÷ 2^24 ÷ ln 2 bits.
constexpr int64_t most_bytes_a_coded_byte = 400'000;

ArchivedFile file_from_json(const ordered_json& json) {
  ArchivedFile file{unescaped(members::text(json, "name")), members::count<int64_t>(json, "bytes"),
                    members::text(json, "checksum")};
  const auto problem = name_problem(file.name);
  if (!problem.empty() || file.name.find('/') != std::string::npos)
    throw Error("\"{}\" is no file's name", escaped(file.name));
  return file;
}

}  // namespace

FileSize ArchivedFile::size() const { return {std::string(extension_of(name)), bytes}; }

void write_archive(const std::filesystem::path& path, const Coding& coding,
                   std::span<const ArchivedFile> files, std::span<const uint8_t> compressed) {
  auto list = ordered_json::array();
  for (const auto& file : files) {
    list.push_back({{"name", escaped(file.name)}, {"bytes", file.bytes}, {"checksum", file.checksum}});
  }
  const ordered_json about = {{"format", format},
                              {"version", version},
                              {"weights", coding.weights},
                              {"device", coding.inference.device},
                              {"precision", coding.inference.precision},
                              {"threads", coding.inference.threads},
                              {"batch", coding.batch},
                              {"files", list}};
  const safetensors::Tensor coded{"coded", safetensors::Dtype::U8, {std::ssize(compressed)}, compressed};
  safetensors::Metadata metadata = {{"archive", about.dump()}};
  safetensors::add_contents({&coded, 1}, metadata);
  safetensors::write(path, {&coded, 1}, metadata);
}

Archive::Archive(const std::filesystem::path& path) : file_(path) {
  try {
    read();
  } catch (const std::exception& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
}

void Archive::read() {
  const auto& metadata = file_.metadata();
  const auto about = metadata.find("archive");
  if (about == metadata.end()) throw Error("is no archive of bytecpu-infer compress");
  const auto json = ordered_json::parse(about->second);
  if (members::text(json, "format") != format) throw Error("is no archive of bytecpu-infer compress");
  if (const auto found = members::count<int>(json, "version"); found != version) {
    throw Error("written in format version {}, this program reads {}", found, version);
  }
  if (safetensors::intact(file_) != true)
    throw Error("is damaged: its contents are not those of its checksum");
  coding_ = {
      members::text(json, "weights"),
      {members::count<int>(json, "threads"), members::text(json, "precision"), members::text(json, "device")},
      members::count<int64_t>(json, "batch")};
  compressed_ = file_.require("coded", safetensors::Dtype::U8, 1).bytes;
  int64_t left = (std::ssize(compressed_) + 8) * most_bytes_a_coded_byte;
  for (const auto& item : members::list(json, "files")) {
    const auto& file = files_.emplace_back(file_from_json(item));
    if (file.bytes > left)
      throw Error("{}: {} bytes cannot be coded in {}", escaped(file.name), file.bytes, compressed_.size());
    left -= file.bytes;
  }
  if (coding_.batch < 1) throw Error("\"batch\" is 0");
}

}  // namespace bytecpu
