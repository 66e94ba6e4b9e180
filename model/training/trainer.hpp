// The training loop: pools of traces in, checkpoints and metrics out. The same for every model family.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>

#include "datagen/corpus/corpus.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

struct TrainingData {
  TraceSource& train;
  // Programs that `train` never has. The validation set is its first pool, whole programs drawn as `programs`
  // says, but with the machine's own operations and operands.
  TraceSource& held_out;
  ProgramOptions programs;  // how `train` draws; config.operation_mix may change the weights as it goes
};

enum class TrainingEnd { finished, stopped };

// Trains `model`, freshly made, until its budget is spent or `stop` becomes true, writing to the folder
// `run`, once all that is given has been read and found to fit together and accepted() been called:
//   step-NNNNNNNN/   checkpoints, the newest two (checkpoint.hpp)
//   metrics.jsonl    one JSON object a line: {"step", "loss", "lr", "gradient_norm", "states_per_second",
//                    "tokens_per_second", "gflops", "padding", "wrong_share", "seconds", where the device's
//                    peak is known "mfu"}, means since the line before, but the next step's lr, loss in
//                    nats a byte; and, of the weights that are kept, {"step", "seconds",
//                    "validation": {"loss", "byte_accuracy", "step_accuracy", "states"}}
//   events.out.tfevents.*   with config.tensorboard, the same for TensorBoard
// With `checkpoint`, one of `run` that is not finished, it goes on from there; the losses are then bit for
// bit those of an undisturbed run (same machine, same number of threads, a budget in steps). Without, `run`
// must hold none. Throws Error, leaving the last good checkpoint, when the loss is not a number or explodes.
TrainingEnd train(ByteModel& model, const TrainConfig& config, const TrainingData& data,
                  const std::filesystem::path& run, const std::optional<std::filesystem::path>& checkpoint,
                  const std::atomic<bool>& stop, const std::function<void()>& accepted);

// Whether a training of `config` that stands at `checkpoint` has spent its budget.
bool finished(const TrainConfig& config, const std::filesystem::path& checkpoint);

// Floating-point operations a second that the device could do at best, which model FLOP utilisation (MFU) is
// a share of: config.peak_tflops, or the GPU's known one; 0: not known.
double peak_flops(const TrainConfig& config, torch::Device device);

// The number of threads that `threads` asks for (0: every core), told to LibTorch; and the precision that
// "bf16" or "fp32" means on `device`: float, with a line on stderr, where the processor lacks bf16
// instructions.
int use_threads(int threads);
torch::Device choose_device(const std::string& device);  // throws Error if "cuda" is asked for and not there
torch::ScalarType supported_precision(const std::string& precision, torch::Device device);

}  // namespace bytecpu
