#include "datagen/dataset/files_writer.hpp"

#include <map>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/split.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr auto description_name = "generator.json";

FilesWriter::FilesWriter(const OutputFolder& folder, const Layout& layout, const ordered_json& generator)
    : out_(folder.path()) {
  description_ = {
      {"format", format}, {"version", version}, {"layout", to_json(layout)}, {"generator", generator}};
  check_folder(folder);
  // Without the counts: until finish() the files are not whole.
  write_file(description_path(), description_.dump(1) + "\n");
  for (const Split s : splits) fs::create_directory(out_ / to_string(s));
}

void FilesWriter::write(Split split, int64_t sequence, const Trace& trace, const Machine& machine) {
  const auto image = trace.image();
  const auto name = bin_file_name(machine, image);
  const auto s = static_cast<size_t>(split);
  const std::lock_guard lock(mutex_);
  written_[s].traces += 1;
  written_[s].states += trace.states() + 1;
  written_[s].bytes += static_cast<int64_t>(trace.bytes.size());
  programs_[s].push_back(program_hash(image));
  auto& last = last_[s].try_emplace(name, Last{sequence, {}}).first->second;
  if (last.sequence > sequence) return;
  last = {sequence, checksum(trace.bytes)};
  write_file(out_ / to_string(split) / name, std::span(&trace.bytes, 1), Sync::later);
}

ProgramCounts FilesWriter::finish() {
  const auto counts = count_programs(programs_);
  sync_file_system(out_);
  for (const Split s : splits) {
    const auto& written = written_[static_cast<size_t>(s)];
    const auto& last = last_[static_cast<size_t>(s)];
    FilesChecksum sum;
    for (const auto& [name, of_file] : std::map(last.begin(), last.end())) sum.add(name, of_file.checksum);
    description_["splits"][to_string(s)] = {{"traces", written.traces},
                                            {"states", written.states},
                                            {"bytes", written.bytes},
                                            {"files", files(s)},
                                            {"checksum", sum.value()}};
  }
  write_file(description_path(), description_.dump(1) + "\n");
  return counts;
}

void FilesWriter::check_folder(const OutputFolder& folder) const {
  const auto refuse = [&](std::string_view why) {
    throw Error("{} {}; choose another folder", out_.string(), why);
  };
  const auto contents = folder.contents();
  for (const auto& name : contents) {
    if (name != description_name && name != to_string(Split::train) && name != to_string(Split::test)) {
      refuse(fmt::format("is not empty: it holds {}", name));
    }
  }
  if (contents.empty()) return;
  if (!fs::exists(description_path())) refuse(fmt::format("is not empty: it holds {}", contents.front()));
  const auto found = ordered_json::parse(read_file(description_path()), nullptr, false);
  for (const char* key : {"format", "version", "layout", "generator"}) {
    if (!found.is_object() || !found.contains(key) || found[key] != description_[key]) {
      refuse("holds files of another configuration");
    }
  }
}

fs::path FilesWriter::description_path() const { return out_ / description_name; }

std::string FilesChecksum::value() const {
  return checksum({reinterpret_cast<const uint8_t*>(text_.data()), text_.size()});
}

std::optional<FilesDescription> describe_files(const fs::path& folder) {
  const auto path = folder / description_name;
  if (!fs::exists(path)) return std::nullopt;
  try {
    const auto json = ordered_json::parse(read_file(path));
    if (json.at("format") != FilesWriter::format) throw Error("not of bytecpu's files");
    const auto layout = layout_from_json(json.at("layout"));
    refuse_outdated(layout, fmt::format("make the files anew: {} --format files", how_to_generate(layout)));
    FilesDescription description{layout.machine, layout.memory_bytes, std::nullopt};
    if (!json.contains("splits")) return description;
    auto& files = description.files.emplace();
    for (const Split s : splits) {
      const auto& of_split = json.at("splits").at(std::string(to_string(s)));
      files[static_cast<size_t>(s)] = {of_split.at("files").get<int64_t>(), of_split.value("checksum", "")};
    }
    return description;
  } catch (const std::exception& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
}

}  // namespace bytecpu
