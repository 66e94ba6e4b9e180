#include "eval/documents/training_metrics.hpp"

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

using nlohmann::ordered_json;

ordered_json read_training_metrics(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  auto lines = ordered_json::array();
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == text.npos) break;
    ++number;
    const auto line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    auto json = ordered_json::parse(line, nullptr, false);
    if (!json.is_object()) throw Error("{}:{}: not a JSON object", file.string(), number);
    lines.push_back(std::move(json));
  }
  return lines;
}

}  // namespace bytecpu
