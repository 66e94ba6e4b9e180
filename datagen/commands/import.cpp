// bytecpu-datagen import: its options, and what it prints.
#include "datagen/commands/commands.hpp"
#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/generate.hpp"
#include "datagen/programs/program_options.hpp"

namespace bytecpu {
namespace {

struct Values {
  std::filesystem::path folder, out;
  MachineOptions machine;
  Split split = Split::train;
  int64_t shard_traces = 0;
  int threads = 1;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.folder, "folder", text("DIR"), "folder with train/ and test/, or with .bin files")
      .required()
      .positional();
  field(v.out, "out", text("DATASET"), "new dataset").required();
  field(v.split, "split", split_names, "split of files that are in neither train/ nor test/");
  field(v.shard_traces, "shard-traces", in(0, 1 << 20), "traces a shard; 0: 8192, fewer for large memories");
  field(v.threads, "threads", in(1, 1024), "threads");
  machine_options(field, v.machine.name, v.machine.memory_bytes);
  return field;
}

void run(Values& v, const OptionList& given) {
  fit_memory(given, v.machine.name, v.machine.memory_bytes);
  const auto machine = as_usage([&] { return make_machine(v.machine.name, v.machine.memory_bytes); });
  const auto has = [&](Split s) { return std::filesystem::is_directory(v.folder / to_string(s)); };
  if (has(Split::train) || has(Split::test)) given.refuse("the folder's own train and test say it", v.split);
  const auto shard_traces = v.shard_traces > 0 ? v.shard_traces : default_shard_traces(machine->layout());
  const auto [manifest, wrong, first_wrong] =
      import_bin_files(v.folder, *machine, v.split, shard_traces, v.threads, v.out);
  fmt::print("{}: {} train and {} test traces\n", v.out.string(), manifest[Split::train].traces,
             manifest[Split::test].traces);
  if (wrong == 0) return;
  fmt::print("{} of them are not what {} makes of their start:", wrong, machine->layout().machine);
  for (const auto& file : first_wrong) fmt::print(" {}", file.string());
  fmt::print("{}\n", wrong > std::ssize(first_wrong) ? " …" : "");
}

}  // namespace

cli::Command import_command() {
  return cli::command<Values>(
      "import",
      "A folder of .bin files becomes a dataset; its traces are run again to tell how they ended.\n"
      "Those that are not what the machine makes of their start are kept and counted; it fails if all are.",
      "DIR --out DATASET [options]", options, run);
}

}  // namespace bytecpu
