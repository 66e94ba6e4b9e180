#include "eval/files/file_scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "datagen/files/names.hpp"
#include "emulator/error.hpp"
#include "eval/documents/document.hpp"
#include "eval/files/compressors.hpp"

namespace bytecpu {
namespace {

constexpr size_t most_examples = 8;
constexpr double normal_975 = 1.959964;

std::string shown(const std::string& extension) {
  return extension.empty() ? "(no extension)" : escaped(extension);
}

FileKind kind_of(const Document& d) {
  FileKind kind{std::string(d.extension)};
  if (d.context_extension) kind.from = std::string(*d.context_extension);
  return kind;
}

// A split's documents by kind: their numbers in it.
std::map<FileKind, std::vector<size_t>> by_kind(const FileDataset& data, Split split, size_t most) {
  std::map<FileKind, std::vector<size_t>> kinds;
  for (size_t i = 0; i < std::min(most, data.size(split)); ++i)
    kinds[kind_of(data.document(split, i))].push_back(i);
  return kinds;
}

Parts steps_of(const FileDataset& data, Split split, const std::vector<size_t>& indices) {
  Parts parts;
  for (const size_t i : indices) parts.push_back(data.document(split, i).steps);
  return parts;
}

// The standard error of a ratio of sums (nats to bytes), as of independent documents.
double standard_error(const std::vector<double>& nats, const std::vector<Document>& documents, double ratio,
                      int64_t bytes) {
  if (documents.size() < 2 || bytes == 0) return 0;
  double squares = 0;
  for (size_t i = 0; i < nats.size(); ++i) {
    const double rest = nats[i] - ratio * static_cast<double>(documents[i].steps.size());
    squares += rest * rest;
  }
  const auto n = static_cast<double>(documents.size());
  return std::sqrt(squares * n / (n - 1)) / static_cast<double>(bytes);
}

void convert(FileModel& model, const FileDataset& data, Split split, std::span<const size_t> indices,
             KindScores& scores) {
  std::vector<Document> documents;
  for (const size_t i : indices) documents.push_back(data.document(split, i));
  const auto made = model.convert(documents);
  for (size_t i = 0; i < made.size(); ++i) {
    const auto& truth = documents[i].steps;
    const bool equal = made[i].ended && std::ranges::equal(made[i].bytes, truth);
    scores.equal.add(equal);
    scores.ended.add(made[i].ended);
    if (equal || scores.examples.size() == most_examples) continue;
    const auto& context = documents[i].context;
    scores.examples.push_back({std::string(data.name(split, indices[i])),
                               {context.begin(), context.end()},
                               {truth.begin(), truth.end()},
                               made[i].bytes,
                               made[i].ended});
  }
}

std::string hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string FileKind::name() const {
  return from ? fmt::format("{} to {}", shown(*from), shown(extension)) : shown(extension);
}

double KindScores::bits_per_byte() const {
  return bytes == 0 ? 0 : nats / std::numbers::ln2 / static_cast<double>(bytes);
}

std::vector<KindScores> evaluate_files(FileModel& model, const FileDataset& data,
                                       const FileEvaluation& options, const OnProgress& progress) {
  const auto most = options.documents > 0 ? static_cast<size_t>(options.documents) : SIZE_MAX;
  const auto trained = by_kind(data, Split::train, SIZE_MAX);
  std::vector<KindScores> all;
  int64_t done = 0;
  for (const auto& [kind, indices] : by_kind(data, options.split, most)) {
    auto& scores = all.emplace_back(KindScores{.kind = kind, .documents = std::ssize(indices)});
    std::vector<Document> documents;
    for (const size_t i : indices) documents.push_back(data.document(options.split, i));
    for (const auto& d : documents) scores.bytes += std::ssize(d.steps);
    const auto nats = model.nats(documents, [&](int64_t n) { progress(done + n); });
    for (const double n : nats) scores.nats += n;
    const double ratio = scores.bytes == 0 ? 0 : scores.nats / static_cast<double>(scores.bytes);
    scores.half_interval =
        normal_975 * standard_error(nats, documents, ratio, scores.bytes) / std::numbers::ln2;
    const auto before = options.split == Split::train || !trained.contains(kind)
                            ? Parts()
                            : steps_of(data, Split::train, trained.at(kind));
    const auto tested = steps_of(data, options.split, indices);
    scores.xz = xz_bytes(before, tested);
    scores.zstd = zstd_bytes(before, tested);
    if (kind.from) {
      const auto few = static_cast<size_t>(std::min(options.conversions, std::ssize(indices)));
      convert(model, data, options.split, std::span(indices).first(few), scores);
    }
    done += std::ssize(indices);
    progress(done);
  }
  return all;
}

Rate LabelScores::right() const {
  Rate rate;
  for (size_t i = 0; i < confusion.size(); ++i) {
    for (const int64_t count : confusion[i]) rate.total += count;
    rate.right += confusion[i][i];
  }
  return rate;
}

LabelScores evaluate_labels(FileModel& model, const FileDataset& data, const FileEvaluation& options,
                            const OnProgress& progress) {
  const auto& labels = data.manifest().labels;
  if (!std::ranges::equal(labels, model.labels())) {
    throw Error("the dataset's {} labels are not the {} that the model has learned", labels.size(),
                model.labels().size());
  }
  LabelScores scores{labels, std::vector(labels.size(), std::vector<int64_t>(labels.size()))};
  const auto most = options.documents > 0 ? static_cast<size_t>(options.documents) : SIZE_MAX;
  for (size_t i = 0; i < std::min(most, data.size(options.split)); ++i) {
    const int label = data.label(options.split, i);
    if (label < 0) continue;
    const auto shares = model.label_probabilities(data.document(options.split, i));
    const auto best = std::ranges::max_element(shares) - shares.begin();
    ++scores.confusion[static_cast<size_t>(label)][static_cast<size_t>(best)];
    scores.nats -= std::log(shares[static_cast<size_t>(label)]);
    progress(static_cast<int64_t>(i) + 1);
  }
  return scores;
}

nlohmann::ordered_json to_json(const LabelScores& scores) {
  const auto right = scores.right();
  const double mean = right.total == 0 ? 0 : scores.nats / static_cast<double>(right.total);
  std::vector<std::string> labels;
  for (const auto& label : scores.labels) labels.push_back(escaped(label));
  return {{"labels", labels},
          {"right", to_json(right)},
          {"bits_per_label", mean / std::numbers::ln2},
          {"confusion", scores.confusion}};
}

nlohmann::ordered_json to_json(const KindScores& scores) {
  const auto per_byte = [&](int64_t compressed) {
    return scores.bytes == 0 ? 0 : 8 * static_cast<double>(compressed) / static_cast<double>(scores.bytes);
  };
  const double bits = scores.bits_per_byte();
  nlohmann::ordered_json json = {
      {"kind", scores.kind.name()},
      {"documents", scores.documents},
      {"bytes", scores.bytes},
      {"nats", scores.nats},
      {"bits_per_byte", bits},
      {"interval", {std::max(0.0, bits - scores.half_interval), bits + scores.half_interval}},
      {"compressors", {{"xz", per_byte(scores.xz)}, {"zstd", per_byte(scores.zstd)}}}};
  if (scores.equal.total == 0) return json;
  json["equal"] = to_json(scores.equal);
  json["ended"] = to_json(scores.ended);
  auto& examples = json["examples"] = nlohmann::ordered_json::array();
  for (const auto& e : scores.examples) {
    examples.push_back({{"name", escaped(e.name)},
                        {"context", hex(e.context)},
                        {"truth", hex(e.truth)},
                        {"predicted", hex(e.predicted)},
                        {"ended", e.ended}});
  }
  return json;
}

}  // namespace bytecpu
