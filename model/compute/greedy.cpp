#include "model/compute/greedy.hpp"

#include "model/compute/backend.hpp"

namespace bytecpu {

Greedy greedy(const torch::Tensor& logits, const torch::Tensor& given) {
  if (const Backend* backend = backend_for(logits.device(), logits.scalar_type())) {
    if (const auto choice = backend->greedy(logits, given)) return *choice;
  }
  const int64_t last = logits.size(1) - 1;
  const auto log_p = logits.to(torch::kFloat).log_softmax(1);
  const auto [log_best, best] = log_p.slice(1, 0, last).max(1);
  return {.best = best,
          .log_best = log_best,
          .log_last = log_p.select(1, last),
          .log_given = log_p.gather(1, given.unsqueeze(1)).squeeze(1)};
}

}  // namespace bytecpu
