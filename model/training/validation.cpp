#include "model/training/validation.hpp"

#include <array>
#include <numbers>
#include <set>
#include <utility>

#include "emulator/error.hpp"
#include "model/training/feed.hpp"

namespace bytecpu {

Validation validate(ByteModel& model, const Pool& held_out, int64_t batch_patches, Ranks& ranks) {
  torch::NoGradGuard no_grad;
  const NextStep objective(model, Targets::scored);
  Validation v;
  double nats = 0;
  int64_t real_bytes = 0;
  const auto batches = plan(model, held_out, batch_patches, 0);
  for (size_t batch = ranks.rank(); batch < batches.size(); batch += ranks.size()) {
    std::vector<Document> documents;
    for (const size_t i : batches[batch]) documents.push_back(held_out[i]);
    const auto outcome = objective.predict(documents);
    if (!outcome) continue;
    const auto& [rows, loss] = *outcome;
    nats += loss.nats.item<double>() * static_cast<double>(rows.patches.numel());
    v.bytes += rows.patches.numel();
    real_bytes +=
        model.predicts_bytes() ? rows.patches.ne(nothing).sum().item<int64_t>() : rows.patches.numel();
    v.wrong_bytes += loss.mistakes.sum().item<int64_t>();
    // A step is wrong where any of its patches is.
    const auto mistakes = loss.mistakes.to(torch::kCPU);
    std::set<std::pair<int64_t, int64_t>> steps, wrong;
    for (int64_t i = 0; i < mistakes.size(0); ++i) {
      const std::pair step(rows.document.data_ptr<int64_t>()[i], rows.step.data_ptr<int64_t>()[i]);
      steps.insert(step);
      if (mistakes.data_ptr<int64_t>()[i] > 0) wrong.insert(step);
    }
    v.steps += std::ssize(steps);
    v.wrong_steps += std::ssize(wrong);
  }
  // Counts are below 2^53: sums of doubles are exact.
  std::array sums = {nats,
                     static_cast<double>(real_bytes),
                     static_cast<double>(v.bytes),
                     static_cast<double>(v.wrong_bytes),
                     static_cast<double>(v.steps),
                     static_cast<double>(v.wrong_steps)};
  ranks.sum(sums);
  nats = sums[0];
  int64_t* const counts[] = {&real_bytes, &v.bytes, &v.wrong_bytes, &v.steps, &v.wrong_steps};
  for (size_t i = 0; i < std::size(counts); ++i) *counts[i] = static_cast<int64_t>(sums[i + 1]);
  v.loss = v.bytes ? nats / static_cast<double>(v.bytes) : 0;
  v.bits_per_byte = real_bytes ? nats / std::numbers::ln2 / static_cast<double>(real_bytes) : 0;
  return v;
}

void check_length(const ByteModel& model, const Document& document) {
  const int64_t patches = model.length(document), most = model.config().patch_length;
  if (patches <= most) return;
  throw Error(
      "a {} file of {} bytes takes {} patches, the model {}: raise patch-length or pack with --max-bytes",
      document.context_extension.value_or(document.extension),
      document.context.size() + document.steps.size(), patches, most);
}

void check_held_out(const ByteModel& model, const Pool& held_out) {
  int64_t predicted = 0;
  for (size_t i = 0; i < held_out.size(); ++i) {
    const Document document = held_out[i];
    if (model.frame().kind == DocumentKind::file) {
      predicted += model.predicted(document, Targets::scored);
      check_length(model, document);
      continue;
    }
    if (document.count() > model.most_steps()) {
      throw Error("a held-out trace has {} states, the model takes {}: raise patch-length",
                  document.count() - 1, model.most_steps() - 1);
    }
    predicted += document.count() - model.frame().first_scored + (document.complete ? 1 : 0);
  }
  if (predicted <= 0)
    throw Error("the held-out documents have nothing to predict: no trace has a state after state 0");
}

}  // namespace bytecpu
