#include "datagen/dataset/dataset.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"

namespace bytecpu {

namespace fs = std::filesystem;

std::string shard_name(Split split, size_t index) {
  return fmt::format("{}-{:05}.safetensors", to_string(split), index);
}

namespace {

// Traces, with every image once.
struct ApartImages {
  std::vector<int64_t> offsets = {0}, image_of = {};
  std::vector<uint8_t> images = {}, records = {};
};

ApartImages images_apart(const TraceBatch& traces) {
  ApartImages apart;
  std::unordered_multimap<uint64_t, int64_t> known;  // by hash
  const auto same = [&](int64_t image, std::span<const uint8_t> other) {
    return std::ranges::equal(
        std::span(apart.images).subspan(static_cast<size_t>(image) * other.size(), other.size()), other);
  };
  for (size_t i = 0; i < traces.size(); ++i) {
    const Trace trace = traces[i];
    const auto image = trace.image(), records = trace.records();
    const uint64_t hash = program_hash(image);
    int64_t index = -1;
    for (auto [at, end] = known.equal_range(hash); at != end && index < 0; ++at) {
      if (same(at->second, image)) index = at->second;
    }
    if (index < 0) {
      index = std::ssize(apart.images) / std::ssize(image);
      known.emplace(hash, index);
      apart.images.insert(apart.images.end(), image.begin(), image.end());
    }
    apart.image_of.push_back(index);
    apart.records.insert(apart.records.end(), records.begin(), records.end());
    apart.offsets.push_back(std::ssize(apart.records));
  }
  return apart;
}

}  // namespace

Shard::Shard(const fs::path& path, const Layout& layout) : file_(path) {
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

  const auto offsets = read_offsets();
  const int64_t total = bytes_tensor.shape[0];
  if (offsets.front() != 0 || offsets.back() != total) {
    throw Error("{}: offsets do not span the {} bytes", path.string(), total);
  }
  const bool apart = !layout.regions.empty();
  const int image_bytes = apart ? 0 : layout.memory_bytes;
  traces_.reserve(offsets.size() - 1);
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    const int64_t begin = offsets[i], end = offsets[i + 1];
    if (begin < 0 || end > total || end < begin || end - begin < image_bytes + layout.record_bytes ||
        (end - begin - image_bytes) % layout.record_bytes != 0) {
      throw Error("{}: trace {} spans bytes {} … {}, which is no {}", path.string(), i, begin, end,
                  apart ? "whole records" : "memory image and whole records");
    }
    if (!apart) traces_.emplace_back(layout, bytes_tensor.bytes.subspan(begin, end - begin));
  }
  if (apart) join_images(layout, offsets);
  info_ = {.file = path.filename().string(),
           .traces = static_cast<int64_t>(traces_.size()),
           .states = (total - static_cast<int64_t>(traces_.size()) * image_bytes) / layout.record_bytes,
           .bytes = total + static_cast<int64_t>(traces_.size()) * (layout.memory_bytes - image_bytes),
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

std::vector<int64_t> Shard::read_offsets() const {
  const auto& tensor = file_.require("offsets", safetensors::Dtype::I64, 1);
  std::vector<int64_t> offsets(tensor.shape[0]);
  if (offsets.empty()) throw Error("{}: offsets are empty", path().string());
  std::memcpy(offsets.data(), tensor.bytes.data(), tensor.bytes.size());
  return offsets;
}

// `offsets`: checked ones, of the records.
void Shard::join_images(const Layout& layout, const std::vector<int64_t>& offsets) {
  const auto& images = file_.require("images", safetensors::Dtype::U8, 2);
  const auto& image_of = file_.require("image_of", safetensors::Dtype::I64, 1);
  const auto& records = file_.require("bytes", safetensors::Dtype::U8, 1);
  const size_t traces = offsets.size() - 1;
  const auto memory = static_cast<size_t>(layout.memory_bytes);
  if (images.shape[1] != layout.memory_bytes)
    throw Error("{}: images of {} bytes, expected {}", path().string(), images.shape[1], memory);
  if (static_cast<size_t>(image_of.shape[0]) != traces)
    throw Error("{}: image_of is not one a trace", path().string());
  constexpr size_t most = size_t{1} << 36;
  if (traces > most / memory) {
    throw Error("{}: {} traces with images of {} bytes are more than can be held", path().string(), traces,
                memory);
  }
  joined_.reserve(traces * memory + records.bytes.size());
  for (size_t i = 0; i < traces; ++i) {
    int64_t image = 0;
    std::memcpy(&image, &image_of.bytes[i * sizeof image], sizeof image);
    if (image < 0 || image >= images.shape[0])
      throw Error("{}: trace {} has image {}, of {}", path().string(), i, image, images.shape[0]);
    const auto of_trace = images.bytes.subspan(static_cast<size_t>(image) * memory, memory);
    const auto states = records.bytes.subspan(offsets[i], offsets[i + 1] - offsets[i]);
    const size_t begin = joined_.size();
    joined_.insert(joined_.end(), of_trace.begin(), of_trace.end());
    joined_.insert(joined_.end(), states.begin(), states.end());
    traces_.emplace_back(layout, std::span(joined_).subspan(begin));
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
  std::vector<safetensors::Tensor> tensors;
  std::optional<ApartImages> apart;
  if (layout.regions.empty()) {
    tensors = {vector("offsets", safetensors::Dtype::I64, traces.offsets),
               vector("bytes", safetensors::Dtype::U8, traces.bytes)};
  } else {
    apart = images_apart(traces);
    tensors = {vector("offsets", safetensors::Dtype::I64, apart->offsets),
               vector("image_of", safetensors::Dtype::I64, apart->image_of),
               vector("images", safetensors::Dtype::U8, apart->images),
               vector("bytes", safetensors::Dtype::U8, apart->records)};
    tensors[2].shape = {std::ssize(apart->images) / layout.memory_bytes, layout.memory_bytes};
  }
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
