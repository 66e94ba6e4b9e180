#include "eval/documents/merge.hpp"

#include <algorithm>
#include <memory>

#include "datagen/dataset/dataset.hpp"
#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "eval/documents/counts.hpp"
#include "eval/documents/document.hpp"
#include "eval/documents/judge.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct PartDocument {
  fs::path path;
  Part part;
  ordered_json json;
};

// Calls `read`, which takes what is in a part's file: errors name the file.
template <typename Read>
auto of_file(const fs::path& path, Read read) {
  try {
    return read();
  } catch (const ordered_json::exception& e) {
    throw Error("{}: not a part of an evaluation: {}", path.string(), e.what());
  } catch (const Error& e) {
    throw Error("{}: {}", path.string(), e.what());
  }
}

PartDocument read_part_document(const fs::path& path) {
  const auto contents = read_file(path);
  return of_file(path, [&] {
    PartDocument document{path, {}, ordered_json::parse(contents)};
    const auto& json = document.json;
    const auto format = json.at("format").get<std::string>();
    if (format == evaluation_format)
      throw Error("it is a whole evaluation, and not a part made with --part K/N");
    if (format != evaluation_part_format) throw Error("it is not a part of an evaluation");
    const auto version = json.at("version").get<int>();
    if (version != evaluation_part_version) {
      throw Error("written in format version {}, this program reads {}", version, evaluation_part_version);
    }
    const auto part =
        parse_part(fmt::format("{}/{}", json.at("part").get<int>(), json.at("parts").get<int>()));
    if (!part) throw Error("there is no part {} of {}", json_text(json["part"]), json_text(json["parts"]));
    document.part = *part;
    for (const char* key : {"bytecpu", "predictor", "data", "settings", "modes"}) json.at(key);
    return document;
  });
}

// Where two values differ first: "details.step is 100 in A and 200 in B".
std::string difference(const std::string& name, const ordered_json& a, const ordered_json& b,
                       const PartDocument& of_a, const PartDocument& of_b) {
  if (a.is_object() && b.is_object()) {
    for (const auto* object : {&a, &b}) {
      for (const auto& [key, unused] : object->items()) {
        const auto in_a = a.value(key, ordered_json()), in_b = b.value(key, ordered_json());
        if (in_a != in_b) return difference(name + "." + key, in_a, in_b, of_a, of_b);
      }
    }
  }
  return fmt::format("{} is {} in {} and {} in {}", name, json_text(a), of_a.path.string(), json_text(b),
                     of_b.path.string());
}

void require_same(const PartDocument& first, const PartDocument& other) {
  if (first.part.count != other.part.count) {
    throw Error("{} is one of {} parts, and {} is one of {}", first.path.string(), first.part.count,
                other.path.string(), other.part.count);
  }
  for (const char* key : {"bytecpu", "predictor", "data", "settings"}) {
    auto a = first.json.at(key), b = other.json.at(key);
    // The same model may run on several devices.
    for (auto* json : {&a, &b}) {
      if (json->is_object() && json->contains("details")) (*json)["details"].erase("device");
    }
    if (a == b) continue;
    throw Error("these are parts of two evaluations: {}", difference(key, a, b, first, other));
  }
}

void require_all(const std::vector<PartDocument>& parts) {
  const int count = parts.front().part.count;
  std::vector<const PartDocument*> by_index(static_cast<size_t>(count));
  for (const auto& part : parts) {
    auto& place = by_index[static_cast<size_t>(part.part.index) - 1];
    if (place) {
      throw Error("part {} is there twice: {} and {}", to_string(part.part), place->path.string(),
                  part.path.string());
    }
    place = &part;
  }
  std::vector<int> missing;
  for (int i = 0; i < count; ++i) {
    if (!by_index[static_cast<size_t>(i)]) missing.push_back(i + 1);
  }
  if (!missing.empty()) throw Error("{}", missing_parts(count, missing));
}

ordered_json add_baselines(const std::vector<PartDocument>& parts, const std::string& mode) {
  nlohmann::ordered_map<std::string, nlohmann::ordered_map<std::string, Rate>> sums;
  for (const auto& part : parts) {
    of_file(part.path, [&] {
      for (const auto& [name, rates] : part.json.at("modes").at(mode).at("baselines").items()) {
        auto& of_name = sums[name];
        for (const auto& [key, json] : rates.items()) {
          const Rate rate{json.at("right").get<int64_t>(), json.at("total").get<int64_t>()};
          if (rate.right < 0 || rate.right > rate.total)
            throw Error("{}: {} of {}", key, rate.right, rate.total);
          of_name[key] += rate;
        }
      }
    });
  }
  auto all = ordered_json::object();
  for (const auto& [name, rates] : sums) {
    for (const auto& [key, rate] : rates) all[name][key] = to_json(rate);
  }
  return all;
}

template <typename ScoresOfMode>
double add_all(const std::vector<PartDocument>& parts, const std::string& mode, ScoresOfMode& scores) {
  double seconds = 0;
  for (const auto& part : parts) {
    of_file(part.path, [&] {
      const auto& of_mode = part.json.at("modes").at(mode);
      add_counts(of_mode.at("counts"), scores);
      seconds += of_mode.at("seconds").get<double>();
    });
  }
  return seconds;
}

ordered_json merge_mode(const std::vector<PartDocument>& parts, const std::string& mode,
                        const Machine& machine) {
  ordered_json merged;
  if (mode == "exhaustive") {
    ExhaustiveScores scores;
    const double seconds = add_all(parts, mode, scores);
    merged = to_json(scores);
    merged["seconds"] = seconds;
    return merged;
  }
  Scores scores(mode == "step" ? Mode::step : Mode::rollout, machine);
  const double seconds = add_all(parts, mode, scores);
  merged = to_json(scores, machine);
  merged["seconds"] = seconds;
  merged["baselines"] = add_baselines(parts, mode);
  return merged;
}

// Problems in the order of the files' names, as one evaluation lists them.
ordered_json merge_files(const std::vector<PartDocument>& parts) {
  int64_t without_file = 0;
  std::vector<std::pair<std::string, ordered_json>> problems;  // with their files
  for (const auto& part : parts) {
    of_file(part.path, [&] {
      const auto& files = part.json.at("files");
      without_file += files.at("without_file").get<int64_t>();
      for (const auto& problem : files.at("problems")) {
        problems.emplace_back(problem.at("file").get<std::string>(), problem);
      }
    });
  }
  std::ranges::stable_sort(problems, {}, [](const auto& problem) { return problem.first; });
  auto sorted = ordered_json::array();
  for (const auto& [file, problem] : problems) sorted.push_back(problem);
  return {{"without_file", without_file}, {"problems", std::move(sorted)}};
}

}  // namespace

ordered_json part_document(ordered_json document, const Part& part, ordered_json settings) {
  ordered_json json = {{"format", evaluation_part_format},
                       {"version", evaluation_part_version},
                       {"part", part.index},
                       {"parts", part.count},
                       {"settings", std::move(settings)}};
  for (const auto& [key, value] : document.items()) {
    if (!json.contains(key)) json[key] = value;
  }
  return json;
}

ordered_json merge_parts_of_evaluation(std::span<const fs::path> files) {
  std::vector<PartDocument> parts;
  for (const auto& file : files) parts.push_back(read_part_document(file));
  const auto& first = parts.front();
  for (const auto& part : parts) require_same(first, part);
  require_all(parts);
  const auto& data = first.json["data"];
  const auto machine = of_file(first.path, [&] {
    const auto layout = layout_from_json(data.at("layout"));
    auto made = make_machine(layout.machine, layout.memory_bytes);
    if (made->layout() != layout) throw Error("its records are laid out by another version");
    return made;
  });
  auto document = new_document(first.json["predictor"], data);
  for (const auto& [mode, unused] : first.json["modes"].items()) {
    document["modes"][mode] = merge_mode(parts, mode, *machine);
  }
  for (const char* key : {"training", "run"}) {
    if (first.json.contains(key)) document[key] = first.json[key];
  }
  if (first.json.contains("files")) document["files"] = merge_files(parts);
  return document;
}

}  // namespace bytecpu
