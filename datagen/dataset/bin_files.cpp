#include "datagen/dataset/bin_files.hpp"

#include <algorithm>
#include <boost/uuid/detail/md5.hpp>
#include <memory>
#include <set>

#include "datagen/dataset/writer.hpp"
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

Manifest import_bin_files(const fs::path& folder, const Machine& machine, Split flat, int64_t shard_traces,
                          int threads, const fs::path& out) {
  const auto& layout = machine.layout();
  const auto files = list_bin_files(folder, flat);
  for (const auto& of_split : files) {
    for (const auto& file : of_split) check_trace_length(file, fs::file_size(file), layout);
  }

  const OutputFolder output(out);
  output.require_empty();
  const ordered_json generator = {{"kind", "import"}, {"format", "bin files"}, {"bytecpu", BYTECPU_VERSION}};
  DatasetWriter writer(out, layout, generator);
  struct Work {
    Split split;
    size_t shard;
    std::span<const fs::path> files;
  };
  std::vector<Work> work;
  for (const Split s : splits) {
    const std::span of_split(files[static_cast<size_t>(s)]);
    const auto each = static_cast<size_t>(shard_traces);
    for (size_t at = 0; at < of_split.size(); at += each)
      work.push_back({s, at / each, of_split.subspan(at, std::min(each, of_split.size() - at))});
  }
  std::vector<std::unique_ptr<Machine>> machines;  // one a thread
  for (int i = 0; i < threads; ++i) machines.push_back(make_machine(layout.machine, layout.memory_bytes));
  parallel_for(threads, work.size(), [&](int thread, size_t w) {
    TraceBatch batch(layout);
    for (const auto& file : work[w].files) {
      const auto contents = read_file(file);
      check_trace_length(file, contents.size(), layout);
      batch.add({layout, {reinterpret_cast<const uint8_t*>(contents.data()), contents.size()}});
    }
    find_stops(*machines[static_cast<size_t>(thread)], batch);
    writer.write(work[w].split, work[w].shard, batch);
  });
  return writer.finish();
}

TransferResult export_bin_files(const fs::path& dataset_folder, const fs::path& out) {
  const Dataset dataset(dataset_folder);
  const auto machine = make_machine(dataset.layout().machine, dataset.layout().memory_bytes);
  const OutputFolder output(out);
  output.require_empty();
  TransferResult result;
  for (const Split s : splits) {
    const auto folder = out / to_string(s);
    fs::create_directory(folder);
    std::set<std::string> names;
    for (size_t i = 0; i < dataset.size(s); ++i) {
      const Trace trace = dataset.trace(s, i);
      const auto name = bin_file_name(*machine, trace.image());
      if (!names.insert(name).second) ++result.overwritten[static_cast<size_t>(s)];
      write_file(folder / name, std::span(&trace.bytes, 1), Sync::later);
      ++result.traces[static_cast<size_t>(s)];
    }
  }
  sync_file_system(out);
  return result;
}

}  // namespace bytecpu
