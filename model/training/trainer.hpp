// The training loop: batches of documents in, checkpoints and metrics out. The same for every model family.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>

#include "datagen/corpus/corpus.hpp"
#include "datagen/io/output_folder.hpp"
#include "model/network/byte_model.hpp"
#include "model/ranks/ranks.hpp"
#include "model/training/config.hpp"
#include "model/training/settings.hpp"

namespace bytecpu {

struct TrainingData {
  Corpus& train;
  // Documents that `train` never has; the validation set is its first pool.
  Corpus& held_out;
};

// Where a training is kept.
struct TrainingRun {
  // Locked, so that no other training writes to it; none where this rank is not the first, which alone writes.
  const OutputFolder* folder;
  // One of the folder's that is not finished, to go on from; without, the folder must hold none.
  std::optional<std::filesystem::path> checkpoint = {};
  // What it was begun with; kept in its checkpoints.
  Settings settings = {};
};

enum class TrainingEnd { finished, stopped };

// Trains `model`, freshly made, until its budget is spent or `stop` becomes true (on any rank), writing to the folder
// of `run`, once all that is given has been read and found to fit together and accepted() been called:
//   step-NNNNNNNN/   checkpoints, the newest two (checkpoint.hpp)
//   metrics.jsonl, events.out.tfevents.*   (journal.hpp)
// Resumed from a checkpoint its losses are bit for bit those of an undisturbed run (same machine, same number of
// threads, a budget in steps). Throws Error, leaving the last good checkpoint, when the loss is not a number or
// explodes, and where the folder is removed meanwhile.
// Over several ranks, all of which call it with the same, each takes its share of a step's batches. The steps are those of
// one process, to rounding, however many share them.
TrainingEnd train(ByteModel& model, const TrainConfig& config, const TrainingData& data,
                  const TrainingRun& run, Ranks& ranks, const std::atomic<bool>& stop,
                  const std::function<void()>& accepted);

// Whether a training of `config` that stands at `checkpoint` has spent its budget.
bool finished(const TrainConfig& config, const std::filesystem::path& checkpoint);

}  // namespace bytecpu
