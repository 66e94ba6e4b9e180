// The options of bytecpu-datagen's commands, and what the commands print.
#include "datagen/commands/commands.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/dataset.hpp"
#include "datagen/dataset/generate.hpp"
#include "datagen/dataset/verify.hpp"
#include "datagen/io/files.hpp"
#include "datagen/programs/show.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
namespace po = cli::po;
using nlohmann::ordered_json;

template <typename T>
po::typed_value<T>* value(const char* name) {
  return po::value<T>()->value_name(name);
}

// Boost reads "-1" as an unsigned number without complaint, so counts are read signed.
uint64_t unsigned_option(const po::variables_map& values, const char* name) {
  const auto number = values[name].as<int64_t>();
  if (number < 0) throw UsageError("--{} {}: below 0", name, number);
  return static_cast<uint64_t>(number);
}

template <typename Choice>
Choice choice(const po::variables_map& values, const char* name,
              std::initializer_list<std::pair<std::string_view, Choice>> choices) {
  const auto& given = values[name].as<std::string>();
  std::string known;
  for (const auto& [text, result] : choices) {
    if (text == given) return result;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", text);
  }
  throw UsageError("--{} {}: there are {}", name, given, known);
}

// "ADD=2,DIV=0.5": the operations not named have weight 1.
std::vector<double> operation_weights(const std::string& text, const Machine& machine) {
  if (text.empty()) return {};
  const auto operations = machine.operations();
  std::vector<double> weights(operations.size(), 1);
  for (size_t at = 0; at <= text.size();) {
    const auto item = text.substr(at, text.find(',', at) - at);
    at += item.size() + 1;
    const auto equals = std::min(item.find('='), item.size());
    const auto found = std::find(operations.begin(), operations.end(), item.substr(0, equals));
    char* end = nullptr;
    const double weight = equals < item.size() ? std::strtod(item.c_str() + equals + 1, &end) : -1;
    if (found == operations.end() || !(weight >= 0 && weight < 1e9) || end == item.c_str() + equals + 1 ||
        *end) {
      throw UsageError("--operation-weights: \"{}\" is no OPERATION=WEIGHT; operations are {}", item,
                       fmt::join(operations, ", "));
    }
    weights[found - operations.begin()] = weight;
  }
  return weights;
}

std::optional<double> share_option(const po::variables_map& values, const char* name) {
  if (!values.count(name)) return std::nullopt;
  return values[name].as<double>();
}

void run_generate(const po::variables_map& values) {
  using Rng = GenerateOptions::Rng;
  using Format = GenerateOptions::Format;
  GenerateOptions options;
  options.machine = values["machine"].as<std::string>();
  options.memory_bytes = values["memory"].as<int>();
  options.programs.min_instructions = values["min-instructions"].as<int>();
  options.programs.max_instructions = values["max-instructions"].as<int>();
  options.programs.small_operands = values["small-operands"].as<double>();
  options.programs.window_steps = values["window-steps"].as<int>();
  options.programs.memory_share = share_option(values, "memory-share");
  options.programs.branch_share = share_option(values, "branch-share");
  options.programs.loop_share = share_option(values, "loop-share");
  options.keep_faults = choice<bool>(values, "faults", {{"keep", true}, {"drop", false}});
  options.traces = {values["train"].as<int64_t>(), values["test"].as<int64_t>()};
  options.seed = unsigned_option(values, "seed");
  options.rng = choice<Rng>(values, "rng", {{"native", Rng::native}, {"python", Rng::python}});
  options.format = choice<Format>(values, "format", {{"shards", Format::shards}, {"files", Format::files}});
  options.shard_traces = values["shard-traces"].as<int64_t>();
  options.threads = values["threads"].as<int>();
  options.out = values["out"].as<std::string>();
  const auto& weights = values["operation-weights"].as<std::string>();
  if (!weights.empty()) {
    options.programs.operation_weights =
        operation_weights(weights, *make_machine(options.machine, options.memory_bytes));
  }

  const auto result = generate(options);
  const int64_t traces = result.traces[0] + result.traces[1], states = result.states[0] + result.states[1],
                bytes = result.bytes[0] + result.bytes[1];
  const double rate = static_cast<double>(result.run_states) / result.seconds;
  if (values["json"].as<bool>()) {
    ordered_json json = {{"out", options.out.string()},
                         {"traces", traces},
                         {"states", states},
                         {"bytes", bytes},
                         {"seconds", result.seconds},
                         {"states_per_second", rate},
                         {"resumed_shards", result.resumed_shards},
                         {"overlap", result.overlap}};
    for (const Split s : splits) {
      const auto i = static_cast<size_t>(s);
      json["splits"][to_string(s)] = {{"traces", result.traces[i]},
                                      {"states", result.states[i]},
                                      {"bytes", result.bytes[i]},
                                      {"duplicates", result.duplicates[i]}};
    }
    fmt::print("{}\n", json.dump());
    return;
  }
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    fmt::print("{:<6}{:>12} traces {:>14} states {:>16} bytes {:>10} duplicates\n", to_string(s),
               result.traces[i], result.states[i], result.bytes[i], result.duplicates[i]);
  }
  if (result.overlap > 0) fmt::print("{} test traces have a program that is in train too\n", result.overlap);
  if (result.resumed_shards > 0) fmt::print("{} shards were there already\n", result.resumed_shards);
  fmt::print("{}: {} traces, {} states, {} bytes in {:.2f} s, {:.0f} states/s\n", options.out.string(),
             traces, states, bytes, result.seconds, rate);
}

cli::Command generate_command() {
  cli::Command command{.name = "generate",
                       .summary = "Random programs are drawn and run; their traces become a dataset.",
                       .usage = "--train N --test N --out DIR [options]",
                       .options = {},
                       .positional = {},
                       .run = run_generate};
  const ProgramOptions programs;
  command.options.add_options()  //
      ("machine", value<std::string>("NAME")->default_value("toy8"),
       fmt::format("machine: {}", fmt::join(machine_names(), ", ")).c_str())                               //
      ("memory", value<int>("BYTES")->default_value(1024), "length of the memory image")                   //
      ("min-instructions", value<int>("N")->default_value(programs.min_instructions), "shortest program")  //
      ("max-instructions", value<int>("N")->default_value(programs.max_instructions),
       "longest program, the halt included")                                //
      ("train", value<int64_t>("N")->default_value(0), "training traces")   //
      ("test", value<int64_t>("N")->default_value(0), "test traces")        //
      ("seed", value<int64_t>("N")->default_value(0), "seed of all draws")  //
      ("rng", value<std::string>("NAME")->default_value("native"),
       "native, or python: the published generator's draws")  //
      ("operation-weights", value<std::string>("OP=W,...")->default_value(""),
       "how often operations are drawn; those not named have weight 1")  //
      ("small-operands", value<double>("P")->default_value(0),
       "probability of a register that starts small")  //
      ("window-steps", value<int>("N")->default_value(0),
       "traces are windows of this many steps, from a random instruction on; 0: whole programs")  //
      ("memory-share", value<double>("P"), "share of instructions that access memory")            //
      ("branch-share", value<double>("P"), "share of instructions that branch forward or call")   //
      ("loop-share", value<double>("P"), "probability that an instruction begins a loop")         //
      ("faults", value<std::string>("NAME")->default_value("keep"),
       "traces that end in a fault: keep, or drop and draw others")  //
      ("format", value<std::string>("NAME")->default_value("shards"),
       "shards, or files: a .bin file a program, as published")  //
      ("shard-traces", value<int64_t>("N")->default_value(0),
       "traces a shard; 0: 8192, fewer for large memories")                                               //
      ("threads", value<int>("N")->default_value(1), "threads; changes nothing but the speed")            //
      ("out", value<std::string>("DIR")->required(), "folder to write; an interrupted one is completed")  //
      ("json", po::bool_switch(), "print the summary as JSON");
  return command;
}

constexpr size_t most_failures_shown = 50;

void add_machine_options(po::options_description& options) {
  options.add_options()  //
      ("machine", value<std::string>("NAME")->default_value("toy8"),
       fmt::format("machine: {}", fmt::join(machine_names(), ", ")).c_str())  //
      ("memory", value<int>("BYTES")->default_value(1024), "length of the memory image");
}

std::unique_ptr<Machine> machine_option(const po::variables_map& values) {
  return make_machine(values["machine"].as<std::string>(), values["memory"].as<int>());
}

// An option that would change nothing is an error, as an unknown one is.
void refuse_options(const po::variables_map& values, std::initializer_list<const char*> names,
                    std::string_view why) {
  for (const char* name : names) {
    if (values.count(name) && !values[name].defaulted()) throw UsageError("--{}: {}", name, why);
  }
}
constexpr std::string_view names_its_machine = "the dataset itself names its machine",
                           one_trace = "a .bin file is one trace";

Split split_option(const po::variables_map& values) {
  return choice<Split>(values, "split", {{"train", Split::train}, {"test", Split::test}});
}

void run_verify(const po::variables_map& values) {
  const fs::path folder = values["folder"].as<std::string>();
  const VerifyOptions options{.sample = values["sample"].as<int64_t>(),
                              .threads = values["threads"].as<int>()};
  if (!fs::is_directory(folder)) throw Error("{}: there is no such folder", folder.string());
  const bool dataset = fs::exists(folder / "manifest.json");
  if (dataset) refuse_options(values, {"machine", "memory"}, names_its_machine);
  const auto report = dataset ? verify_dataset(folder, options)
                              : verify_bin_files(folder, values["machine"].as<std::string>(),
                                                 values["memory"].as<int>(), options);
  const size_t shown = std::min(report.failures.size(), most_failures_shown);
  if (values["json"].as<bool>()) {
    ordered_json json = {{"folder", folder.string()},        {"ok", report.failures.empty()},
                         {"traces", report.traces},          {"states", report.states},
                         {"duplicates", report.duplicates},  {"overlap", report.overlap},
                         {"seconds", report.seconds},        {"failure_count", report.failures.size()},
                         {"failures", ordered_json::array()}};
    for (size_t i = 0; i < shown; ++i) {
      const auto& f = report.failures[i];
      json["failures"].push_back({{"file", f.file},
                                  {"trace", f.trace < 0 ? ordered_json() : ordered_json(f.trace)},
                                  {"problem", f.problem}});
    }
    fmt::print("{}\n", json.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  } else {
    for (size_t i = 0; i < shown; ++i) {
      const auto& f = report.failures[i];
      const auto trace = f.trace < 0 ? std::string() : fmt::format(", trace {}", f.trace);
      fmt::print("{}{}: {}\n", f.file.empty() ? "dataset" : f.file, trace, f.problem);
    }
    if (shown < report.failures.size()) fmt::print("… and {} more\n", report.failures.size() - shown);
    fmt::print(
        "{}: {} traces, {} states run again in {:.2f} s; {} duplicates, {} test traces whose program is in "
        "train\n",
        folder.string(), report.traces, report.states, report.seconds, report.duplicates, report.overlap);
  }
  std::fflush(stdout);
  if (!report.failures.empty()) throw Error("{}: verification failed", folder.string());
}

cli::Command verify_command() {
  cli::Command command{.name = "verify",
                       .summary = "Checks a dataset, or a folder of .bin files, and runs its traces again.",
                       .usage = "DIR [options]",
                       .options = {},
                       .positional = {},
                       .run = run_verify};
  command.options.add_options()                                                                       //
      ("folder", value<std::string>("DIR")->required(), "dataset or folder of .bin files")            //
      ("sample", value<int64_t>("N")->default_value(0), "run N traces again, evenly spread; 0: all")  //
      ("threads", value<int>("N")->default_value(1), "threads")                                       //
      ("json", po::bool_switch(), "print the report as JSON");
  add_machine_options(command.options);
  command.positional.add("folder", 1);
  return command;
}

void run_import(const po::variables_map& values) {
  const fs::path out = values["out"].as<std::string>();
  const auto machine = machine_option(values);
  auto shard_traces = values["shard-traces"].as<int64_t>();
  if (shard_traces == 0) shard_traces = default_shard_traces(machine->layout());
  if (shard_traces < 1) throw UsageError("--shard-traces {}: below 0", shard_traces);
  const int threads = values["threads"].as<int>();
  if (threads < 1 || threads > 1024) throw UsageError("--threads {}: not in 1 … 1024", threads);
  const auto manifest = import_bin_files(values["folder"].as<std::string>(), *machine, split_option(values),
                                         shard_traces, threads, out);
  fmt::print("{}: {} train and {} test traces\n", out.string(), manifest[Split::train].traces,
             manifest[Split::test].traces);
}

cli::Command import_command() {
  cli::Command command{
      .name = "import",
      .summary = "A folder of .bin files becomes a dataset; its traces are run again to tell how they ended.",
      .usage = "DIR --out DATASET [options]",
      .options = {},
      .positional = {},
      .run = run_import};
  command.options.add_options()  //
      ("folder", value<std::string>("DIR")->required(),
       "folder with train/ and test/, or with .bin files")               //
      ("out", value<std::string>("DATASET")->required(), "new dataset")  //
      ("split", value<std::string>("NAME")->default_value("train"),
       "split of files that are in neither train/ nor test/")  //
      ("shard-traces", value<int64_t>("N")->default_value(0),
       "traces a shard; 0: 8192, fewer for large memories")  //
      ("threads", value<int>("N")->default_value(1), "threads");
  add_machine_options(command.options);
  command.positional.add("folder", 1);
  return command;
}

void run_export(const po::variables_map& values) {
  const fs::path out = values["out"].as<std::string>();
  const auto result = export_bin_files(values["dataset"].as<std::string>(), out);
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    fmt::print("{}: {} traces, {} files{}\n", (out / to_string(s)).string(), result.traces[i],
               result.traces[i] - result.overwritten[i],
               result.overwritten[i] ? "; of several traces of one program the last stands" : "");
  }
}

cli::Command export_command() {
  cli::Command command{.name = "export",
                       .summary = "A dataset becomes folders of .bin files, named by the MD5 of the program.",
                       .usage = "DATASET --out DIR",
                       .options = {},
                       .positional = {},
                       .run = run_export};
  command.options.add_options()                                          //
      ("dataset", value<std::string>("DATASET")->required(), "dataset")  //
      ("out", value<std::string>("DIR")->required(), "new folder to write");
  command.positional.add("dataset", 1);
  return command;
}

void print_trace(const po::variables_map& values, const Machine& machine, const Trace& trace) {
  if (values["json"].as<bool>()) {
    fmt::print("{}\n", trace_json(machine, trace).dump());
  } else {
    fmt::print("{}", trace_text(machine, trace));
  }
}

size_t trace_option(const po::variables_map& values, size_t count, const std::string& where) {
  const auto index = unsigned_option(values, "trace");
  if (index >= count) throw UsageError("--trace {}: {} has {} traces", index, where, count);
  return index;
}

void inspect_bin_file(const po::variables_map& values, const fs::path& path) {
  const auto machine = machine_option(values);
  const MappedFile file(path);
  check_trace_length(path, file.bytes().size(), machine->layout());
  print_trace(values, *machine, {machine->layout(), file.bytes(), StopReason::unknown});
}

void inspect_shard(const po::variables_map& values, const fs::path& path) {
  refuse_options(values, {"machine", "memory"}, names_its_machine);
  refuse_options(values, {"split"}, "a shard is of one split");
  const auto metadata = safetensors::File(path).metadata();
  const auto machine_name = metadata.find("machine"), memory = metadata.find("memory_bytes");
  if (machine_name == metadata.end() || memory == metadata.end()) {
    throw Error("{}: not a shard of a dataset: its metadata names no machine", path.string());
  }
  const auto machine = make_machine(machine_name->second, std::atoi(memory->second.c_str()));
  const Shard shard(path, machine->layout());
  if (values.count("trace")) {
    const size_t i = trace_option(values, shard.size(), path.string());
    return print_trace(values, *machine, shard[i]);
  }
  const auto& info = shard.info();
  if (values["json"].as<bool>()) {
    const ordered_json json = {{"file", path.string()},
                               {"traces", info.traces},
                               {"states", info.states},
                               {"bytes", info.bytes},
                               {"metadata", metadata}};
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print("{}: {} traces, {} states, {} bytes\n", path.string(), info.traces, info.states, info.bytes);
  for (const auto& [key, text] : metadata) fmt::print("  {:<14}{}\n", key, text);
  fmt::print("--trace N shows one\n");
}

void inspect_dataset(const po::variables_map& values, const fs::path& folder) {
  refuse_options(values, {"machine", "memory"}, names_its_machine);
  const Dataset dataset(folder);
  const auto& manifest = dataset.manifest();
  if (values.count("trace")) {
    const auto machine = make_machine(dataset.layout().machine, dataset.layout().memory_bytes);
    const Split split = split_option(values);
    const size_t i =
        trace_option(values, dataset.size(split), fmt::format("{}'s {}", folder.string(), to_string(split)));
    return print_trace(values, *machine, dataset.trace(split, i));
  }
  if (values["json"].as<bool>()) return fmt::print("{}\n", to_json(manifest).dump());
  fmt::print("{}: {}, {} bytes of memory, records of {} bytes\n", folder.string(), dataset.layout().machine,
             dataset.layout().memory_bytes, dataset.layout().record_bytes);
  for (const Split s : splits) {
    fmt::print("{:<6}{:>12} traces {:>14} states {:>16} bytes {:>10} duplicates {:>6} shards\n", to_string(s),
               manifest[s].traces, manifest[s].states, manifest[s].bytes, manifest[s].duplicates,
               manifest[s].shards.size());
  }
  fmt::print("{} test traces have a program that is in train too\ngenerator\n", manifest.overlap);
  for (const auto& [key, text] : manifest.generator.items()) fmt::print("  {:<18}{}\n", key, text.dump());
  fmt::print("--trace N shows one\n");
}

void inspect_bin_folder(const po::variables_map& values, const fs::path& folder) {
  const Split split = split_option(values);
  const auto listed = list_bin_files(folder, split);
  const auto& files = listed[static_cast<size_t>(split)];
  if (values.count("trace")) {
    return inspect_bin_file(
        values,
        files[trace_option(values, files.size(), fmt::format("{}'s {}", folder.string(), to_string(split)))]);
  }
  if (values["json"].as<bool>()) {
    fmt::print("{}\n", ordered_json{{"train", listed[0].size()}, {"test", listed[1].size()}}.dump());
  } else {
    fmt::print("{}: {} train and {} test files\n--trace N shows one\n", folder.string(), listed[0].size(),
               listed[1].size());
  }
}

void run_inspect(const po::variables_map& values) {
  const fs::path path = values["path"].as<std::string>();
  if (!fs::exists(path)) throw Error("{}: there is no such file or folder", path.string());
  if (fs::exists(path / "manifest.json")) return inspect_dataset(values, path);
  if (fs::is_directory(path)) return inspect_bin_folder(values, path);
  if (path.extension() == ".safetensors") return inspect_shard(values, path);
  refuse_options(values, {"trace", "split"}, one_trace);
  inspect_bin_file(values, path);
}

cli::Command inspect_command() {
  cli::Command command{.name = "inspect",
                       .summary = "Shows a trace, or what a shard or a dataset holds.",
                       .usage = "FILE|DIR [options]",
                       .options = {},
                       .positional = {},
                       .run = run_inspect};
  command.options.add_options()  //
      ("path", value<std::string>("FILE|DIR")->required(),
       ".bin file, shard, dataset or folder of .bin files")                                        //
      ("trace", value<int64_t>("N"), "show trace N, from 0 on, of a shard or folder")              //
      ("split", value<std::string>("NAME")->default_value("train"), "of a folder: train or test")  //
      ("json", po::bool_switch(), "print JSON");
  add_machine_options(command.options);
  command.positional.add("path", 1);
  return command;
}

// "A=5" sets the field A of state 0.
void set_field(const std::string& text, const Layout& layout, std::span<uint8_t> state) {
  const auto equals = std::min(text.find('='), text.size());
  const auto field = std::find_if(layout.fields.begin(), layout.fields.end(),
                                  [&](const auto& f) { return f.name == text.substr(0, equals); });
  if (field == layout.fields.end() || equals == text.size()) {
    std::string names;
    for (const auto& f : layout.fields) names += (names.empty() ? "" : ", ") + f.name;
    throw UsageError("--set {}: want FIELD=VALUE; fields are {}", text, names);
  }
  const auto number = text.substr(equals + 1);
  const bool hexadecimal = number.starts_with("0x");
  const auto digits = hexadecimal ? number.substr(2) : number;
  uint64_t parsed = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), parsed, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      (field->bytes < 8 && parsed >> (8 * field->bytes) != 0)) {
    throw UsageError("--set {}: not a number of {} bytes", text, std::min(field->bytes, 8));
  }
  for (int i = 0; i < std::min(field->bytes, 8); ++i)
    state[field->offset + i] = static_cast<uint8_t>(parsed >> (8 * i));
}

// "16=0a0b" puts two bytes at offset 16 of the data, "16=@FILE" a file's.
void set_data(const std::string& text, const Layout& layout, std::span<uint8_t> image) {
  if (layout.data_offset == 0) throw UsageError("--data {}: {} has no data", text, layout.machine);
  const auto data = image.subspan(layout.data_offset);
  const auto equals = std::min(text.find('='), text.size());
  size_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + equals, offset);
  if (equals == text.size() || error != std::errc() || end != text.data() + equals) {
    throw UsageError("--data {}: want OFFSET=HEX or OFFSET=@FILE", text);
  }
  auto bytes = text.substr(equals + 1);
  if (bytes.starts_with('@')) {
    bytes = read_file(bytes.substr(1));
  } else {
    std::string parsed;
    for (size_t i = 0; i < bytes.size(); i += 2) {
      uint8_t byte = 0;
      const auto* first = bytes.data() + i;
      const auto digits = std::from_chars(first, first + std::min<size_t>(2, bytes.size() - i), byte, 16);
      if (digits.ptr != first + 2) throw UsageError("--data {}: not pairs of hex digits", text);
      parsed += static_cast<char>(byte);
    }
    bytes = std::move(parsed);
  }
  if (offset > data.size() || bytes.size() > data.size() - offset) {
    throw UsageError("--data {}: {} bytes at {} are more than the {} of data", text, bytes.size(), offset,
                     data.size());
  }
  std::copy(bytes.begin(), bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(offset));
}

void run_trace(const po::variables_map& values) {
  const auto machine = machine_option(values);
  const auto& layout = machine->layout();
  const auto& program = values["program"].as<std::string>();
  const auto function = values.count("function") ? values["function"].as<std::string>() : std::string();
  auto start = machine->load_program(read_file(program), program, function);
  const auto state = machine->first_state();
  start.insert(start.end(), state.begin(), state.end());
  if (values.count("data")) {
    for (const auto& text : values["data"].as<std::vector<std::string>>()) {
      set_data(text, layout, std::span(start).first(layout.memory_bytes));
    }
  }
  if (values.count("set")) {
    for (const auto& text : values["set"].as<std::vector<std::string>>()) {
      set_field(text, layout, std::span(start).subspan(layout.memory_bytes));
    }
  }
  Limits limits;
  limits.steps = unsigned_option(values, "steps");
  TraceBatch traces(layout);
  machine->run(start, limits, traces);
  if (values.count("out")) {
    const auto trace = traces[0].bytes;
    write_file(values["out"].as<std::string>(), std::span(&trace, 1));
  }
  print_trace(values, *machine, traces[0]);
}

cli::Command trace_command() {
  cli::Command command{.name = "trace",
                       .summary = "Runs one given program and shows its trace.",
                       .usage = "--program FILE [options]",
                       .options = {},
                       .positional = {},
                       .run = run_trace};
  command.options.add_options()  //
      ("program", value<std::string>("FILE")->required(),
       "toy8: assembly; native machines: flat binary, or ELF object")                                    //
      ("function", value<std::string>("NAME"), "function of an ELF object; where it has one, that one")  //
      ("set", value<std::vector<std::string>>("FIELD=VALUE")->composing(),
       "value of a field of state 0, else 0, or what the machine needs; may be repeated")  //
      ("data", value<std::vector<std::string>>("OFFSET=HEX|@FILE")->composing(),
       "bytes of the data, from an offset in it on, else 0; may be repeated")      //
      ("steps", value<int64_t>("N")->default_value(65536), "run at most N steps")  //
      ("out", value<std::string>("FILE.bin"), "write the trace to this file too")  //
      ("json", po::bool_switch(), "print JSON");
  add_machine_options(command.options);
  command.positional.add("program", 1);
  return command;
}

}  // namespace

std::vector<cli::Command> datagen_commands() {
  return {generate_command(), verify_command(),  import_command(),
          export_command(),   inspect_command(), trace_command()};
}

}  // namespace bytecpu
