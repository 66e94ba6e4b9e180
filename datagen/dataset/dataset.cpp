#include "datagen/dataset/dataset.hpp"

#include <algorithm>
#include <cstring>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

std::string shard_name(Split split, size_t index) {
  return fmt::format("{}-{:05}.safetensors", to_string(split), index);
}

Shard::Shard(const fs::path& path, const Layout& layout) : file_(path) {
  const auto& offsets_tensor = file_.require("offsets", safetensors::Dtype::I64, 1);
  const auto& bytes_tensor = file_.require("bytes", safetensors::Dtype::U8, 1);
  const auto expect = [&](const char* key, const std::string& value) {
    const auto found = metadata().find(key);
    if (found == metadata().end() || found->second != value) {
      throw Error("{}: {} is {}, expected {}", path.string(), key,
                  found == metadata().end() ? "missing" : found->second, value);
    }
  };
  expect("format", std::string(format));
  expect("version", std::to_string(version));
  expect("machine", layout.machine);
  expect("memory_bytes", std::to_string(layout.memory_bytes));
  expect("record_bytes", std::to_string(layout.record_bytes));
  if (layout.record_version > 1) {
    if (!metadata().contains("record_version")) {
      throw Error("{}: {}", path.string(),
                  outdated(layout, "make the dataset anew: " + how_to_generate(layout)));
    }
    expect("record_version", std::to_string(layout.record_version));
  }

  std::vector<int64_t> offsets(offsets_tensor.shape[0]);
  if (offsets.empty()) throw Error("{}: offsets are empty", path.string());
  std::memcpy(offsets.data(), offsets_tensor.bytes.data(), offsets_tensor.bytes.size());
  const int64_t total = bytes_tensor.shape[0];
  if (offsets.front() != 0 || offsets.back() != total) {
    throw Error("{}: offsets do not span the {} bytes", path.string(), total);
  }
  traces_.reserve(offsets.size() - 1);
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t begin = offsets[i], end = offsets[i + 1];
    if (begin < 0 || end > total || end < begin || end - begin < layout.start_bytes() ||
        (end - begin - layout.memory_bytes) % layout.record_bytes != 0) {
      throw Error("{}: trace {} spans bytes {} … {}, which is no memory image and whole records",
                  path.string(), i, begin, end);
    }
    traces_.emplace_back(layout, bytes_tensor.bytes.subspan(begin, end - begin));
  }
  info_ = {
      .file = path.filename().string(),
      .traces = static_cast<int64_t>(traces_.size()),
      .states = (total - static_cast<int64_t>(traces_.size()) * layout.memory_bytes) / layout.record_bytes,
      .bytes = total,
      .checksum = {}};

  if (!file_.find("stops")) return;
  const auto& stops = file_.require("stops", safetensors::Dtype::U8, 1);
  if (stops.bytes.size() != traces_.size()) throw Error("{}: stops are not one a trace", path.string());
  for (size_t i = 0; i < traces_.size(); ++i) {
    const uint8_t stop = stops.bytes[i];
    if (stop > static_cast<uint8_t>(last_stop_reason)) {
      throw Error("{}: {} is no reason to stop", path.string(), stop);
    }
    traces_[i].stop = StopReason(stop);
  }
}

std::optional<bool> Shard::intact() const { return safetensors::intact(file_); }

void write_shard(const fs::path& path, const Layout& layout, const TraceBatch& traces,
                 const safetensors::Metadata& more) {
  safetensors::Metadata metadata = {{"format", std::string(Shard::format)},
                                    {"version", std::to_string(Shard::version)},
                                    {"machine", layout.machine},
                                    {"memory_bytes", std::to_string(layout.memory_bytes)},
                                    {"record_bytes", std::to_string(layout.record_bytes)}};
  if (layout.record_version > 1) metadata["record_version"] = std::to_string(layout.record_version);
  metadata.insert(more.begin(), more.end());

  const auto bytes_of = [](const auto& values) {
    return std::span(reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(values[0]));
  };
  const auto vector = [&](const char* name, safetensors::Dtype dtype, const auto& values) {
    return safetensors::Tensor{name, dtype, {static_cast<int64_t>(values.size())}, bytes_of(values)};
  };
  std::vector tensors = {vector("offsets", safetensors::Dtype::I64, traces.offsets),
                         vector("bytes", safetensors::Dtype::U8, traces.bytes)};
  BYTECPU_CHECK(traces.stops.size() == traces.size());
  const bool all_halted = std::all_of(traces.stops.begin(), traces.stops.end(),
                                      [](StopReason stop) { return stop == StopReason::halted; });
  if (!all_halted) tensors.push_back(vector("stops", safetensors::Dtype::U8, traces.stops));
  safetensors::add_contents(tensors, metadata);
  safetensors::write(path, tensors, metadata);
}

Dataset::Dataset(const fs::path& folder) : manifest_(read_manifest(folder / "manifest.json")) {
  for (const Split s : splits) {
    auto& [first_shard, shard_ends, traces] = split_[static_cast<size_t>(s)];
    first_shard = shards_.size();
    for (const auto& listed : manifest_[s].shards) {
      const auto& shard = shards_.emplace_back(folder / listed.file, manifest_.layout);
      const auto& found = shard.info();
      if (found.traces != listed.traces || found.states != listed.states || found.bytes != listed.bytes) {
        throw Error("{}: {} traces, {} states, {} bytes; the manifest says {}, {}, {}", shard.path().string(),
                    found.traces, found.states, found.bytes, listed.traces, listed.states, listed.bytes);
      }
      for (size_t i = 0; i < shard.size(); ++i) traces.push_back(shard[i]);
      shard_ends.push_back(traces.size());
    }
  }
  checks_ = ShardChecks(shards_.size());
}

const Trace& Dataset::trace(Split split, size_t index) const {
  const auto& [first_shard, shard_ends, traces] = split_[static_cast<size_t>(split)];
  const auto in_split =
      static_cast<size_t>(std::upper_bound(shard_ends.begin(), shard_ends.end(), index) - shard_ends.begin());
  const size_t shard = first_shard + in_split;
  checks_.require(shard, shards_[shard].file_bytes(), manifest_[split].shards[in_split].checksum,
                  shards_[shard].path());
  return traces[index];
}

}  // namespace bytecpu
