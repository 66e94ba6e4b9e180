// What inspect prints of a dataset of files.
#include <algorithm>
#include <array>

#include "datagen/commands/files.hpp"
#include "datagen/files/file_dataset.hpp"
#include "datagen/files/listing.hpp"
#include "datagen/files/names.hpp"
#include "datagen/io/options.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t most_rows = 20, most_bytes_shown = 1024;

struct Lengths {
  double mean = 0, median = 0;
  int64_t largest = 0;
};

// By split.
struct Figures {
  std::array<Lengths, 2> lengths;
  std::vector<std::array<int64_t, 2>> extensions, labels;  // documents by number
  std::array<int64_t, 2> cut{};
};

Lengths measure(std::vector<int64_t> bytes) {
  if (bytes.empty()) return {};
  std::sort(bytes.begin(), bytes.end());
  const size_t n = bytes.size();
  double sum = 0;
  for (const auto one : bytes) sum += static_cast<double>(one);
  return {sum / static_cast<double>(n), static_cast<double>(bytes[(n - 1) / 2] + bytes[n / 2]) / 2,
          bytes.back()};
}

Figures measure(const FileDataset& dataset) {
  const auto& [extensions, labels] = std::tie(dataset.manifest().extensions, dataset.manifest().labels);
  Figures figures;
  figures.extensions.resize(extensions.size());
  figures.labels.resize(labels.size());
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    std::vector<int64_t> bytes;
    for (size_t d = 0; d < dataset.size(s); ++d) {
      const auto document = dataset.document(s, d);
      bytes.push_back(std::ssize(document.steps));
      figures.cut[i] += !document.complete;
      const auto extension = std::ranges::lower_bound(extensions, document.extension) - extensions.begin();
      ++figures.extensions[static_cast<size_t>(extension)][i];
      if (const int label = dataset.label(s, d); label >= 0) ++figures.labels[static_cast<size_t>(label)][i];
    }
    figures.lengths[i] = measure(std::move(bytes));
  }
  return figures;
}

ordered_json by_name(const std::vector<std::string>& names,
                     const std::vector<std::array<int64_t, 2>>& counts) {
  auto json = ordered_json::object();
  for (size_t i = 0; i < names.size(); ++i)
    json[escaped(names[i])] = {{"train", counts[i][0]}, {"test", counts[i][1]}};
  return json;
}

void print_counts(std::string_view title, const std::vector<std::string>& names,
                  const std::vector<std::array<int64_t, 2>>& counts) {
  std::vector<size_t> order(names.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return counts[i][0] + counts[i][1]; });
  fmt::print("{:<22}{:>12}{:>12}\n", title, "train", "test");
  for (size_t row = 0; row < std::min(order.size(), most_rows); ++row) {
    const auto& name = names[order[row]];
    fmt::print("  {:<20}{:>12}{:>12}\n", name.empty() ? "(none)" : escaped(name), counts[order[row]][0],
               counts[order[row]][1]);
  }
  if (order.size() > most_rows) fmt::print("  … and {} more\n", order.size() - most_rows);
}

ordered_json to_json(const FileDataset& dataset, const Figures& figures) {
  auto json = to_json(dataset.manifest());
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    const auto& [mean, median, largest] = figures.lengths[i];
    json["lengths"][to_string(s)] = {{"mean", mean}, {"median", median}, {"largest", largest}};
    json["cut"][to_string(s)] = figures.cut[i];
  }
  json["documents_by_extension"] = by_name(dataset.manifest().extensions, figures.extensions);
  if (!dataset.manifest().labels.empty())
    json["documents_by_label"] = by_name(dataset.manifest().labels, figures.labels);
  return json;
}

void print(const fs::path& folder, const FileDataset& dataset, const Figures& figures) {
  const auto& manifest = dataset.manifest();
  fmt::print("{}: {}\n", folder.string(),
             manifest.pairs ? fmt::format("pairs of files, {} and {}, both directions",
                                          escaped((*manifest.pairs)[0]), escaped((*manifest.pairs)[1]))
                            : "files");
  for (const Split s : splits) {
    const auto i = static_cast<size_t>(s);
    const auto& [mean, median, largest] = figures.lengths[i];
    fmt::print("{:<6}{:>12} documents {:>12} files {:>16} bytes {:>6} shards\n", to_string(s),
               manifest[s].documents, manifest[s].files, manifest[s].bytes, manifest[s].shards.size());
    fmt::print(
        "      a document has {:.0f} bytes in the mean, {:.0f} in the median, {} at most; {} are cut\n", mean,
        median, largest, figures.cut[i]);
  }
  print_counts("extension", manifest.extensions, figures.extensions);
  if (!manifest.labels.empty()) print_counts("label", manifest.labels, figures.labels);
  fmt::print("packed\n");
  for (const auto& [key, value] : manifest.generator.items())
    fmt::print("  {:<18}{}\n", key, json_text(value));
  fmt::print("found\n");
  for (const auto& [key, value] : manifest.found.items()) {
    if (const auto line = listing_line(value)) {
      fmt::print("  {}\n", *line);
    } else {
      fmt::print("  {:<18}{}\n", key, json_text(value));
    }
  }
  fmt::print("--document N shows one\n");
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const auto byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

void print_bytes(std::span<const uint8_t> bytes) {
  constexpr size_t a_line = 16;
  const auto shown = bytes.first(std::min(bytes.size(), most_bytes_shown));
  for (size_t at = 0; at < shown.size(); at += a_line) {
    const auto line = shown.subspan(at, std::min(a_line, shown.size() - at));
    std::string numbers, text;
    for (const auto byte : line) {
      numbers += fmt::format("{:02x} ", byte);
      text += byte >= 0x20 && byte < 0x7F ? static_cast<char>(byte) : '.';
    }
    fmt::print("{:>8}  {:<48} {}\n", at, numbers, text);
  }
  if (shown.size() < bytes.size()) fmt::print("          … and {} bytes more\n", bytes.size() - shown.size());
}

void print_document(const FileDataset& dataset, Split split, size_t index, bool json) {
  const auto& manifest = dataset.manifest();
  const auto document = dataset.document(split, index);
  const auto name = escaped(dataset.name(split, index));
  const int number = dataset.label(split, index);
  const auto label = number < 0 ? std::string() : escaped(manifest.labels[static_cast<size_t>(number)]);
  if (json) {
    ordered_json all = {{"name", name},
                        {"extension", escaped(document.extension)},
                        {"complete", document.complete},
                        {"bytes", hex(document.steps)}};
    if (number >= 0) all["label"] = label;
    if (manifest.pairs) {
      all["context_extension"] = escaped(*document.context_extension);
      all["context"] = hex(document.context);
    }
    return fmt::print("{}\n", json_text(all));
  }
  if (manifest.pairs) {
    fmt::print("context: extension {}, {} bytes\n", escaped(*document.context_extension),
               document.context.size());
    print_bytes(document.context);
  }
  fmt::print("{}: extension {}, {} bytes{}{}\n", name,
             document.extension.empty() ? "(none)" : escaped(document.extension), document.steps.size(),
             number < 0 ? "" : ", label " + label, document.complete ? "" : ", cut there");
  print_bytes(document.steps);
}

}  // namespace

void inspect_files(const fs::path& folder, Split split, std::optional<int64_t> index, bool json) {
  const FileDataset dataset(folder);
  if (index) {
    if (static_cast<size_t>(*index) >= dataset.size(split)) {
      throw UsageError("--document {}: {}'s {} has {} documents", *index, folder.string(), to_string(split),
                       dataset.size(split));
    }
    return print_document(dataset, split, static_cast<size_t>(*index), json);
  }
  const auto figures = measure(dataset);
  if (json) {
    fmt::print("{}\n", json_text(to_json(dataset, figures)));
  } else {
    print(folder, dataset, figures);
  }
}

}  // namespace bytecpu
