// One list of fields a struct, from which its flags and its JSON are made.
#include "model/config.hpp"

#include "datagen/dataset.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// Calls visit(field, name, description) for each field.
template <typename Config, typename Visit>
void for_each_model_field(Config& c, Visit visit) {
  visit(c.family, "family", "model family: bgpt | transition");
  visit(c.patch_size, "patch-size", "bytes a patch");
  visit(c.patch_length, "patch-length", "longest sequence, in patches");
  visit(c.patch_layers, "patch-layers", "layers of the patch-level decoder");
  visit(c.patch_width, "patch-width", "width of the patch-level decoder");
  visit(c.patch_heads, "patch-heads", "attention heads of the patch-level decoder");
  visit(c.byte_layers, "byte-layers", "layers of the byte-level decoder");
  visit(c.byte_width, "byte-width", "width of the byte-level decoder");
  visit(c.byte_heads, "byte-heads", "attention heads of the byte-level decoder");
  visit(c.encoder_layers, "encoder-layers", "transition: layers over the current record's bytes");
  visit(c.encoder_mlp, "encoder-mlp", "transition: hidden width of their MLPs, in widths");
  visit(c.mixer_layers, "mixer-layers", "transition: layers over the conditions of the next record's bytes");
  visit(c.byte_mlp, "byte-mlp", "transition: hidden width of mixer's and decoder's MLPs, in widths");
  visit(c.memory_width, "memory-width", "transition: width of the attention to the memory image");
  visit(c.memory_heads, "memory-heads", "transition: its heads");
  visit(c.patch_history, "patch-history", "transition: patch-level attention over earlier records");
  visit(c.byte_init, "byte-init", "byte embeddings at the start: normal | structured");
}

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

boost::program_options::options_description options(ModelConfig& config) {
  return make_options("Model", config, [](auto& c, auto visit) { for_each_model_field(c, visit); });
}

boost::program_options::options_description options(TrainConfig& config) {
  return make_options("Training", config, [](auto& c, auto visit) { for_each_train_field(c, visit); });
}

void to_json(nlohmann::ordered_json& json, const ModelConfig& config) {
  json = nlohmann::ordered_json::object();
  for_each_model_field(config, [&](const auto& field, const char* name, const char*) { json[name] = field; });
  json["layout"] = to_json(config.layout);
}

void from_json(const nlohmann::ordered_json& json, ModelConfig& config) {
  for_each_model_field(config,
                       [&](auto& field, const char* name, const char*) { json.at(name).get_to(field); });
  config.layout = layout_from_json(json.at("layout"));
}

nlohmann::ordered_json to_json(const TrainConfig& config) {
  auto json = nlohmann::ordered_json::object();
  for_each_train_field(config, [&](const auto& field, const char* name, const char*) { json[name] = field; });
  return json;
}

void check(const ModelConfig& c) {
  require(c.family == "bgpt" || c.family == "transition", "family must be bgpt or transition");
  require(c.patch_size >= 1, "patch-size must be at least 1");
  const bool transition = c.family == "transition";
  if (transition) {
    require(c.patch_size == c.layout.record_bytes,
            fmt::format("patch-size must be the record's {} bytes for the family transition",
                        c.layout.record_bytes));
    require(c.encoder_layers >= 0 && c.mixer_layers >= 0 && c.encoder_mlp >= 1 && c.byte_mlp >= 1,
            "encoder-layers and mixer-layers must not be negative, encoder-mlp and byte-mlp at least 1");
    require(c.memory_heads >= 1 && c.memory_width >= 1 && c.memory_width % c.memory_heads == 0,
            "memory-width must be a multiple of memory-heads");
  }
  require(c.layout.memory_bytes % c.patch_size == 0 && c.layout.record_bytes % c.patch_size == 0,
          fmt::format("patch-size {} does not divide the memory ({} bytes) and the record ({} bytes)",
                      c.patch_size, c.layout.memory_bytes, c.layout.record_bytes));
  require(c.patch_length >= 3 + (c.layout.memory_bytes + c.layout.record_bytes) / c.patch_size,
          "patch-length is too short for one state after the memory image");
  require(c.patch_layers >= (transition ? 0 : 1) && c.byte_layers >= 1,
          "patch-layers and byte-layers must be at least 1");
  require(c.patch_heads >= 1 && c.patch_width >= 1 && c.patch_width % c.patch_heads == 0,
          "patch-width must be a multiple of patch-heads");
  require(c.byte_heads >= 1 && c.byte_width >= 1 && c.byte_width % c.byte_heads == 0,
          "byte-width must be a multiple of byte-heads");
  require(c.byte_init == "normal" || c.byte_init == "structured", "byte-init must be normal or structured");
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
