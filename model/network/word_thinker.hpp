// What the family "fields" thinks of the words of a record: which of them an instruction writes, and what bits each
// has. Known of the machine: the layout.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "model/network/condition_heads.hpp"
#include "model/network/config.hpp"
#include "model/network/explanations.hpp"
#include "model/network/instruction_gates.hpp"
#include "model/network/layers.hpp"
#include "model/network/parameters.hpp"
#include "model/network/words.hpp"

namespace bytecpu {

// What N records say before the next ones are looked at.
struct KnownRecords {
  torch::Tensor records;    // U8 [N, P]
  torch::Tensor bits;       // I8 [N, W, 32]
  torch::Tensor derived;    // I8 [N, derived words, 32]
  torch::Tensor memory;     // planes, or undefined
  torch::Tensor selecting;  // [N, S · 32 + 8]: the bits of the selecting words, and ones
  torch::Tensor numbers;    // I8 [N, 32, 2 · numbers]: those that the instruction may name, one-hot
  torch::Tensor feature;    // [N, patch width], normalised
  // F32 [N, W + 1] logits: that a word is written; last, that the document ends. For an instruction's later words a
  // first guess, which gates() corrects.
  torch::Tensor gates;
};

// What is known of the next records: bits I8 [N, W, 32], and which words differ, bool [N, W]. Of a word only what
// is before it is looked at.
struct NextRecords {
  torch::Tensor bits, changed;
};

// M words to think of: of which record, and which of its words; I64 [M]. Behind the record's words come the
// hidden ones.
struct WordPlaces {
  torch::Tensor item, word;
};

// The hidden words of N next records. A bit is read as what it is on average.
struct HiddenWords {
  torch::Tensor logits;   // F32 [N, H, 32]; 0 where none has been thought of
  torch::Tensor thought;  // bool [N, H]: whether it has been
};

class WordThinkerImpl : public torch::nn::Module {
 public:
  explicit WordThinkerImpl(const ModelConfig& config);

  // condition: U8 [N, P + M], records and memories as they are.
  KnownRecords know(const torch::Tensor& condition, torch::ScalarType precision);
  // F32 [N, W + 1]: `known.gates`, corrected by the next records' bits, I8 [N, W, 32]: the gate of an instruction's word i
  // sees its words before i, since how long an instruction is follows from how it begins.
  torch::Tensor gates(const KnownRecords& known, const torch::Tensor& next_bits);
  // F32 [M, 32]: the logit of each bit. First it thinks of the hidden words that these can read, where that has not
  // been done: `hidden` starts undefined, and is kept while the words of the same records are asked for in order. What
  // these words' rows choose is told where `choices` is given.
  torch::Tensor logits(const KnownRecords& known, const NextRecords& next, const WordPlaces& places,
                       HiddenWords& hidden, RowChoices* choices = nullptr);

  // Multiply-adds of know() for a record, and of logits() for a word.
  double record_operations() const;
  double word_operations() const;
  std::vector<TrainedParameter> trained_parameters() const;

  const WordLayout layout;

 private:
  // What is added to the gates of registers, F32 [N, W + 1], for where the instruction names them: I64 [N, places].
  torch::Tensor named_gates(const torch::Tensor& feature, const torch::Tensor& names);
  void think_of_hidden(const KnownRecords& known, const NextRecords& next, const WordPlaces& places,
                       HiddenWords& hidden);
  torch::Tensor think(const KnownRecords& known, const NextRecords& next, const WordPlaces& places,
                      const HiddenWords& hidden, RowChoices& choices);
  // Parts of think(). thought [M, row width], normalised; read F32 [M, heads, 32].
  torch::Tensor choose_words(const KnownRecords& known, const NextRecords& next, const HiddenWords& hidden,
                             const WordPlaces& at, const torch::Tensor& thought, RowChoices& choices);
  torch::Tensor dereference(const KnownRecords& known, const WordPlaces& at, const torch::Tensor& thought,
                            const torch::Tensor& read, RowChoices& choices);
  torch::Tensor numbers(const KnownRecords& known, const WordPlaces& at, const torch::Tensor& thought,
                        const torch::Tensor& read);
  torch::Tensor wire(const torch::Tensor& thought, const torch::Tensor& read);
  torch::Tensor choose_results(const torch::Tensor& thought, const torch::Tensor& read,
                               const torch::Tensor& others, RowChoices& choices);
  torch::Tensor spell(const torch::Tensor& thought, const torch::Tensor& words);

  const int64_t heads_, memory_heads_, bits_, context_bytes_;
  const torch::Tensor unseen_;
  Matrix feature_in_{nullptr}, gate_{nullptr}, row_in_{nullptr};
  ConditionHeads condition_heads_{nullptr};
  Matrix naming_{nullptr};                       // none where no register is named
  InstructionGates instruction_gates_{nullptr};  // none where an instruction is one word
  torch::Tensor gate_bias_;
  torch::nn::ModuleList feature_, row_, bit_in_, bit_out_, bit_mlp_;
  Table word_{nullptr};
  // The heads on words.
  Matrix query_{nullptr}, direct_query_{nullptr};
  torch::Tensor key_, changed_key_;
  // The heads on the memory.
  Matrix pointer_{nullptr}, address_query_{nullptr};
  Table address_{nullptr};
  // Of numbers: distances that words are turned by, and edges.
  Matrix number_choice_{nullptr};
  Matrix wiring_{nullptr}, wiring_choice_{nullptr};
  Matrix result_choice_{nullptr};
  Matrix read_up_{nullptr}, read_down_{nullptr};
  // The bits.
  Matrix literal_{nullptr}, scale_{nullptr}, channel_in_{nullptr}, row_bits_{nullptr}, start_{nullptr};
  Table bit_position_{nullptr};
  Matrix bit_head_{nullptr}, end_up_{nullptr}, end_down_{nullptr};
};
TORCH_MODULE(WordThinker);

}  // namespace bytecpu
