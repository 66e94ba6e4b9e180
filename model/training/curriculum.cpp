#include "model/training/curriculum.hpp"

#include <algorithm>
#include <cmath>

namespace bytecpu {

int longest_document(const TrainConfig& config, int longest, double done) {
  if (longest == 0 || done >= config.length_warmup) return longest;
  const double most = longest, least = std::min(16.0, most);
  return static_cast<int>(least * std::pow(most / least, done / config.length_warmup));
}

Emphasis emphasis(const TrainConfig& config, const Corpus& corpus, const SkillMix& mix, double done) {
  return {.skills =
              config.operation_mix == "uniform" ? std::vector<double>() : mix.weights(config.operation_floor),
          .longest = longest_document(config, corpus.longest(), done)};
}

}  // namespace bytecpu
