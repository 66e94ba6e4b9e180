#include "model/training/config.hpp"

#include "datagen/io/options.hpp"

namespace bytecpu {

OptionList options(TrainConfig& c) {
  OptionList field("Training");
  field(c.seed, "seed", at_least(0), "seed of initialisation, data order and fresh programs");
  field(c.threads, "threads", in(0, 4096), "threads of LibTorch; 0: every core");
  field(c.device, "device", one_of({"auto", "cpu", "cuda"}), "auto: CUDA where there is a GPU");
  field(c.steps, "steps", at_least(0), "optimiser steps (or give --minutes or --petaflops)");
  field(c.minutes, "minutes", at_least(0),
        "minutes of training, the schedule following the clock (or give --steps)");
  field(c.petaflops, "petaflops", at_least(0),
        "10^15 floating-point operations of training (or give --steps)");
  field(c.batch_patches, "batch-patches", at_least(1), "patches a batch, padding included");
  field(c.accumulate, "accumulate", at_least(1), "batches an optimiser step");
  field(c.pool_traces, "pool-traces", at_least(1), "traces drawn, sorted by length and batched together");
  field(c.operation_mix, "operation-mix", one_of({"uniform", "loss", "errors"}),
        "how training programs draw operations: equally, or those with more loss or errors more often");
  field(c.candidates, "candidates", at_least(1),
        "batches looked at for the hardest states of one, once few states are wrong; 1: train on all");
  field(c.operation_floor, "operation-floor", above_to(0, 1),
        "operation-mix: smallest weight of an operation");
  field(
      c.length_warmup, "length-warmup", in(0, 1),
      "share of the training in which the longest fresh program grows from 16 instructions to its length, what is learned of a file from 256 bytes");
  field(c.loss, "loss", one_of({"states", "all"}), "patches that count; all: bgpt only");
  field(c.precision, "precision", one_of({"auto", "fp32", "bf16"}),
        "of products; bf16 with fp32 accumulation and master weights; auto: what is faster here");
  field(c.optimizer, "optimizer", one_of({"adamw", "muon"}), "muon: of hidden matrices, AdamW for the rest");
  field(c.muon_learning_rate, "muon-learning-rate", above(0), "Muon: highest learning rate");
  field(c.learning_rate, "learning-rate", above(0), "highest learning rate");
  field(c.warmup, "warmup", in_below(0, 1), "share of the training over which the learning rate rises");
  field(c.schedule, "schedule", one_of({"cosine", "linear", "constant"}), "after warm-up");
  field(c.final_learning_rate, "final-learning-rate", in(0, 1),
        "last learning rate, as a share of the highest");
  field(c.beta1, "beta1", in_below(0, 1), "AdamW: decay of the first moment");
  field(c.beta2, "beta2", in_below(0, 1), "AdamW: decay of the second moment");
  field(c.weight_decay, "weight-decay", at_least(0),
        "decay of matrices and tables, a step, as a share of the learning rate");
  field(c.clip, "clip", at_least(0), "AdamW: largest norm of its parameters' gradient; 0: no clipping");
  field(c.average, "average", in(0, 1),
        "weights that are kept: their running mean over about this share of the steps, the last ones; 0: the "
        "newest");
  field(c.log_every, "log-every", at_least(1), "steps between lines of metrics.jsonl");
  field(c.validate_every, "validate-every", at_least(0), "steps between validations; 0: only at the end");
  field(c.validation_traces, "validation-traces", in(1, 1 << 24), "held-out traces a validation");
  field(c.checkpoint_every, "checkpoint-every", at_least(1), "steps between checkpoints");
  field(c.peak_tflops, "peak-tflops", at_least(0),
        "what the device can do at best, for model FLOP utilisation; 0: known GPUs' own");
  field(c.tensorboard, "tensorboard", "write the lines of metrics.jsonl to TensorBoard event files too");
  return field;
}

nlohmann::ordered_json to_json(const TrainConfig& config) {
  auto copy = config;
  return options(copy).json();
}

void from_json(const nlohmann::ordered_json& json, TrainConfig& config) { options(config).from_json(json); }

void check(const TrainConfig& c) {
  auto copy = c;
  options(copy).check();
  if ((c.steps > 0) + (c.minutes > 0) + (c.petaflops > 0) != 1) {
    throw Error("give exactly one of --steps, --minutes and --petaflops, and the others as 0");
  }
}

}  // namespace bytecpu
