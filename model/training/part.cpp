#include "model/training/part.hpp"

#include <algorithm>
#include <cmath>

#include "model/compute/product.hpp"

namespace bytecpu {

StepPart gather(const ByteModel& model, const NextStep& objective, Feed& feed, int64_t candidates) {
  StepPart part;
  while (std::ssize(part.batches) < candidates) {
    const auto& documents = part.batches.emplace_back(feed.next()).documents;
    part.documents.insert(part.documents.end(), documents.begin(), documents.end());
    const int64_t predicted = objective.count(documents);
    const auto& choice = part.looked_at.emplace_back(objective.common_choice(documents));
    part.predicted += predicted;
    part.seen += choice.defined() ? choice.sum().item<int64_t>() : predicted;
  }
  part.trained = part.seen;
  part.chosen = part.looked_at.front();
  part.loss = torch::zeros({}, model.device());
  part.wrong = torch::zeros({}, model.device());
  return part;
}

void choose_hardest(const NextStep& objective, StepPart& part, const Observe& observe) {
  // One batch after the other: together they would leave the processor's caches.
  torch::NoGradGuard no_grad;
  std::vector<float> nats;
  for (size_t i = 0; i < part.batches.size(); ++i) {
    const auto& documents = part.batches[i].documents;
    const auto& choice = part.looked_at[i];
    const auto outcome = objective.predict(documents, choice);
    if (!outcome) continue;
    observe(documents, *outcome);
    const auto of_rows = outcome->loss.row_nats.to(torch::kCPU).contiguous();
    const float* next = of_rows.data_ptr<float>();
    for (int64_t k = objective.count(documents), j = 0; j < k; ++j) {
      nats.push_back(!choice.defined() || choice.data_ptr<bool>()[j] ? *next++ : -INFINITY);
    }
  }
  const int64_t share = part.seen / std::ssize(part.batches);
  part.trained = common_size(std::min(part.seen, std::max<int64_t>(1, share)));
  const auto chosen = hardest(nats, part.trained);
  part.chosen = torch::empty({part.predicted}, torch::kBool);
  std::copy(chosen.begin(), chosen.end(), part.chosen.data_ptr<bool>());
}

int64_t candidates(double wrong_share, int64_t most) {
  return std::llround(std::clamp(0.1 / wrong_share, 1.0, static_cast<double>(most)));
}

}  // namespace bytecpu
