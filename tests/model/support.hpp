// Traces and tiny models for the tests.
#pragma once

#include <torch/torch.h>

#include "datagen/corpus/program_stream.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

// Whole toy8 traces of 64 bytes of memory and programs of at most `max_instructions`.
inline Pool some_traces(int count, int max_instructions, uint64_t seed = 1) {
  ProgramStream::Options options;
  options.memory_bytes = 64;
  options.programs.max_instructions = max_instructions;
  options.seed = seed;
  options.pool_traces = count;
  ProgramStream stream(options);
  Pool pool(stream.frame().layout);
  stream.fill(0, {}, pool);
  return pool;
}

inline std::vector<Document> documents(const Pool& pool) {
  std::vector<Document> result;
  for (size_t i = 0; i < pool.size(); ++i) result.push_back(pool[i]);
  return result;
}

// Memory image and state 0 of each trace.
inline std::vector<Document> starts(const Pool& pool) {
  std::vector<Document> result;
  for (size_t i = 0; i < pool.size(); ++i) result.push_back(pool[i].first(1));
  return result;
}

inline ModelConfig tiny_config(const std::string& family) {
  ModelConfig c;
  c.family = family;
  c.frame = frame_of(make_machine("toy8", 64)->layout());
  c.patch_length = 32;
  c.patch_layers = 2;
  c.patch_width = 16;
  c.patch_heads = 2;
  c.byte_layers = 2;
  c.byte_width = family == "transition" ? 64 : 16;
  c.byte_heads = 2;
  c.byte_mlp = 2;
  c.memory_width = 16;
  c.memory_heads = 2;
  c.byte_init = family == "transition" ? "structured" : "normal";
  c.row_width = 32;
  if (family == "fields") c.patch_heads = 4;
  return c;
}

// A tiny model of files that are made from others.
inline ModelConfig pointer_config() {
  auto config = tiny_config("bgpt");
  config.family = "pointer";
  config.frame = frame_of_files();
  config.patch_size = 1;
  config.patch_length = 300;
  config.byte_width = 32;
  config.byte_layers = 3;
  config.memory_heads = 4;
  config.byte_init = "structured";
  return config;
}

// Of the family "classifier": files of up to 112 bytes, three labels.
inline ModelConfig classifier_config() {
  auto config = tiny_config("bgpt");
  config.family = "classifier";
  config.frame = frame_of_files();
  config.frame.labels = {"cat", "dog", "cow"};
  config.patch_size = 4;
  config.patch_length = 30;
  return config;
}

// All that tests are run over: every family, and the transition model with and without a history.
inline std::vector<ModelConfig> tiny_configs() {
  std::vector<ModelConfig> configs = {tiny_config("bgpt"), tiny_config("transition"),
                                      tiny_config("transition"), tiny_config("fields")};
  configs[2].patch_history = true;
  return configs;
}

inline std::shared_ptr<ByteModel> tiny_model(const ModelConfig& config, uint64_t seed = 0) {
  torch::manual_seed(seed);
  auto model = make_model(config);
  // Fresh transition models add nothing in their layers, which would hide mistakes there.
  torch::NoGradGuard no_grad;
  for (auto& p : model->parameters()) p.add_(torch::randn_like(p) * 0.05);
  return model;
}

}  // namespace bytecpu
