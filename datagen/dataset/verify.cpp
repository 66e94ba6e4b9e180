#include "datagen/dataset/verify.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>

#include "datagen/dataset/bin_files.hpp"
#include "datagen/dataset/files_writer.hpp"
#include "datagen/dataset/writer.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/io/files.hpp"
#include "datagen/io/parallel.hpp"
#include "datagen/programs/show.hpp"
#include "datagen/programs/split.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;

constexpr size_t batch_traces = 256;

struct Item {
  std::string file;
  int64_t index;  // within the file; -1: the file holds nothing else
  Trace trace;
};

// Empty if the trace is what the machine made.
std::string difference(const Machine& machine, const Trace& stored, const Trace& made) {
  for (int64_t t = 0; t <= std::min(stored.states(), made.states()); ++t) {
    const auto is = stored.record(t), want = made.record(t);
    if (std::ranges::equal(is, want)) continue;
    std::string text = fmt::format("state {} ({}):", t, machine.describe(want).text);
    for (const auto& field : machine.layout().fields) {
      const auto a = field_text(is, field), b = field_text(want, field);
      if (a != b) text += fmt::format(" {} is {}, Unicorn makes it {};", field.name, a, b);
    }
    text.pop_back();
    return text;
  }
  if (stored.states() == made.states()) return {};
  return fmt::format("{} states, Unicorn makes {}", stored.states() + 1,
                     made.states() > stored.states() ? "more" : fmt::to_string(made.states() + 1));
}

class Verifier {
 public:
  Verifier(const Layout& layout, const VerifyOptions& options)
      : threads_(options.threads), sample_(options.sample) {
    if (options.threads < 1 || options.threads > 1024)
      throw UsageError("--threads {}: not in 1 … 1024", options.threads);
    if (options.sample < 0) throw UsageError("--sample {}: below 0", options.sample);
    for (int i = 0; i < threads_; ++i) machines_.push_back(make_machine(layout.machine, layout.memory_bytes));
    if (machines_[0]->layout() != layout) {
      throw Error("the dataset's layout is not that of this program's {}", layout.machine);
    }
  }

  const Machine& machine() const { return *machines_[0]; }
  int threads() const { return threads_; }

  void fail(std::string file, int64_t trace, std::string problem) {
    const std::lock_guard lock(mutex_);
    report_.failures.push_back({std::move(file), trace, std::move(problem)});
  }

  // The engines that made it, if it says so.
  void compare_engines(const std::optional<EngineVersions>& made) {
    const auto now = engine_versions();
    if (!differs_ || !made || *made == now) return;
    report_.other_engines = fmt::format(
        "made with Unicorn {} and Capstone {}, run again with {} and {}: differences may be theirs",
        made->unicorn, made->capstone, now.unicorn, now.capstone);
  }

  void leave_out(std::string what) { report_.unchecked.push_back(std::move(what)); }

  // Whether item i of n is one to run again.
  bool chosen(size_t i, size_t n) const {
    const auto wanted = static_cast<unsigned __int128>(sample_);
    return sample_ == 0 || wanted >= n || (i + 1) * wanted / n != i * wanted / n;
  }

  // Calls check(thread, first, last) for all of 0 … n - 1, a batch at a time.
  template <typename Check>
  void in_batches(size_t n, Check check) {
    cli::Progress progress("verify", "traces", static_cast<double>(n));
    size_t done = 0;
    parallel_for(threads_, (n + batch_traces - 1) / batch_traces, [&](int thread, size_t batch) {
      const size_t first = batch * batch_traces, last = std::min(n, first + batch_traces);
      check(thread, first, last);
      const std::lock_guard lock(mutex_);
      progress.update(static_cast<double>(done += last - first));
    });
  }

  // Runs the items again; `steps`: how far they were run when they were made, if that is known. Otherwise one
  // that a limit ended is right as far as it goes.
  void compare(int thread, const std::vector<Item>& items, std::optional<uint64_t> steps) {
    if (items.empty()) return;
    auto& machine = *machines_[thread];
    std::vector<uint8_t> starts;
    uint64_t longest = 0, states = 0;
    for (const auto& [file, index, trace] : items) {
      const auto start = trace.start();
      starts.insert(starts.end(), start.begin(), start.end());
      const auto n = static_cast<uint64_t>(trace.states() + 1);
      longest = std::max(longest, n);
      states += n;
    }
    Limits limits;
    // One more than the longest has is enough to see that it went on, whatever the manifest says.
    limits.steps = std::min(steps.value_or(longest), longest);
    TraceBatch made(machine.layout());
    machine.run(starts, limits, made);
    for (size_t i = 0; i < items.size(); ++i) {
      const auto& [file, index, trace] = items[i];
      Trace again = made[i];
      const bool cut = trace.stop == StopReason::step_limit || trace.stop == StopReason::time_limit;
      if (!steps && cut && again.states() > trace.states()) {
        again = again.first(trace.states());
        again.stop = trace.stop;
      }
      auto problem = difference(machine, trace, again);
      if (problem.empty() && trace.stop != StopReason::unknown && trace.stop != again.stop) {
        problem =
            fmt::format("its end is \"{}\", Unicorn's \"{}\"", to_string(trace.stop), to_string(again.stop));
      }
      if (problem.empty()) continue;
      fail(file, index, std::move(problem));
      differs_ = true;
    }
    const std::lock_guard lock(mutex_);
    report_.traces += static_cast<int64_t>(items.size());
    report_.states += static_cast<int64_t>(states);
  }

  void count(std::array<std::vector<uint64_t>, 2>& hashes) {
    const auto counts = count_programs(hashes);
    report_.duplicates = counts.duplicates[0] + counts.duplicates[1];
    report_.overlap = counts.overlap;
    counts_ = counts;
  }
  const ProgramCounts& counts() const { return counts_; }

  VerifyReport report() {
    std::sort(report_.failures.begin(), report_.failures.end(), [](const auto& a, const auto& b) {
      return std::tie(a.file, a.trace, a.problem) < std::tie(b.file, b.trace, b.problem);
    });
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return std::move(report_);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int threads_;
  int64_t sample_;
  std::vector<std::unique_ptr<Machine>> machines_;  // one a thread
  std::mutex mutex_;
  VerifyReport report_;
  ProgramCounts counts_;
  std::atomic<bool> differs_ = false;  // a trace, from what the machine makes
};

// How far the generator ran its programs.
std::optional<uint64_t> generated_steps(const Manifest& manifest) {
  const auto found = manifest.generator.find("max_steps");
  if (found == manifest.generator.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<uint64_t>();
}

// What a shard says of itself, where it does.
void check_metadata(Verifier& verifier, const Shard& shard, Split split, int64_t index,
                    const std::string& configuration) {
  const auto check = [&](const char* key, const std::string& expected, std::string_view problem) {
    const auto found = shard.metadata().find(key);
    if (found == shard.metadata().end() || found->second == expected) return;
    verifier.fail(shard.info().file, -1, std::string(problem));
  };
  check("configuration", configuration,
        "made by another configuration than the manifest's generator and layout: one of the two was altered");
  check("split", std::string(to_string(split)), "says that it is of another split");
  check("index", std::to_string(index), "says that it has another place in the split");
}

}  // namespace

VerifyReport verify_dataset(const fs::path& folder, const VerifyOptions& options) {
  const auto manifest = read_manifest(folder / "manifest.json");
  Verifier verifier(manifest.layout, options);
  const auto steps = generated_steps(manifest);
  const auto rng = manifest.generator.find("rng");
  const auto configuration = configuration_hash(manifest.generator, manifest.layout);
  const bool split_by_rule = rng != manifest.generator.end() && *rng == "native";

  struct Work {
    Split split;
    const ShardInfo* listed;
    std::optional<Shard> shard;
    std::vector<uint64_t> programs;
  };
  std::vector<Work> work;
  for (const Split s : splits) {
    for (const auto& listed : manifest[s].shards) work.push_back({s, &listed, std::nullopt, {}});
  }
  parallel_for(verifier.threads(), work.size(), [&](int, size_t w) {
    auto& [split, listed, shard, programs] = work[w];
    try {
      shard.emplace(folder / listed->file, manifest.layout);
    } catch (const Error& e) {
      return verifier.fail(listed->file, -1, e.what());
    }
    const auto& found = shard->info();
    if (found.traces != listed->traces || found.states != listed->states || found.bytes != listed->bytes) {
      verifier.fail(listed->file, -1,
                    fmt::format("{} traces, {} states, {} bytes; the manifest says {}, {}, {}", found.traces,
                                found.states, found.bytes, listed->traces, listed->states, listed->bytes));
    }
    if (checksum(shard->file_bytes()) != listed->checksum) {
      verifier.fail(listed->file, -1, "its checksum is not the manifest's: it was altered");
    }
    check_metadata(verifier, *shard, split, listed - manifest[split].shards.data(), configuration);
    for (size_t i = 0; i < shard->size(); ++i) {
      const auto image = (*shard)[i].image();
      programs.push_back(program_hash(image));
      if (split_by_rule && split_of(image) != split) {
        verifier.fail(listed->file, static_cast<int64_t>(i),
                      fmt::format("its program is not one of {}", to_string(split)));
      }
    }
  });

  std::vector<Item> items;
  std::array<std::vector<uint64_t>, 2> programs;
  bool complete = true;
  bool named = true;
  for (const auto& w : work) {
    complete = complete && w.shard;
    if (!w.shard) continue;
    named = named && w.shard->metadata().contains("configuration");
    auto& all = programs[static_cast<size_t>(w.split)];
    all.insert(all.end(), w.programs.begin(), w.programs.end());
    for (size_t i = 0; i < w.shard->size(); ++i)
      items.push_back({w.listed->file, static_cast<int64_t>(i), (*w.shard)[i]});
  }
  verifier.in_batches(items.size(), [&](int thread, size_t first, size_t last) {
    std::vector<Item> chosen;
    for (size_t i = first; i < last; ++i) {
      if (verifier.chosen(i, items.size())) chosen.push_back(items[i]);
    }
    verifier.compare(thread, chosen, steps);
  });

  if (!named)
    verifier.leave_out("the manifest's generator: shards do not say which configuration they are of");
  verifier.compare_engines(manifest.engines);
  verifier.count(programs);
  const auto& counts = verifier.counts();
  if (complete && counts.overlap != manifest.overlap) {
    verifier.fail("", -1,
                  fmt::format("{} test traces have a program that is in train; the manifest says {}",
                              counts.overlap, manifest.overlap));
  }
  for (const Split s : splits) {
    const auto duplicates = counts.duplicates[static_cast<size_t>(s)];
    if (complete && duplicates != manifest[s].duplicates) {
      verifier.fail("", -1,
                    fmt::format("{} has {} duplicates; the manifest says {}", to_string(s), duplicates,
                                manifest[s].duplicates));
    }
  }
  return verifier.report();
}

VerifyReport verify_bin_files(const fs::path& folder, const std::string& machine, int memory_bytes,
                              const VerifyOptions& options) {
  Verifier verifier(make_machine(machine, memory_bytes)->layout(), options);
  struct File {
    Split split;
    fs::path path;
  };
  std::vector<File> files;
  const auto listed = list_bin_files(folder, Split::train);
  for (const Split s : splits) {
    for (const auto& path : listed[static_cast<size_t>(s)]) files.push_back({s, path});
  }
  const auto description = describe_files(folder);
  if (!description) {
    verifier.leave_out("whether files are missing: there is no generator.json that tells how many there are");
  }
  try {
    check_description(folder, verifier.machine().layout(), listed);
  } catch (const Error& e) {
    verifier.fail("", -1, e.what());
  }

  std::mutex mutex;
  std::array<std::vector<uint64_t>, 2> programs;
  std::vector<std::string> checksums(files.size());
  verifier.in_batches(files.size(), [&](int thread, size_t first, size_t last) {
    std::vector<std::string> contents(last - first);  // what the items borrow from
    std::vector<Item> items;
    for (size_t i = first; i < last; ++i) {
      const auto& [split, path] = files[i];
      const auto name = fs::relative(path, folder).string();
      auto& content = contents[i - first];
      try {
        content = read_file(path);
        checksums[i] = checksum({reinterpret_cast<const uint8_t*>(content.data()), content.size()});
        check_trace_length(path, content.size(), verifier.machine().layout());
      } catch (const Error& e) {
        verifier.fail(name, -1, e.what());
        continue;
      }
      const Trace trace(verifier.machine().layout(),
                        {reinterpret_cast<const uint8_t*>(content.data()), content.size()},
                        StopReason::unknown);
      const auto image = trace.image();
      const auto stem = path.stem().string();
      const bool md5 = stem.size() == 32 && stem.find_first_not_of("0123456789abcdef") == std::string::npos;
      if (const auto expected = bin_file_name(verifier.machine(), image);
          md5 && path.filename() != expected) {
        verifier.fail(name, -1, fmt::format("its program's name is {}", expected));
      }
      if (verifier.chosen(i, files.size())) items.push_back({name, -1, trace});
      const std::lock_guard lock(mutex);
      programs[static_cast<size_t>(split)].push_back(program_hash(image));
    }
    verifier.compare(thread, items, std::nullopt);
  });
  if (description && description->files) {
    std::array<FilesChecksum, 2> sums;
    for (size_t i = 0; i < files.size(); ++i)
      sums[static_cast<size_t>(files[i].split)].add(files[i].path.filename().string(), checksums[i]);
    for (const Split s : splits) {
      const auto& written = (*description->files)[static_cast<size_t>(s)].checksum;
      if (written.empty() || written == sums[static_cast<size_t>(s)].value()) continue;
      verifier.fail("", -1, fmt::format("the files in {} are not those that were written", to_string(s)));
    }
  }
  verifier.count(programs);
  return verifier.report();
}

}  // namespace bytecpu
