// The training loop: batches of documents in, checkpoints and metrics out. The same for every model family.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>

#include "datagen/corpus/corpus.hpp"
#include "model/network/byte_model.hpp"
#include "model/training/config.hpp"

namespace bytecpu {

struct TrainingData {
  Corpus& train;
  // Documents that `train` never has; the validation set is its first pool.
  Corpus& held_out;
};

enum class TrainingEnd { finished, stopped };

// Trains `model`, freshly made, until its budget is spent or `stop` becomes true, writing to the folder
// `run`, once all that is given has been read and found to fit together and accepted() been called:
//   step-NNNNNNNN/   checkpoints, the newest two (checkpoint.hpp)
//   metrics.jsonl, events.out.tfevents.*   (journal.hpp)
// With `checkpoint`, one of `run` that is not finished, it goes on from there; the losses are then bit for
// bit those of an undisturbed run (same machine, same number of threads, a budget in steps). Without, `run`
// must hold none. Throws Error, leaving the last good checkpoint, when the loss is not a number or explodes.
TrainingEnd train(ByteModel& model, const TrainConfig& config, const TrainingData& data,
                  const std::filesystem::path& run, const std::optional<std::filesystem::path>& checkpoint,
                  const std::atomic<bool>& stop, const std::function<void()>& accepted);

// Whether a training of `config` that stands at `checkpoint` has spent its budget.
bool finished(const TrainConfig& config, const std::filesystem::path& checkpoint);

}  // namespace bytecpu
