#include "eval/commands/eval_commands.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "datagen/io/files.hpp"
#include "eval/documents/merge.hpp"
#include "eval/documents/text.hpp"
#include "eval/documents/training_metrics.hpp"
#include "eval/report/report.hpp"

namespace bytecpu {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

void data_options(OptionList& field, DataOptions& data, const std::string& machine_of) {
  field(data.data, "data", text("DIR"), "dataset to evaluate on");
  field(data.split, "split", Names<Split>{{"train", Split::train}, {"test", Split::test}}, "the dataset's");
  field(data.traces, "traces", at_least(0), "only the dataset's first N traces or documents; 0: all");
  field(data.machine, "machine", one_of(machine_names()), machine_of);
  field(data.memory_bytes, "memory", at_least(1), machine_of + "; bytes of memory");
}

void refuse_machine(const OptionList& given, const DataOptions& data) {
  if (data.data.empty()) return;
  given.refuse("--data says which machine and memory; leave --machine and --memory out", data.machine,
               data.memory_bytes);
}

void output_options(OptionList& field, OutputOptions& output) {
  field(output.report, "report", text("FILE"), "write the report, HTML");
  field(output.json, "json", text("FILE"),
        "write the figures as JSON; -: to standard output, without the tables");
}

namespace {

// Tried, as permissions alone do not tell: root may write to /proc, and no file can be made there. Sets errno.
bool can_make_files(const fs::path& folder) {
  const auto tried = folder / fmt::format(".bytecpu-{}.tmp", ::getpid());
  const int file = ::open(tried.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return false;
  ::close(file);
  ::unlink(tried.c_str());
  return true;
}

}  // namespace

void add_record(ordered_json& document, const fs::path& training_folder) {
  if (training_folder.empty()) return;
  const auto metrics = training_folder / "metrics.jsonl", run = training_folder / "run.json";
  if (fs::is_regular_file(metrics)) document["training"] = read_training_metrics(metrics);
  if (!fs::is_regular_file(run)) return;
  auto json = ordered_json::parse(read_file(run), nullptr, false);
  if (!json.is_object()) throw Error("{}: not a JSON object", run.string());
  document["run"] = std::move(json);
}

void check_outputs(const OutputOptions& output) {
  for (const auto& [name, file] : {std::pair{"report", output.report}, {"json", output.json}}) {
    if (file.empty() || (file == "-" && name == std::string_view("json"))) continue;
    const fs::path path = file;
    const fs::path folder = path.parent_path().empty() ? "." : path.parent_path();
    if (!fs::is_directory(folder))
      throw UsageError("--{} {}: there is no folder {}", name, file, folder.string());
    if (fs::is_directory(path)) throw UsageError("--{} {}: is a folder", name, file);
    // A device or a pipe is written to as it is, a file is made beside its name.
    const bool in_place = fs::exists(path) && !fs::is_regular_file(path);
    const bool can = in_place ? ::access(path.c_str(), W_OK) == 0 : can_make_files(folder);
    if (!can) {
      const auto where = in_place ? path.string() : folder.string();
      throw Error("--{} {}: cannot write to {}: {}", name, file, where, std::strerror(errno));
    }
  }
}

void part_option(OptionList& field, std::optional<Part>& part) {
  field(part, "part", PartText{},
        "only part K of N of the traces and cases, as counts in --json FILE; merge adds the parts up");
}

void check_part(const OptionList& given, const std::optional<Part>& part, const OutputOptions& output) {
  if (!part) return;
  given.refuse("a part has no report; bytecpu-eval merge writes that of all parts", output.report);
  if (output.json.empty()) throw UsageError("--part {}: goes with --json FILE", to_string(*part));
}

void write_part(const OutputOptions& output, const ordered_json& document, const Part& part,
                const OptionList& given) {
  const auto all = given.json();
  auto settings = ordered_json::object();
  for (const char* name : {"mode", "forms", "cases", "places", "seed", "skip-missing"}) {
    if (all.contains(name)) settings[name] = all[name];
  }
  const auto json = json_text(part_document(document, part, std::move(settings)), 1) + "\n";
  if (output.json == "-") return fmt::print("{}", json);
  write_file(output.json, json);
  fmt::print("{}: part {} of {}; bytecpu-eval merge adds the parts up\n", output.json, part.index,
             part.count);
}

void write_results(const OutputOptions& output, const ordered_json& document) {
  const bool json_to_stdout = output.json == "-";
  const auto json = json_text(document, 1) + "\n";
  fmt::print("{}", json_to_stdout ? json : summary(document));
  cli::flush();
  if (!output.json.empty() && !json_to_stdout) write_file(output.json, json);
  if (!output.report.empty()) write_file(output.report, render_report(document));
}

}  // namespace bytecpu
