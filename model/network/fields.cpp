#include "model/network/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "emulator/error.hpp"
#include "model/compute/torch_compat.hpp"
#include "model/compute/windows.hpp"
#include "model/network/kept_or_written.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// The least probability of being written for which a word that is not is thought of, when the loss is asked for.
constexpr double least_gate = 0.2;

// How much of the hidden word's nats is learned besides.
constexpr double taught_share = 0.3;
// And of the nats of choices that would explain products and quotients.
constexpr double explained_share = 1;

// The last hidden word is taught to be what the instruction writes: any one of the whole words from there on that
// change. Where none does (a comparison, say), only what reads it teaches it. Nats, summed over records.
Tensor hidden_nats(const WordLayout& layout, const HiddenWords& hidden, const Tensor& next_bits,
                   const Tensor& changed) {
  std::vector<int64_t> whole;
  for (int64_t w = layout.hidden.back(); w < layout.count(); ++w) {
    if (layout.words[w].bytes == word_bytes) whole.push_back(w);
  }
  if (whole.empty()) return torch::zeros({}, hidden.logits.options());
  const auto index = torch::tensor(whole, torch::kLong).to(changed.device());
  const auto wanted = changed.index_select(1, index) & hidden.thought.select(1, -1).unsqueeze(1);
  const auto item = wanted.any(1).nonzero().squeeze(1);
  const auto of = [&](const Tensor& x) { return x.index_select(0, item); };
  const auto logits = of(hidden.logits.select(1, -1)).unsqueeze(1);
  const auto log_p = torch::log_sigmoid(logits * of(next_bits.index_select(1, index)).to(logits)).sum(2);
  return -log_p.masked_fill(~of(wanted), -1e9).logsumexp(1).sum();
}

}  // namespace

Fields::Fields(const ModelConfig& config) : ByteModel(config) {
  words_ = register_module("words", WordThinker(config));
}

// I64 [W], on the CPU: where each word is in the record.
Tensor Fields::offsets() const {
  std::vector<int64_t> offsets;
  for (const auto& word : words_->layout.words) offsets.push_back(word.offset);
  return torch::tensor(offsets, torch::kLong);
}

Loss Fields::loss(const Tensor& condition, const Tensor& patches) {
  const auto known = words_->know(condition, precision_);
  const int64_t words = words_->layout.count(), bytes = frame().step_bytes;
  const auto ends = patches.select(1, 0).eq(nothing);
  const auto next_bits =
      bits_of(words_->layout.words, patches.masked_fill(ends.unsqueeze(1), 0).to(torch::kByte));
  const auto changed = next_bits.ne(known.bits).any(2);
  const auto all_gates = words_->gates(known, next_bits);
  const auto gates = all_gates.slice(1, 0, words), end_gate = all_gates.select(1, words);
  const auto open =
      (changed | gates.detach().gt(std::log(least_gate / (1 - least_gate)))) & ~ends.unsqueeze(1);
  const auto places = open.nonzero();
  const auto item = places.select(1, 0).contiguous(), word = places.select(1, 1).contiguous();

  // A word that was not thought of is kept.
  auto log_p = (torch::log_sigmoid(-gates) * (~open & ~ends.unsqueeze(1))).sum(1) +
               torch::where(ends, torch::log_sigmoid(end_gate), torch::log_sigmoid(-end_gate));
  auto besides = torch::zeros({}, log_p.options());
  auto mistakes = torch::zeros({patches.size(0)}, patches.options());
  if (item.size(0) > 0) {
    const auto flat = item * words + word;
    const auto of = [&](const Tensor& x) { return x.flatten(0, 1).index_select(0, flat); };
    HiddenWords hidden;
    RowChoices choices;
    const auto logits = words_->logits(known, {next_bits, changed}, {item, word}, hidden, &choices);
    const auto truth = of(next_bits).to(wide()), gate = of(gates);
    const auto log_bits = torch::log_sigmoid(logits * truth).mul(truth.ne(0)).sum(1);
    const auto log_written = torch::log_sigmoid(gate) + log_bits;
    const auto log_word = torch::where(
        of(changed), log_written, torch::logaddexp(torch::log_sigmoid(-gate), log_written.clamp_min(-1e4)));
    log_p = log_p.index_add(0, item, log_word);
    if (torch::GradMode::is_enabled()) {
      besides = taught_share * hidden_nats(words_->layout, hidden, next_bits, changed) +
                explained_share * explanation_nats(words_->layout, known.bits, known.memory, next_bits, item,
                                                   word, choices);
    }

    torch::NoGradGuard no_grad;
    KeptOrWritten choice(logits.detach(), gate.detach(), of(known.bits));
    const auto true_bits = truth.gt(0).view({-1, word_bytes, 8});
    const auto valid = truth.ne(0).view({-1, word_bytes, 8}).any(2);
    auto wrong = torch::zeros_like(item);
    for (int64_t i = 0; i < word_bytes; ++i) {
      const auto byte = true_bits.select(1, i);
      wrong += (choice.choose(i).logical_xor(byte).any(1) & valid.select(1, i)).to(torch::kLong);
      choice.given(i, byte);
    }
    mistakes = mistakes.index_add(0, item, wrong);
  }
  // Of a step that goes on or not, unforeseen, at least the first byte is wrong.
  mistakes = torch::where(ends ^ end_gate.gt(0), mistakes.clamp_min(1), mistakes);
  const auto row_nats = -log_p / static_cast<double>(bytes);
  return {.nats = row_nats.mean(),
          .row_nats = row_nats.detach().to(torch::kFloat),
          .mistakes = mistakes,
          .besides = besides / static_cast<double>(row_nats.size(0) * bytes)};
}

Decoded Fields::decode(const Tensor& condition, const Tensor& may_end) {
  const auto known = words_->know(condition, precision_);
  const int64_t words = words_->layout.count();
  const auto end_gate = known.gates.select(1, words);
  auto next = known.records.to(torch::kLong).clone(), next_bits = known.bits.clone();
  auto gates = words_->gates(known, next_bits).slice(1, 0, words);
  auto written = torch::zeros_like(gates, torch::kBool), changed = torch::zeros_like(written);
  auto log_p = torch::log_sigmoid(-end_gate);
  auto log_first = torch::log_sigmoid(-gates.select(1, 0));  // of the first byte
  HiddenWords hidden;
  Decoded decoded;
  const auto offset = offsets().to(device());
  const auto powers = torch::pow(2, torch::arange(8, torch::TensorOptions(device()).dtype(torch::kLong)));
  // The first word that is open of every record, then the next one …
  const auto number = torch::arange(words, torch::TensorOptions(device()).dtype(torch::kLong));
  auto done = torch::zeros({gates.size(0), 1}, number.options());  // I64 [N, 1]: words decided so far
  while (true) {
    const auto open = gates.gt(0) & number.ge(done);
    const auto item = open.any(1).nonzero().squeeze(1);
    if (item.size(0) == 0) break;
    const auto word = number.masked_fill(~open.index_select(0, item), words).amin(1);
    const auto flat = item * words + word;
    const auto of = [&](const Tensor& x) { return x.flatten(0, 1).index_select(0, flat); };
    const auto old = of(known.bits);
    KeptOrWritten choice(words_->logits(known, {next_bits, changed}, {item, word}, hidden), of(gates), old);
    std::vector<Tensor> bits;
    for (int64_t i = 0; i < word_bytes; ++i) {
      bits.push_back(choice.choose(i));
      choice.given(i, bits.back());
      if (i > 0) continue;
      const auto opening = word.eq(0).nonzero().squeeze(1);
      log_first.index_copy_(0, item.index_select(0, opening), choice.log_all().index_select(0, opening));
    }
    log_p = log_p.index_add(0, item, choice.log_all());
    const auto chosen = torch::stack(bits, 1);                      // bool [M, 4, 8]
    const auto values = (chosen.to(torch::kLong) * powers).sum(2);  // I64 [M, 4]
    const auto as_bits = ((chosen.flatten(1).to(torch::kChar) * 2 - 1) * old.ne(0)).to(torch::kChar);
    next_bits.view({-1, word_bits}).index_copy_(0, flat, as_bits);
    changed.view({-1}).index_copy_(0, flat, as_bits.ne(old).any(1));
    for (int64_t i = 0; i < word_bytes; ++i) {
      const auto there = old.ne(0).view({-1, word_bytes, 8}).select(1, i).any(1).nonzero().squeeze(1);
      const auto row = item.index_select(0, there);
      const auto column = offset.index_select(0, word.index_select(0, there)) + i;
      next.index_put_({row, column}, values.select(1, i).index_select(0, there));
    }
    done.index_copy_(0, item, (word + 1).unsqueeze(1));
    gates = words_->gates(known, next_bits).slice(1, 0, words);
    written.view({-1}).index_fill_(0, flat, true);
    ++decoded.passes;
    decoded.patch_passes += item.size(0);
    decoded.positions += item.size(0);
  }
  log_p = log_p + (torch::log_sigmoid(-gates) * ~written).sum(1);
  const auto log_end = torch::log_sigmoid(end_gate);
  decoded.ended = may_end & log_end.gt(torch::log_sigmoid(-end_gate) + log_first);
  decoded.patches = next.masked_fill(decoded.ended.unsqueeze(1), nothing);
  decoded.confidence = torch::where(decoded.ended, log_end, log_p).to(torch::kFloat);
  return decoded;
}

Tensor Fields::logits(const Tensor& condition, const Tensor& patches, int64_t end, ByteCache* cache) {
  const auto known = words_->know(condition, precision_);
  const int64_t count = condition.size(0), words = words_->layout.count(), bytes = frame().step_bytes;
  const auto f32 = torch::TensorOptions(device()).dtype(wide());
  const auto given = patches.eq(nothing);
  const auto next_bits = bits_of(words_->layout.words, patches.masked_fill(given, 0).to(torch::kByte));
  const auto changed = next_bits.ne(known.bits).any(2);
  const auto long_ = f32.dtype(torch::kLong);
  const auto item = torch::arange(count, long_).repeat_interleave(words);
  const auto word = torch::arange(words, long_).repeat(count);
  HiddenWords hidden;
  const auto logits =
      words_->logits(known, {next_bits, changed}, {item, word}, hidden).view({count, words, word_bits});
  const auto log_set = torch::log_sigmoid(logits), log_clear = torch::log_sigmoid(-logits);
  const auto in_binary = bits_of_bytes(torch::arange(256, torch::kByte)).gt(0).to(f32).t();  // [8, 256]
  constexpr double never = -1e4;
  auto result = torch::full({count, bytes, symbols}, never, f32);
  const auto gates = words_->gates(known, next_bits), end_gate = gates.select(1, words);
  for (int64_t w = 0; w < words; ++w) {
    auto log_written = torch::log_sigmoid(gates.select(1, w));
    auto log_kept = torch::log_sigmoid(-gates.select(1, w));
    for (int64_t i = 0; i < words_->layout.words[w].bytes; ++i) {
      const int64_t at = words_->layout.words[w].offset + i;
      const auto slice = [&](const Tensor& x) { return x.select(1, w).slice(1, 8 * i, 8 * i + 8); };
      const auto log_byte =
          torch::matmul(slice(log_set), in_binary) + torch::matmul(slice(log_clear), 1 - in_binary);
      const auto total = torch::logaddexp(log_written, log_kept).unsqueeze(1);
      auto of_bytes = log_written.unsqueeze(1) + log_byte - total;
      const auto old = known.records.select(1, at).to(torch::kLong).unsqueeze(1);
      of_bytes =
          of_bytes.scatter(1, old, torch::logaddexp(of_bytes.gather(1, old), log_kept.unsqueeze(1) - total));
      if (at == 0) {
        of_bytes = of_bytes + torch::log_sigmoid(-end_gate).unsqueeze(1);
        result.select(1, 0).select(1, nothing) = torch::log_sigmoid(end_gate);
      }
      result.select(1, at).slice(1, 0, 256) = of_bytes;
      const auto byte = patches.select(1, at).clamp_max(255).unsqueeze(1);
      log_written = log_written + log_byte.gather(1, byte).squeeze(1);
      log_kept = log_kept.masked_fill(byte.ne(old).squeeze(1), -1e9);
    }
  }
  // After the end nothing comes.
  const auto ended = given.select(1, 0).view({count, 1, 1});
  const auto rest =
      torch::full({symbols}, never, f32).index_fill(0, torch::tensor({nothing}).to(device()), 0);
  result = torch::cat({result.slice(1, 0, 1), torch::where(ended, rest, result.slice(1, 1))}, 1);
  const int64_t past = cache ? cache->positions : 0;
  if (cache) cache->positions = end;
  return result.slice(1, past, end);
}

Rows Fields::rows(std::span<const Document> documents, Targets targets, const Tensor& chosen) {
  if (targets == Targets::all) throw Error("family fields predicts states only: loss must be states");
  const int64_t bytes = frame().step_bytes, memory = frame().context_bytes;
  std::vector<int64_t> step, document;
  std::vector<uint8_t> condition, image(memory);
  std::vector<const uint8_t*> next;  // null: the end
  int64_t row = 0;
  for (int64_t b = 0; b < std::ssize(documents); ++b) {
    const auto& d = documents[b];
    std::ranges::copy(d.context, image.begin());
    const int64_t predicted = d.count() - (d.complete ? 0 : 1);
    for (int64_t t = 1; t <= predicted; ++t) {
      const auto current = d.step(t - 1);
      apply_write(frame().layout, current, image);
      if (t < frame().first_scored) continue;
      if (chosen.defined() && !chosen.data_ptr<bool>()[row++]) continue;
      condition.insert(condition.end(), current.begin(), current.end());
      condition.insert(condition.end(), image.begin(), image.end());
      next.push_back(t < d.count() ? d.step(t).data() : nullptr);
      step.push_back(t);
      document.push_back(b);
    }
  }
  const int64_t count = std::ssize(next);
  auto patches = torch::full({count, bytes}, nothing, torch::kLong);
  for (int64_t i = 0; i < count; ++i) {
    if (next[i]) std::copy_n(next[i], bytes, patches.data_ptr<int64_t>() + i * bytes);
  }
  const auto known = torch::from_blob(condition.data(), {count, bytes + memory}, torch::kByte).clone();
  return {.condition = upload(known, device()),
          .patches = upload(patches, device()),
          .step = torch::tensor(step, torch::kLong),
          .document = torch::tensor(document, torch::kLong)};
}

namespace {

class FieldsHistory final : public History {
 public:
  // Records and, after each, its memory: U8 [B, P + M].
  FieldsHistory(Frame frame, torch::Device device, Tensor known)
      : frame_(std::move(frame)), device_(device), known_(std::move(known)) {}

  Tensor condition() override { return known_.to(device_); }
  void append(const Tensor& patches) override {
    const auto records = patches.to(torch::kCPU, torch::kByte).contiguous();
    const auto bytes = static_cast<size_t>(frame_.step_bytes),
               memory = static_cast<size_t>(frame_.context_bytes);
    for (int64_t b = 0; b < known_.size(0); ++b) {
      const std::span<const uint8_t> record(records.data_ptr<uint8_t>() + b * records.size(1), bytes);
      uint8_t* own = known_.data_ptr<uint8_t>() + b * known_.size(1);
      std::ranges::copy(record, own);
      apply_write(frame_.layout, record, {own + bytes, memory});
    }
  }
  void keep(const Tensor& index) override { known_ = known_.index_select(0, index.to(torch::kCPU)); }

 private:
  Frame frame_;
  torch::Device device_;
  Tensor known_;  // on the CPU
};

}  // namespace

std::unique_ptr<History> Fields::begin(std::span<const Document> starts) {
  const int64_t bytes = frame().step_bytes, memory = frame().context_bytes;
  auto known = torch::empty({std::ssize(starts), bytes + memory}, torch::kByte);
  for (int64_t b = 0; b < std::ssize(starts); ++b) {
    const auto& d = starts[b];
    uint8_t* own = known.data_ptr<uint8_t>() + b * known.size(1);
    const std::span<uint8_t> image(own + bytes, static_cast<size_t>(memory));
    std::ranges::copy(d.context, image.begin());
    for (int64_t t = 0; t < d.count(); ++t) apply_write(frame().layout, d.step(t), image);
    std::ranges::copy(d.step(d.count() - 1), own);
  }
  return std::make_unique<FieldsHistory>(frame(), device(), known);
}

int64_t Fields::most_steps() const { return std::numeric_limits<int64_t>::max(); }

Tensor Fields::frozen(const std::string& name, const Tensor& parameter) const {
  // Softmaxes and biases are in float.
  for (const char* kept : {"key", "changed_key", "gate_bias", "condition_heads.key"}) {
    if (name == fmt::format("words.{}", kept)) return parameter;
  }
  return parameter.to(precision_);
}

double Fields::forward_flops(std::span<const Document> documents, Targets) const {
  double states = 0, thought_of = 0;
  const auto& layout = words_->layout;
  for (const auto& d : documents) {
    states += static_cast<double>(d.count() - (d.complete ? 0 : 1));
    for (int64_t t = 1; t < d.count(); ++t) {
      const auto before = d.step(t - 1), after = d.step(t);
      int64_t last = -1;  // of the words that change
      for (int64_t w = 0; w < layout.count(); ++w) {
        const auto there = [&](auto x) { return x.subspan(layout.words[w].offset, layout.words[w].bytes); };
        if (std::ranges::equal(there(before), there(after))) continue;
        last = w;
        ++thought_of;
      }
      thought_of +=
          static_cast<double>(std::ranges::count_if(layout.hidden, [&](int64_t h) { return h <= last; }));
    }
  }
  return 2 * (states * words_->record_operations() + thought_of * words_->word_operations());
}

std::vector<TrainedParameter> Fields::trained_parameters() const {
  auto parameters = words_->trained_parameters();
  for (auto& parameter : parameters) parameter.name = "words." + parameter.name;
  return parameters;
}

}  // namespace bytecpu
