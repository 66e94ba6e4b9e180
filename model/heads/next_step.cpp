#include "model/heads/next_step.hpp"

#include "model/compute/product.hpp"

namespace bytecpu {

std::optional<NextStep::Outcome> NextStep::predict(std::span<const Document> documents,
                                                   const torch::Tensor& chosen) const {
  auto rows = model_.rows(documents, targets_, chosen);
  if (rows.patches.size(0) == 0) return std::nullopt;
  auto loss = model_.loss(rows.condition, rows.patches);
  return Outcome{std::move(rows), std::move(loss)};
}

int64_t NextStep::count(std::span<const Document> documents) const {
  int64_t patches = 0;
  for (const auto& d : documents) patches += model_.predicted(d, targets_);
  return patches;
}

torch::Tensor NextStep::common_choice(std::span<const Document> documents) const {
  const int64_t all = count(documents), taken = common_size(all);
  // Where each document has one row, a row is as much work as a document.
  if (!model_.device().is_cpu() || taken == all || all == std::ssize(documents)) return {};
  auto choice = torch::zeros({all}, torch::kBool);
  for (int64_t i = 0; i < taken; ++i) choice.data_ptr<bool>()[i * all / taken] = true;
  return choice;
}

}  // namespace bytecpu
