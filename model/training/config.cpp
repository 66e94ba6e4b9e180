// One list of fields, from which flags and JSON are made.
#include "model/training/config.hpp"

#include "emulator/error.hpp"

namespace bytecpu {
namespace {

template <typename Config, typename Visit>
void for_each_train_field(Config& c, Visit visit) {
  visit(c.seed, "seed", "seed of initialisation, data order and fresh programs");
  visit(c.threads, "threads", "threads of LibTorch; 0: every core");
  visit(c.device, "device", "auto | cpu | cuda");
  visit(c.steps, "steps", "optimiser steps (or give --minutes or --petaflops)");
  visit(c.minutes, "minutes", "minutes of training, the schedule following the clock (or give --steps)");
  visit(c.petaflops, "petaflops", "10^15 floating-point operations of training (or give --steps)");
  visit(c.batch_patches, "batch-patches", "patches a batch, padding included");
  visit(c.accumulate, "accumulate", "batches an optimiser step");
  visit(c.pool_traces, "pool-traces", "traces drawn, sorted by length and batched together");
  visit(c.operation_mix, "operation-mix",
        "how training programs draw operations: uniform | loss | errors (those with more of it more often)");
  visit(c.candidates, "candidates",
        "batches looked at for the hardest states of one, once few states are wrong; 1: train on all");
  visit(c.operation_floor, "operation-floor", "operation-mix: smallest weight of an operation, at most 1");
  visit(c.length_warmup, "length-warmup",
        "share of the training in which the longest fresh program grows from 16 instructions to its length");
  visit(c.loss, "loss", "patches that count: states | all");
  visit(c.precision, "precision", "fp32 | bf16 (fp32 accumulation and master weights)");
  visit(c.optimizer, "optimizer", "adamw | muon (hidden matrices; AdamW for the rest)");
  visit(c.muon_learning_rate, "muon-learning-rate", "Muon: highest learning rate");
  visit(c.learning_rate, "learning-rate", "highest learning rate");
  visit(c.warmup, "warmup", "share of the training over which the learning rate rises");
  visit(c.schedule, "schedule", "after warm-up: cosine | linear | constant");
  visit(c.final_learning_rate, "final-learning-rate", "last learning rate, as a share of the highest");
  visit(c.beta1, "beta1", "AdamW: decay of the first moment");
  visit(c.beta2, "beta2", "AdamW: decay of the second moment");
  visit(c.weight_decay, "weight-decay",
        "decay of matrices and tables, a step, as a share of the learning rate");
  visit(c.clip, "clip", "AdamW: largest norm of its parameters' gradient; 0: no clipping");
  visit(c.average, "average",
        "weights that are kept: their running mean over about this share of the steps, the last ones; 0: the "
        "newest");
  visit(c.log_every, "log-every", "steps between lines of metrics.jsonl");
  visit(c.validate_every, "validate-every", "steps between validations; 0: only at the end");
  visit(c.validation_traces, "validation-traces", "held-out traces a validation");
  visit(c.checkpoint_every, "checkpoint-every", "steps between checkpoints");
  visit(c.peak_tflops, "peak-tflops",
        "what the device can do at best, for model FLOP utilisation; 0: known GPUs' own");
  visit(c.tensorboard, "tensorboard", "write the lines of metrics.jsonl to TensorBoard event files too");
}

template <typename Config, typename ForEach>
boost::program_options::options_description make_options(const char* title, Config& config,
                                                         ForEach for_each) {
  namespace po = boost::program_options;
  po::options_description description(title);
  for_each(config, [&](auto& field, const char* name, const char* text) {
    using T = std::decay_t<decltype(field)>;
    if constexpr (std::is_same_v<T, bool>) {
      description.add_options()(name, po::bool_switch(&field)->default_value(field), text);
    } else {
      description.add_options()(name, po::value<T>(&field)->default_value(field), text);
    }
  });
  return description;
}

void require(bool good, std::string_view what) {
  if (!good) throw Error("configuration: {}", what);
}

}  // namespace

boost::program_options::options_description options(TrainConfig& config) {
  return make_options("Training", config, [](auto& c, auto visit) { for_each_train_field(c, visit); });
}

nlohmann::ordered_json to_json(const TrainConfig& config) {
  auto json = nlohmann::ordered_json::object();
  for_each_train_field(config, [&](const auto& field, const char* name, const char*) { json[name] = field; });
  return json;
}

void check(const TrainConfig& c) {
  require((c.steps > 0) + (c.minutes > 0) + (c.petaflops > 0) == 1,
          "give exactly one of steps, minutes and petaflops, positive, and the others as 0");
  require(c.threads >= 0, "threads must not be negative");
  require(c.device == "auto" || c.device == "cpu" || c.device == "cuda", "device must be auto, cpu or cuda");
  require(c.batch_patches >= 1 && c.accumulate >= 1 && c.pool_traces >= 1,
          "batch-patches, accumulate and pool-traces must be at least 1");
  require(c.candidates >= 1, "candidates must be at least 1");
  require(c.loss == "states" || c.loss == "all", "loss must be states or all");
  require(c.precision == "fp32" || c.precision == "bf16", "precision must be fp32 or bf16");
  require(c.optimizer == "adamw" || c.optimizer == "muon", "optimizer must be adamw or muon");
  require(c.learning_rate > 0 && c.muon_learning_rate > 0,
          "learning-rate and muon-learning-rate must be positive");
  require(c.operation_mix == "uniform" || c.operation_mix == "loss" || c.operation_mix == "errors",
          "operation-mix must be uniform, loss or errors");
  require(c.length_warmup >= 0 && c.length_warmup <= 1, "length-warmup must be in [0, 1]");
  require(c.operation_floor > 0 && c.operation_floor <= 1, "operation-floor must be in (0, 1]");
  require(c.warmup >= 0 && c.warmup < 1, "warmup must be in [0, 1)");
  require(c.schedule == "cosine" || c.schedule == "linear" || c.schedule == "constant",
          "schedule must be cosine, linear or constant");
  require(c.final_learning_rate >= 0 && c.final_learning_rate <= 1, "final-learning-rate must be in [0, 1]");
  require(c.beta1 >= 0 && c.beta1 < 1 && c.beta2 >= 0 && c.beta2 < 1, "beta1 and beta2 must be in [0, 1)");
  require(c.weight_decay >= 0 && c.clip >= 0 && c.peak_tflops >= 0,
          "weight-decay, clip and peak-tflops must not be negative");
  require(c.average >= 0 && c.average <= 1, "average must be in [0, 1]");
  require(c.log_every >= 1 && c.checkpoint_every >= 1 && c.validate_every >= 0 && c.validation_traces >= 1,
          "log-every, checkpoint-every and validation-traces must be at least 1");
}

}  // namespace bytecpu
