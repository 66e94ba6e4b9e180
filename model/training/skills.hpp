// Which of the corpus's skills (a machine's operations) a training finds hard, and so practises more.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "datagen/corpus/document.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

// Keeps the running hardness of every skill.
class SkillMix {
 public:
  // `by_errors`: hardness is how often a skill is wrong, else its loss. Errors are rare, so means are over
  // more steps.
  SkillMix(size_t skills, bool by_errors)
      : hardness_(skills, 1.0), observed_(2 * skills), steps_(by_errors ? 500 : 50) {}

  // hardness F32 [N] of each row: its loss, or 1 where it is predicted wrongly. Counts from update() on.
  void observe(std::span<const Document> documents, const Rows& rows, const torch::Tensor& hardness);
  // What is observed and does not count yet: sums and numbers of rows, which add up over processes. May be written to.
  std::span<double> observed() { return observed_; }
  // Means over about so many of the last steps, at least over those of five calls.
  void update();
  // Weights for Emphasis: the square root of the running mean as a share of the largest, at least `floor`.
  // Where even the largest is less than 1e-5 all are hardly practised, and equally.
  std::vector<double> weights(double floor) const;

  const std::vector<double>& hardness() const { return hardness_; }
  // Those of a checkpoint, as many as there are skills.
  void restore(std::vector<double> hardness) { hardness_ = std::move(hardness); }

 private:
  std::vector<double> hardness_;
  // Of each skill: sum, and number of rows.
  std::vector<double> observed_;
  double steps_;
};

}  // namespace bytecpu
