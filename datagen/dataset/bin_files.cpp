#include "datagen/dataset/bin_files.hpp"

#include <algorithm>
#include <boost/uuid/detail/md5.hpp>
#include <memory>

#include "datagen/dataset/files_writer.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/parallel.hpp"
#include "datagen/programs/run.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

std::string md5(std::string_view text) {
  boost::uuids::detail::md5 hash;
  hash.process_bytes(text.data(), text.size());
  boost::uuids::detail::md5::digest_type digest;
  hash.get_digest(digest);
  std::string hex;  // Boost gives the digest as four words, from 1.86 on as sixteen bytes
  for (const auto part : digest) hex += fmt::format("{:0{}x}", part, 2 * sizeof part);
  return hex;
}

std::vector<fs::path> bin_files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".bin") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::string bin_file_name(const Machine& machine, std::span<const uint8_t> image) {
  auto text = machine.disassemble(image);
  std::erase(text, '\n');
  return md5(text) + ".bin";
}

std::array<std::vector<fs::path>, 2> list_bin_files(const fs::path& folder, Split flat) {
  if (!fs::is_directory(folder)) throw Error("{}: there is no such folder", folder.string());
  std::array<std::vector<fs::path>, 2> files;
  bool by_split = false;
  for (const Split s : splits) {
    const auto sub = folder / to_string(s);
    if (!fs::is_directory(sub)) continue;
    by_split = true;
    files[static_cast<size_t>(s)] = bin_files_in(sub);
  }
  if (!by_split) files[static_cast<size_t>(flat)] = bin_files_in(folder);
  if (files[0].empty() && files[1].empty()) {
    throw Error("{}: there are no .bin files in it, nor in its train and test folders", folder.string());
  }
  return files;
}

void check_trace_length(const fs::path& path, uint64_t bytes, const Layout& layout) {
  const auto start = static_cast<uint64_t>(layout.start_bytes());
  if (bytes < start || (bytes - start) % layout.record_bytes != 0) {
    throw Error(
        "{}: {} bytes are not {} of memory and one or more {}-byte records; is it a trace of {} with {} "
        "bytes "
        "of memory?",
        path.string(), bytes, layout.memory_bytes, layout.record_bytes, layout.machine, layout.memory_bytes);
  }
}

void check_description(const fs::path& folder, const Layout& layout,
                       const std::array<std::vector<fs::path>, 2>& files) {
  const auto description = describe_files(folder);
  if (!description) return;
  if (description->machine != layout.machine || description->memory_bytes != layout.memory_bytes) {
    throw Error("{}: its files are of {} with {} bytes of memory, not of {} with {}", folder.string(),
                description->machine, description->memory_bytes, layout.machine, layout.memory_bytes);
  }
  if (!description->files) {
    throw Error("{}: not all files were written: generate or export it again", folder.string());
  }
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    const auto listed = (*description->files)[i].count;
    if (std::ssize(files[i]) == listed) continue;
    throw Error("{}: {} .bin files in {}, its generator.json says {}", folder.string(), files[i].size(),
                to_string(s), listed);
  }
}

namespace {

constexpr size_t most_named = 3;

// A killed import cannot be gone on with, as its shards do not tell which files they are of; but nothing is lost
// with them.
void remove_unfinished_import(const OutputFolder& folder, const std::string& configuration) {
  const auto names = folder.contents();
  const auto is_of_import = [&](const std::string& name) {
    if (!name.ends_with(".safetensors")) return false;
    const auto found = shard_configuration(folder.path() / name);
    return found && *found == configuration;
  };
  if (!std::all_of(names.begin(), names.end(), is_of_import)) folder.require_empty();
  for (const auto& name : names) fs::remove(folder.path() / name);
  folder.remove_temporaries();
}

struct ImportWork {
  Split split;
  size_t shard;
  std::span<const fs::path> files;
};

std::vector<ImportWork> plan_import(const std::array<std::vector<fs::path>, 2>& files, int64_t shard_traces) {
  std::vector<ImportWork> work;
  const auto each = static_cast<size_t>(shard_traces);
  for (const Split s : splits) {
    const std::span of_split(files[static_cast<size_t>(s)]);
    for (size_t at = 0; at < of_split.size(); at += each)
      work.push_back({s, at / each, of_split.subspan(at, std::min(each, of_split.size() - at))});
  }
  return work;
}

TraceBatch read_traces(std::span<const fs::path> files, Machine& machine) {
  TraceBatch batch(machine.layout());
  for (const auto& file : files) {
    const auto contents = read_file(file);
    check_trace_length(file, contents.size(), machine.layout());
    batch.add({machine.layout(), {reinterpret_cast<const uint8_t*>(contents.data()), contents.size()}});
  }
  find_stops(machine, batch);
  return batch;
}

}  // namespace

ImportResult import_bin_files(const fs::path& folder, const Machine& machine, Split flat,
                              int64_t shard_traces, int threads, const fs::path& out) {
  const auto& layout = machine.layout();
  const auto files = list_bin_files(folder, flat);
  for (const auto& of_split : files) {
    for (const auto& file : of_split) check_trace_length(file, fs::file_size(file), layout);
  }
  check_description(folder, layout, files);

  const OutputFolder output(out);
  const ordered_json generator = {{"kind", "import"}, {"format", "bin files"}, {"bytecpu", BYTECPU_VERSION}};
  const auto configuration = configuration_hash(generator, layout);
  remove_unfinished_import(output, configuration);
  DatasetWriter writer(out, layout, generator);
  const auto work = plan_import(files, shard_traces);
  std::vector<std::unique_ptr<Machine>> machines;  // one a thread
  for (int i = 0; i < threads; ++i) machines.push_back(make_machine(layout.machine, layout.memory_bytes));
  std::vector<std::vector<fs::path>> wrong(work.size());
  try {
    parallel_for(threads, work.size(), [&](int thread, size_t w) {
      const auto& [split, shard, of_shard] = work[w];
      const auto batch = read_traces(of_shard, *machines[static_cast<size_t>(thread)]);
      for (size_t i = 0; i < batch.size(); ++i) {
        if (batch.stops[i] == StopReason::unknown) wrong[w].push_back(of_shard[i]);
      }
      writer.write(split, shard, batch);
    });
    ImportResult result;
    for (const auto& of_shard : wrong) {
      result.wrong += std::ssize(of_shard);
      for (const auto& file : of_shard) {
        if (result.first_wrong.size() < most_named) result.first_wrong.push_back(file);
      }
    }
    if (result.wrong == std::ssize(files[0]) + std::ssize(files[1])) {
      throw Error(
          "{}: no trace in it is what {} with {} bytes of memory makes of its start; is it of another?",
          folder.string(), layout.machine, layout.memory_bytes);
    }
    result.manifest = writer.finish();
    return result;
  } catch (...) {
    remove_unfinished_import(output, configuration);
    throw;
  }
}

ExportResult export_bin_files(const fs::path& dataset_folder, const fs::path& out) {
  const Dataset dataset(dataset_folder);
  const auto& layout = dataset.layout();
  const auto machine = make_machine(layout.machine, layout.memory_bytes);
  const auto source = to_json(dataset.manifest()).dump();
  const ordered_json generator = {
      {"kind", "export"},
      {"bytecpu", BYTECPU_VERSION},
      {"manifest", checksum({reinterpret_cast<const uint8_t*>(source.data()), source.size()})},
      {"generator", dataset.manifest().generator}};
  const OutputFolder output(out);
  FilesWriter writer(output, layout, generator);
  output.remove_temporaries({to_string(Split::train), to_string(Split::test)});
  ExportResult result;
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    result.traces[i] = static_cast<int64_t>(dataset.size(s));
    for (int64_t t = 0; t < result.traces[i]; ++t)
      writer.write(s, t, dataset.trace(s, static_cast<size_t>(t)), *machine);
    result.overwritten[i] = result.traces[i] - writer.files(s);
  }
  writer.finish();
  return result;
}

}  // namespace bytecpu
