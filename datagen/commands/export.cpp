// bytecpu-datagen export: its options, and what it prints.
#include "datagen/commands/commands.hpp"
#include "datagen/commands/files.hpp"
#include "datagen/dataset/bin_files.hpp"

namespace bytecpu {
namespace {

struct Values {
  std::filesystem::path dataset, out;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.dataset, "dataset", text("DATASET"), "dataset").required().positional();
  field(v.out, "out", text("DIR"), "new folder to write").required();
  return field;
}

void run(Values& v, const OptionList&) {
  if (is_dataset_of_files(v.dataset)) return print_export_of_files(v.dataset, v.out);
  const auto result = export_bin_files(v.dataset, v.out);
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    fmt::print("{}: {} traces, {} files{}\n", (v.out / to_string(s)).string(), result.traces[i],
               result.traces[i] - result.overwritten[i],
               result.overwritten[i] ? "; of several traces of one program the last stands" : "");
  }
}

}  // namespace

cli::Command export_command() {
  return cli::command<Values>(
      "export",
      "A dataset becomes folders of .bin files, named by the MD5 of the program; one of files the files again.",
      "DATASET --out DIR", options, run);
}

}  // namespace bytecpu
