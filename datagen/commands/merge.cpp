// bytecpu-datagen merge: its options, and what it prints.
#include "datagen/dataset/merge.hpp"

#include "datagen/commands/commands.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

struct Values {
  std::vector<std::string> folders;
  std::filesystem::path out;
  int threads = 1;
  bool json = false;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.folders, "parts", text("DIR"), "folders that parts were made in").required().positional();
  field(v.out, "out", text("DATASET"), "folder to write; default: DIR itself, where it is one");
  field(v.threads, "threads", in(1, 1024), "threads");
  field(v.json, "json", "print the summary as JSON");
  return field;
}

ordered_json to_json(const MergeResult& result, const std::filesystem::path& out) {
  ordered_json json = {{"out", out.string()},
                       {"parts", result.parts},
                       {"linked", result.linked},
                       {"copied", result.copied},
                       {"there", result.there},
                       {"was_merged", result.was_merged},
                       {"seconds", result.seconds},
                       {"several_engines", result.several_engines},
                       {"overlap", result.manifest.overlap}};
  for (const Split s : splits) {
    const auto& split = result.manifest[s];
    json["splits"][to_string(s)] = {{"traces", split.traces},
                                    {"states", split.states},
                                    {"bytes", split.bytes},
                                    {"duplicates", split.duplicates}};
  }
  return json;
}

void print(const MergeResult& result, const std::filesystem::path& out) {
  const auto& manifest = result.manifest;
  for (const Split s : splits) {
    fmt::print("{:<6}{:>12} traces {:>14} states {:>16} bytes {:>10} duplicates\n", to_string(s),
               manifest[s].traces, manifest[s].states, manifest[s].bytes, manifest[s].duplicates);
  }
  if (manifest.overlap > 0) {
    fmt::print("{} test traces have a program that is in train too\n", manifest.overlap);
  }
  if (result.several_engines) {
    fmt::print(
        "parts were made with different releases of Unicorn or Capstone; the manifest names the last "
        "part's\n");
  }
  if (result.was_merged) return fmt::print("{}: it was merged already\n", out.string());
  fmt::print("{}: {} parts merged in {:.2f} s; shards: {} linked, {} copied, {} were there already\n",
             out.string(), result.parts, result.seconds, result.linked, result.copied, result.there);
}

void run(Values& v, const OptionList&) {
  if (v.out.empty() && v.folders.size() > 1) {
    throw UsageError("--out is missing: which folder gets the shards of {} folders?", v.folders.size());
  }
  MergeOptions merge;
  merge.folders.assign(v.folders.begin(), v.folders.end());
  merge.out = v.out.empty() ? merge.folders.front() : v.out;
  merge.threads = v.threads;
  const auto result = merge_parts(merge);
  if (v.json) {
    fmt::print("{}\n", json_text(to_json(result, merge.out)));
  } else {
    print(result, merge.out);
  }
}

}  // namespace

cli::Command merge_command() {
  return cli::command<Values>(
      "merge",
      "Parts of a dataset, made by generate --part, become the dataset.\n"
      "Of one folder it is made there; else shards are linked to where --out says, or "
      "copied.",
      "DIR... [--out DATASET] [options]", options, run);
}

}  // namespace bytecpu
