// What training asks of the data as it proceeds: hard skills more often, short documents first.
#pragma once

#include "datagen/corpus/corpus.hpp"
#include "model/training/config.hpp"
#include "model/training/skills.hpp"

namespace bytecpu {

// Most steps of documents drawn when a share `done` of the training is over, of a corpus that draws up to
// `longest`: at first 16, doubling in equal times until config.length_warmup. 0 where longest is.
int longest_document(const TrainConfig& config, int longest, double done);

// For the next pool that is drawn when a share `done` of the training is over.
Emphasis emphasis(const TrainConfig& config, const Corpus& corpus, const SkillMix& mix, double done);

}  // namespace bytecpu
