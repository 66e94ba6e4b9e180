// Every number that a model depends on, with its default. config.json in a checkpoint holds them resolved.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "datagen/corpus/document.hpp"

namespace bytecpu {

class OptionList;

// Sizes of a model. Widths are in elements, lengths in patches; the defaults are the published bGPT's.
struct ModelConfig {
  std::string family = "bgpt";
  int patch_size = 16;     // bytes a patch; divides the machine's memory and record lengths
  int patch_length = 512;  // longest sequence, in patches
  int patch_layers = 12;
  int patch_width = 768;
  int patch_heads = 12;
  int byte_layers = 3;
  int byte_width = 768;
  int byte_heads = 12;
  // The family "pointer" has encoder layers over its input's bytes, memory-heads pointers to them, and byte layers.
  // Of the family "transition", whose patch is a record and whose byte widths and heads serve all positions'
  // layers:
  int encoder_layers = 1;  // over the current record's bytes
  int encoder_mlp = 2;     // hidden width of their MLPs, in widths
  int mixer_layers = 1;    // over the conditions of the next record's bytes
  int byte_mlp = 4;        // hidden width of the MLPs of mixer and byte-level decoder, in widths
  int memory_width = 128;  // of the attention to the memory image
  int memory_heads = 4;
  bool patch_history =
      false;  // patch-level attention over earlier records; off: the current one is all it sees
  // Of the family "fields", which reads words with patch-heads heads and the memory with memory-heads, and whose
  // byte level is over the bits of a word:
  int row_width = 128;  // of what is thought of one word
  // Of the family "pointer": inputs are read and outputs written from the last byte to the first, and how many bytes
  // are written can be copied. So a length that stands before what it measures is known when it is needed.
  bool from_end = false;
  // Byte embeddings at the start: "normal" (GPT-2's, standard deviation 0.02) or "structured" (bits, value
  // and sinusoids of the byte among the coordinates).
  std::string byte_init = "normal";
  // Of the documents, from the data.
  Frame frame;

  bool operator==(const ModelConfig&) const = default;
};

void to_json(nlohmann::ordered_json& json, const ModelConfig& config);
// A setting that the object does not have keeps its default; one that there is not is an Error.
void from_json(const nlohmann::ordered_json& json, ModelConfig& config);

// The one list of the fields: flags, INI files, JSON.
OptionList options(ModelConfig& config);

// Throws Error naming the field and what it may be, alone and beside the others.
void check(const ModelConfig& config);

}  // namespace bytecpu
