#include "datagen/files/check_files.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>

#include "datagen/files/digest.hpp"
#include "datagen/files/file_shard.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/parallel.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

struct Checked {
  std::vector<FileProblem> problems;
  std::vector<Digest> contents;
};

Checked check_shard(const fs::path& folder, const FileShardInfo& listed, const FileManifest& manifest) {
  Checked checked;
  const auto fail = [&](std::string problem) {
    checked.problems.push_back({listed.file, std::move(problem)});
  };
  try {
    const FileShard shard(folder / listed.file, manifest);
    if (checksum(shard.file_bytes()) != listed.checksum)
      fail("its checksum is not the manifest's: it was altered");
    if (shard.intact() == false) fail("it does not hold what was written");
    const auto found = shard.info();
    if (found.documents != listed.documents || found.bytes != listed.bytes) {
      fail(fmt::format("{} documents, {} bytes; the manifest says {}, {}", found.documents, found.bytes,
                       listed.documents, listed.bytes));
    }
    for (size_t i = 0; i < shard.entries(); ++i) {
      for (size_t f = 0; f < shard.files_per_entry(); ++f)
        checked.contents.push_back(digest(shard.bytes(i, f)));
    }
  } catch (const Error& e) {
    fail(e.what());
  }
  return checked;
}

// Names and counts, which go over several shards.
void check_whole(const fs::path& folder, std::vector<FileProblem>& problems) {
  try {
    const FileDataset dataset(folder);
  } catch (const Error& e) {
    problems.push_back({"", e.what()});
  }
}

}  // namespace

FileReport check_files(const fs::path& folder, int threads) {
  const auto start = std::chrono::steady_clock::now();
  const auto manifest = read_file_manifest(folder / "manifest.json");
  struct Job {
    Split split;
    FileShardInfo listed;
  };
  std::vector<Job> jobs;
  FileReport report;
  for (const Split s : splits) {
    for (const auto& shard : manifest[s].shards) jobs.push_back({s, shard});
    report.documents += manifest[s].documents;
    report.files += manifest[s].files;
    report.bytes += manifest[s].bytes;
  }
  std::vector<std::vector<FileProblem>> problems(jobs.size());
  std::array<std::vector<Digest>, 2> contents;
  cli::Progress progress("verify", "bytes", static_cast<double>(report.bytes));
  std::mutex mutex;
  int64_t done = 0;
  parallel_for(threads, jobs.size(), [&](int, size_t i) {
    auto checked = check_shard(folder, jobs[i].listed, manifest);
    const std::lock_guard lock(mutex);
    problems[i] = std::move(checked.problems);
    auto& all = contents[static_cast<size_t>(jobs[i].split)];
    all.insert(all.end(), checked.contents.begin(), checked.contents.end());
    progress.update(static_cast<double>(done += jobs[i].listed.bytes));
  });
  for (const auto& of_shard : problems)
    report.problems.insert(report.problems.end(), of_shard.begin(), of_shard.end());
  if (report.problems.empty()) check_whole(folder, report.problems);

  auto& [train, test] = contents;
  std::sort(train.begin(), train.end());
  for (const auto& content : test) report.shared += std::binary_search(train.begin(), train.end(), content);
  if (report.shared > 0)
    report.problems.push_back({"", fmt::format("{} test contents are in train too", report.shared)});
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace bytecpu
