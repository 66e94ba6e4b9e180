// Traces and tiny models for the tests.
#pragma once

#include <torch/torch.h>

#include "datagen/corpus/program_stream.hpp"
#include "model/network/byte_model.hpp"

namespace bytecpu {

// Whole toy8 traces of 64 bytes of memory and programs of at most `max_instructions`.
inline TraceBatch some_traces(int count, int max_instructions, uint64_t seed = 1) {
  StreamSource source({.machine = "toy8",
                       .memory_bytes = 64,
                       .seed = seed,
                       .split = Split::train,
                       .pool_traces = count,
                       .threads = 1});
  ProgramOptions programs;
  programs.max_instructions = max_instructions;
  TraceBatch batch;
  source.fill(0, programs, batch);
  return batch;
}

inline std::vector<TraceView> views(const TraceBatch& batch) {
  std::vector<TraceView> result;
  for (size_t i = 0; i < batch.size(); ++i) {
    result.push_back({.bytes = batch.trace(i), .complete = batch.stops[i] == StopReason::halted});
  }
  return result;
}

// Image ‖ state 0 of each trace.
inline std::vector<TraceView> starts(const TraceBatch& batch, const Layout& layout) {
  auto result = views(batch);
  for (auto& view : result) view.bytes = view.bytes.first(layout.start_bytes());
  return result;
}

inline ModelConfig tiny_config(const std::string& family) {
  ModelConfig c;
  c.family = family;
  c.layout = make_machine("toy8", 64)->layout();
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
  return c;
}

// All that tests are run over: both families, and the transition model with and without a history.
inline std::vector<ModelConfig> tiny_configs() {
  std::vector<ModelConfig> configs = {tiny_config("bgpt"), tiny_config("transition"),
                                      tiny_config("transition")};
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
