#include "datagen/commands/files.hpp"

#include "datagen/files/check_files.hpp"
#include "datagen/files/export_files.hpp"
#include "datagen/io/cli.hpp"

namespace bytecpu {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t most_problems_shown = 50;

bool is_dataset_of_files(const fs::path& folder) {
  return fs::exists(folder / "manifest.json") && holds_files(folder);
}

void print_check_of_files(const fs::path& folder, int threads, bool json) {
  const auto report = check_files(folder, threads);
  const size_t shown = std::min(report.problems.size(), most_problems_shown);
  if (json) {
    auto failures = ordered_json::array();
    for (size_t i = 0; i < shown; ++i)
      failures.push_back({{"file", report.problems[i].file}, {"problem", report.problems[i].problem}});
    const ordered_json all = {{"folder", folder.string()},      {"ok", report.problems.empty()},
                              {"documents", report.documents},  {"files", report.files},
                              {"bytes", report.bytes},          {"shared", report.shared},
                              {"seconds", report.seconds},      {"failure_count", report.problems.size()},
                              {"failures", std::move(failures)}};
    fmt::print("{}\n", json_text(all));
  } else {
    for (size_t i = 0; i < shown; ++i)
      fmt::print("{}: {}\n", report.problems[i].file.empty() ? "dataset" : report.problems[i].file,
                 report.problems[i].problem);
    if (shown < report.problems.size()) fmt::print("… and {} more\n", report.problems.size() - shown);
    fmt::print("{}: {} documents of {} files, {} bytes checked in {:.2f} s; {} test contents are in train\n",
               folder.string(), report.documents, report.files, report.bytes, report.seconds, report.shared);
  }
  cli::flush();
  if (!report.problems.empty()) throw Error("{}: verification failed", folder.string());
}

void print_export_of_files(const fs::path& folder, const fs::path& out) {
  const auto result = export_files(folder, out);
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    if (result.files[i] > 0)
      fmt::print("{}: {} files, {} bytes\n", (out / to_string(s)).string(), result.files[i], result.bytes[i]);
  }
  if (result.heads > 0) fmt::print("cut: {} files, of which no more is in the dataset\n", result.heads);
}

}  // namespace bytecpu
