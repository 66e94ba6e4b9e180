// Every setting that a training depends on, with its default.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace bytecpu {

class OptionList;

struct TrainConfig {
  uint64_t seed = 0;            // initialisation, order of the data, and the stream's programs
  int threads = 0;              // of LibTorch; 0: every core
  std::string device = "auto";  // "cpu", "cuda", or "auto": CUDA where there is a GPU

  // How much. Exactly one of steps, minutes and petaflops is positive; schedules run over it. Minutes make
  // the schedule follow the clock: handy, but only the others make runs repeat exactly.
  int64_t steps = 0;
  double minutes = 0;
  double petaflops = 0;      // 10^15 floating-point operations, counted as for MFU
  int batch_patches = 4096;  // a batch's at most, padding included; a longer trace is a batch of its own
  int accumulate = 1;        // batches whose gradients are added up for one optimiser step
  int pool_traces = 2048;    // traces drawn, sorted by length and batched together
  std::string operation_mix =
      "uniform";  // training programs: "uniform"; or hard operations more often, by "loss" or "errors"
  // Once few states are predicted wrongly, up to this many batches are looked at, forward only, for each one
  // trained on, which is made of their hardest states: so many that about a tenth of it is wrong. 1: all are
  // trained on.
  int candidates = 1;
  double operation_floor = 0.1;  // not "uniform": smallest weight of an operation, at most 1
  // Share of the training during which documents grow, doubling in equal times. The longest fresh program has 16
  // instructions at first and max-instructions at its end; files longer than 16 steps are cut there at first. 0: all
  // lengths from the start.
  double length_warmup = 0;
  std::string loss =
      "states";  // "states": records after state 0 and the end; "all": every patch but the first
  // "fp32"; "bf16": bf16 products, fp32 accumulation and master weights; "auto": one of them, as
  // supported_precision()
  std::string precision = "auto";

  std::string optimizer = "adamw";  // "adamw"; or "muon" for hidden matrices, AdamW for the rest
  double learning_rate = 1e-3;
  double muon_learning_rate =
      0.01;              // of a matrix whose update has a root mean square of about 1 / sqrt(inputs)
  double warmup = 0.05;  // share of the training
  std::string schedule = "cosine";  // "cosine", "linear" or "constant" after warm-up
  double final_learning_rate = 0;   // as a share of learning_rate
  double beta1 = 0.9, beta2 = 0.95;
  double weight_decay = 0.01;  // of matrices and tables, AdamW's and Muon's
  double clip = 1.0;           // largest norm of the gradient of AdamW's parameters; 0: none
  // Weights that are measured and kept: the running mean of the trained ones over about this share of the
  // steps, the last ones, step t weighing t^(1 / average - 1). 0: the newest.
  double average = 0;

  int64_t log_every = 20;        // steps
  int64_t validate_every = 200;  // steps; 0: only at the end
  int64_t validation_traces = 256;
  int64_t checkpoint_every = 500;  // steps
  double peak_tflops = 0;          // of the device, for MFU; 0: known GPUs' own
  bool tensorboard = false;        // event files beside metrics.jsonl
};

nlohmann::ordered_json to_json(const TrainConfig& config);
// Settings that the object does not have keep their values; one that there is not is an Error.
void from_json(const nlohmann::ordered_json& json, TrainConfig& config);

// The one list of the fields: flags, INI files, JSON.
OptionList options(TrainConfig& config);

// Throws Error naming the field and what it may be, alone and beside the others.
void check(const TrainConfig& config);

}  // namespace bytecpu
