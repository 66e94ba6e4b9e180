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
  const int64_t patch = model_.config().patch_size, given = model_.frame().first_scored;
  int64_t patches = 0;
  for (const auto& d : documents) {
    const int64_t bytes = targets_ == Targets::all ? std::ssize(d.context) + std::ssize(d.steps)
                                                   : (d.count() - given) * d.step_bytes;
    patches += bytes / patch + (d.complete ? 1 : 0);
  }
  return patches;
}

torch::Tensor NextStep::common_choice(std::span<const Document> documents) const {
  const int64_t all = count(documents), taken = common_size(all);
  if (!model_.device().is_cpu() || taken == all) return {};
  auto choice = torch::zeros({all}, torch::kBool);
  for (int64_t i = 0; i < taken; ++i) choice.data_ptr<bool>()[i * all / taken] = true;
  return choice;
}

}  // namespace bytecpu
