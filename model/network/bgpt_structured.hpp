// Where a bGPT with `byte-init = structured` starts: values only, the names, the shapes and the computation are the
// published ones. A model of files reads bytes by features of theirs: bits, value, sinusoids. In a model of a machine
// every byte of a patch has coordinates of its own, its lane; positions have codes; and the byte level begins by writing
// the patch that it has read once more. Of the machine it knows the layout of records: which fields name which others.
// It does not know what an operation does.
#pragma once

#include "model/network/config.hpp"
#include "model/network/layers.hpp"

namespace bytecpu {

// Both levels of a model of files. embedding: [patch width, P · symbols], table: [symbols, byte width]; changed in
// place.
void start_files(torch::Tensor embedding, torch::Tensor table, const ModelConfig& config);

// A byte's eight bits as ±1, and a coordinate that is 1 for the symbol "nothing".
inline constexpr int64_t lane_width = 8 + 1;

// The patch level of a model of a machine. embedding: [patch width, P · symbols], changed in place as are base's
// positions and its first MLP.
// Patch p after the first is number p - 1 of the context, or p - 1 - context_patches of what follows it.
// A patch width that has no room for the lanes and codes is left as it is.
void start_patches(torch::Tensor embedding, Gpt2& base, const ModelConfig& config, int64_t context_patches);

// Its byte level. table: [symbols, byte width], which reads bytes and writes them; projection: patch level to byte
// level, empty where the widths are equal. A byte width that has no room for the lanes is left as it is; with fewer
// than P heads, or heads of fewer than eight elements, its attention is.
void start_bytes(torch::Tensor table, Gpt2& transformer, const torch::nn::Linear& projection,
                 const ModelConfig& config);

}  // namespace bytecpu
