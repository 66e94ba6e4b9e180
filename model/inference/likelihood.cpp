#include "model/inference/likelihood.hpp"

#include <algorithm>
#include <cmath>

#include "model/heads/next_step.hpp"
#include "model/network/classifier.hpp"
#include "model/training/batch.hpp"

namespace bytecpu {

std::vector<double> nats_of(ByteModel& model, std::span<const Document> documents, int64_t batch_patches,
                            const std::function<void(int64_t)>& done) {
  c10::InferenceMode inference;
  std::vector<int64_t> lengths;
  for (const auto& d : documents) lengths.push_back(model.length(d));
  const NextStep objective(model, Targets::scored);
  std::vector<double> nats(documents.size());
  int64_t finished = 0;
  for (const auto& indices : plan_batches(lengths, batch_patches, 0)) {
    std::vector<Document> batch;
    for (const size_t i : indices) batch.push_back(documents[i]);
    if (const auto outcome = objective.predict(batch)) {
      const auto& [rows, loss] = *outcome;
      const auto of_rows = (loss.row_nats.to(torch::kDouble) * rows.patches.size(1)).to(torch::kCPU);
      for (int64_t r = 0; r < of_rows.size(0); ++r) {
        nats[indices[static_cast<size_t>(rows.document.data_ptr<int64_t>()[r])]] +=
            of_rows.data_ptr<double>()[r];
      }
    }
    finished += std::ssize(indices);
    if (done) done(finished);
  }
  return nats;
}

std::vector<double> label_probabilities(ByteModel& model, const Document& file) {
  if (auto* classifier = dynamic_cast<Classifier*>(&model)) {
    c10::InferenceMode inference;
    const auto found =
        classifier->label_logits(std::span(&file, 1))[0].to(torch::kCPU, torch::kDouble).softmax(0);
    return {found.data_ptr<double>(), found.data_ptr<double>() + found.numel()};
  }
  constexpr int64_t batch_patches = 4096;
  std::vector<Document> documents;
  for (const auto& label : model.frame().labels) documents.push_back(Document::label(label, file));
  auto shares = nats_of(model, documents, batch_patches);
  const double least = *std::ranges::min_element(shares);
  double sum = 0;
  for (double& share : shares) sum += share = std::exp(least - share);
  for (double& share : shares) share /= sum;
  return shares;
}

}  // namespace bytecpu
