// bytecpu-datagen inspect: its options, and what it prints of files and datasets.
#include <cstdlib>

#include "datagen/commands/commands.hpp"
#include "datagen/commands/files.hpp"
#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/files_writer.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/safetensors.hpp"
#include "datagen/programs/program_options.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct Values {
  fs::path path;
  std::optional<int64_t> trace, document;
  Split split = Split::train;
  MachineOptions machine;
  bool json = false;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.path, "path", text("FILE|DIR"), ".bin file, shard, dataset or folder of .bin files")
      .required()
      .positional();
  field(v.trace, "trace", at_least(0), "show trace N, from 0 on, of a shard or folder");
  field(v.document, "document", at_least(0), "show document N, from 0 on, of a dataset of files");
  field(v.split, "split", split_names, "the trace's or the document's, of a folder");
  field(v.json, "json", "print JSON");
  machine_options(field, v.machine.name, v.machine.memory_bytes);
  return field;
}

constexpr std::string_view goes_with_trace = "goes with --trace N";

size_t trace_index(const Values& v, size_t count, const std::string& where) {
  const auto index = static_cast<size_t>(*v.trace);
  if (index >= count) throw UsageError("--trace {}: {} has {} traces", index, where, count);
  return index;
}

void inspect_bin_file(const Values& v, const fs::path& path) {
  const auto machine = as_usage([&] { return make_machine(v.machine.name, v.machine.memory_bytes); });
  const MappedFile file(path);
  check_trace_length(path, file.bytes().size(), machine->layout());
  print_trace(*machine, {machine->layout(), file.bytes(), StopReason::unknown}, v.json);
}

void inspect_shard(const Values& v, const OptionList& given) {
  given.refuse(names_its_machine, v.machine.name, v.machine.memory_bytes);
  given.refuse("a shard is of one split", v.split);
  const auto metadata = safetensors::File(v.path).metadata();
  if (metadata.contains("kind"))
    throw Error("{}: a shard of a dataset of {}: inspect its folder", v.path.string(), metadata.at("kind"));
  const auto machine_name = metadata.find("machine"), memory = metadata.find("memory_bytes");
  if (machine_name == metadata.end() || memory == metadata.end()) {
    throw Error("{}: not a shard of a dataset: its metadata names no machine", v.path.string());
  }
  const auto machine = make_machine(machine_name->second, std::atoi(memory->second.c_str()));
  const Shard shard(v.path, machine->layout());
  if (shard.intact() == false)
    throw Error("{}: it is not as it was written: it was altered", v.path.string());
  if (v.trace) {
    const size_t i = trace_index(v, shard.size(), v.path.string());
    return print_trace(*machine, shard[i], v.json);
  }
  const auto& info = shard.info();
  if (v.json) {
    const ordered_json json = {{"file", v.path.string()},
                               {"traces", info.traces},
                               {"states", info.states},
                               {"bytes", info.bytes},
                               {"metadata", metadata}};
    return fmt::print("{}\n", json_text(json));
  }
  fmt::print("{}: {} traces, {} states, {} bytes\n", v.path.string(), info.traces, info.states, info.bytes);
  for (const auto& [key, text] : metadata) fmt::print("  {:<14}{}\n", key, text);
  fmt::print("--trace N shows one\n");
}

void inspect_dataset(const Values& v, const OptionList& given) {
  given.refuse(names_its_machine, v.machine.name, v.machine.memory_bytes);
  if (!v.trace) given.refuse(goes_with_trace, v.split);
  const Dataset dataset(v.path);
  const auto& manifest = dataset.manifest();
  if (v.trace) {
    const auto machine = make_machine(dataset.layout().machine, dataset.layout().memory_bytes);
    const size_t i =
        trace_index(v, dataset.size(v.split), fmt::format("{}'s {}", v.path.string(), to_string(v.split)));
    return print_trace(*machine, dataset.trace(v.split, i), v.json);
  }
  if (v.json) return fmt::print("{}\n", json_text(to_json(manifest)));
  fmt::print("{}: {}, {} bytes of memory, records of {} bytes, version {}\n", v.path.string(),
             dataset.layout().machine, dataset.layout().memory_bytes, dataset.layout().record_bytes,
             dataset.layout().record_version);
  for (const Split s : splits) {
    fmt::print("{:<6}{:>12} traces {:>14} states {:>16} bytes {:>10} duplicates {:>6} shards\n", to_string(s),
               manifest[s].traces, manifest[s].states, manifest[s].bytes, manifest[s].duplicates,
               manifest[s].shards.size());
  }
  fmt::print("{} test traces have a program that is in train too\ngenerator\n", manifest.overlap);
  for (const auto& [key, value] : manifest.generator.items()) {
    fmt::print("  {:<18}{}\n", key, json_text(value));
  }
  if (const auto& engines = manifest.engines)
    fmt::print("made with Unicorn {}, Capstone {}\n", engines->unicorn, engines->capstone);
  fmt::print("--trace N shows one\n");
}

void inspect_bin_folder(const Values& v, const OptionList& given) {
  if (!v.trace) given.refuse(goes_with_trace, v.split, v.machine.name, v.machine.memory_bytes);
  const auto listed = list_bin_files(v.path, v.split);
  describe_files(v.path);  // refuses records of an earlier version
  if (v.trace) {
    const auto& files = listed[static_cast<size_t>(v.split)];
    const auto where = fmt::format("{}'s {}", v.path.string(), to_string(v.split));
    return inspect_bin_file(v, files[trace_index(v, files.size(), where)]);
  }
  if (v.json) {
    fmt::print("{}\n", ordered_json{{"train", listed[0].size()}, {"test", listed[1].size()}}.dump());
  } else {
    fmt::print("{}: {} train and {} test files\n--trace N shows one\n", v.path.string(), listed[0].size(),
               listed[1].size());
  }
}

void run(Values& v, const OptionList& given) {
  fit_memory(given, v.machine.name, v.machine.memory_bytes);
  if (!fs::exists(v.path)) throw Error("{}: there is no such file or folder", v.path.string());
  if (is_dataset_of_files(v.path)) {
    given.refuse("a dataset of files has no traces; use --document N", v.trace, v.machine.name,
                 v.machine.memory_bytes);
    if (!v.document) given.refuse("goes with --document N", v.split);
    return inspect_files(v.path, v.split, v.document, v.json);
  }
  given.refuse("it is not a dataset of files", v.document);
  if (fs::exists(v.path / "manifest.json")) return inspect_dataset(v, given);
  if (fs::is_directory(v.path)) return inspect_bin_folder(v, given);
  if (v.path.extension() == ".safetensors") return inspect_shard(v, given);
  given.refuse("a .bin file is one trace", v.trace, v.split);
  inspect_bin_file(v, v.path);
}

}  // namespace

cli::Command inspect_command() {
  return cli::command<Values>("inspect", "Shows a trace or a document, or what a shard or a dataset holds.",
                              "FILE|DIR [options]", options, run);
}

}  // namespace bytecpu
