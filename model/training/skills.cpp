#include "model/training/skills.hpp"

#include <algorithm>
#include <cmath>

namespace bytecpu {

void SkillMix::observe(std::span<const Document> documents, const Rows& rows, const torch::Tensor& hardness) {
  if (hardness_.empty()) return;
  const auto hard = hardness.to(torch::kCPU, torch::kFloat).contiguous();
  for (int64_t i = 0; i < hard.size(0); ++i) {
    const int64_t before = rows.step.data_ptr<int64_t>()[i] - 1;  // the step whose skill shows in this one
    if (before < 0) continue;
    const auto& skills = documents[rows.document.data_ptr<int64_t>()[i]].skills;
    const int skill = skills.empty() ? -1 : skills[before];
    if (skill < 0) continue;
    observed_[2 * skill] += hard.data_ptr<float>()[i];
    observed_[2 * skill + 1] += 1;
  }
}

void SkillMix::update() {
  for (size_t k = 0; k < hardness_.size(); ++k) {
    double &sum = observed_[2 * k], &count = observed_[2 * k + 1];
    if (count > 0) hardness_[k] += (sum / count - hardness_[k]) * std::min(0.2, count / steps_);
    sum = count = 0;
  }
}

std::vector<double> SkillMix::weights(double floor) const {
  if (hardness_.empty()) return {};
  const double most = std::max(1e-5, *std::max_element(hardness_.begin(), hardness_.end()));
  std::vector<double> weights;
  for (double hard : hardness_) weights.push_back(std::max(floor, std::sqrt(std::max(0.0, hard) / most)));
  return weights;
}

}  // namespace bytecpu
