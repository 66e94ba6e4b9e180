// bytecpu-datagen verify: its options, and what it prints.
#include "datagen/dataset/verify.hpp"

#include <algorithm>

#include "datagen/commands/commands.hpp"
#include "datagen/commands/files.hpp"
#include "datagen/programs/program_options.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

constexpr size_t most_failures_shown = 50;

struct Values {
  std::filesystem::path folder;
  MachineOptions machine;
  VerifyOptions verify;
  bool json = false;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.folder, "folder", text("DIR"), "dataset or folder of .bin files").required().positional();
  field(v.verify.sample, "sample", at_least(0), "run N traces again, evenly spread; 0: all");
  field(v.verify.threads, "threads", in(1, 1024), "threads");
  field(v.json, "json", "print the report as JSON");
  machine_options(field, v.machine.name, v.machine.memory_bytes);
  return field;
}

ordered_json to_json(const VerifyReport& report, const std::filesystem::path& folder) {
  ordered_json json = {{"folder", folder.string()},         {"ok", report.failures.empty()},
                       {"traces", report.traces},           {"states", report.states},
                       {"duplicates", report.duplicates},   {"overlap", report.overlap},
                       {"seconds", report.seconds},         {"failure_count", report.failures.size()},
                       {"failures", ordered_json::array()}, {"not_checked", report.unchecked}};
  if (!report.other_engines.empty()) json["other_engines"] = report.other_engines;
  for (size_t i = 0; i < std::min(report.failures.size(), most_failures_shown); ++i) {
    const auto& f = report.failures[i];
    json["failures"].push_back({{"file", f.file},
                                {"trace", f.trace < 0 ? ordered_json() : ordered_json(f.trace)},
                                {"problem", f.problem}});
  }
  return json;
}

void print(const VerifyReport& report, const std::filesystem::path& folder) {
  const size_t shown = std::min(report.failures.size(), most_failures_shown);
  for (size_t i = 0; i < shown; ++i) {
    const auto& f = report.failures[i];
    const auto trace = f.trace < 0 ? std::string() : fmt::format(", trace {}", f.trace);
    fmt::print("{}{}: {}\n", f.file.empty() ? "dataset" : f.file, trace, f.problem);
  }
  if (shown < report.failures.size()) fmt::print("… and {} more\n", report.failures.size() - shown);
  if (!report.other_engines.empty()) fmt::print("{}\n", report.other_engines);
  for (const auto& what : report.unchecked) fmt::print("not checked: {}\n", what);
  fmt::print(
      "{}: {} traces, {} states run again in {:.2f} s; {} duplicates, {} test traces whose program is in "
      "train\n",
      folder.string(), report.traces, report.states, report.seconds, report.duplicates, report.overlap);
}

void run(Values& v, const OptionList& given) {
  fit_memory(given, v.machine.name, v.machine.memory_bytes);
  if (!std::filesystem::is_directory(v.folder)) throw Error("{}: there is no such folder", v.folder.string());
  const bool dataset = std::filesystem::exists(v.folder / "manifest.json");
  if (dataset) given.refuse(names_its_machine, v.machine.name, v.machine.memory_bytes);
  if (is_dataset_of_files(v.folder)) {
    given.refuse("in a dataset of files nothing is run", v.verify.sample);
    return print_check_of_files(v.folder, v.verify.threads, v.json);
  }
  const auto report = dataset ? verify_dataset(v.folder, v.verify)
                              : verify_bin_files(v.folder, v.machine.name, v.machine.memory_bytes, v.verify);
  if (v.json) {
    fmt::print("{}\n", json_text(to_json(report, v.folder)));
  } else {
    print(report, v.folder);
  }
  cli::flush();
  if (!report.failures.empty()) throw Error("{}: verification failed", v.folder.string());
}

}  // namespace

cli::Command verify_command() {
  return cli::command<Values>("verify",
                              "Checks a dataset, or a folder of .bin files, and runs its traces again.",
                              "DIR [options]", options, run);
}

}  // namespace bytecpu
