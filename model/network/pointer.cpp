#include "model/network/pointer.hpp"

#include <algorithm>
#include <numeric>
#include <ranges>

#include "emulator/error.hpp"
#include "model/compute/attention.hpp"
#include "model/compute/embedding.hpp"
#include "model/compute/layer_norm.hpp"
#include "model/compute/scan.hpp"
#include "model/compute/torch_compat.hpp"
#include "model/network/byte_windows.hpp"

namespace bytecpu {
namespace {

using torch::Tensor;

// Symbols beside each other that are seen at once: of the input those around a place, of the output the last ones.
constexpr int64_t input_window = 5, output_window = 8;
constexpr int64_t table_width = 64, key_width = 16, count_bytes = 4;

void add_bytes(std::vector<int64_t>& to, auto bytes) {
  for (const auto byte : bytes) to.push_back(static_cast<uint8_t>(byte));
}
void add_ended(std::vector<int64_t>& to, auto bytes) {
  add_bytes(to, bytes);
  to.push_back(nothing);
}

int64_t bytes_and_end(const Document& d) { return std::ssize(d.steps) + (d.complete ? 1 : 0); }

// Rows of x [all, ...], counts[i] each, what is left over at the end.
std::vector<Tensor> split(const Tensor& x, std::vector<int64_t> counts) {
  counts.push_back(x.size(0) - std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  return x.split_with_sizes(counts, 0);
}
// As many rows as `like` has, zeros behind those of the parts.
Tensor join(std::vector<Tensor> parts, const Tensor& like) {
  int64_t rows = 0;
  for (const auto& part : parts) rows += part.size(0);
  if (rows < like.size(0)) parts.push_back(torch::zeros({like.size(0) - rows, like.size(1)}, like.options()));
  return torch::cat(parts, 0);
}

// Attention in each document: q [rows, width], the documents' rows beside each other.
Tensor attend(const Tensor& q, const std::vector<int64_t>& counts, const std::vector<Tensor>& keys_values,
              int64_t heads) {
  const auto queries = split(q, counts);
  std::vector<Tensor> found;
  for (size_t b = 0; b < counts.size(); ++b)
    found.push_back(cross_attention(queries[b].unsqueeze(0), keys_values[b], heads).squeeze(0));
  return join(std::move(found), q);
}

// [rows, heads · width] → [heads, rows, width].
Tensor by_head(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), heads, x.size(1) / heads}).transpose(0, 1).contiguous();
}

// The bytes of numbers, the lowest first: [N, count_bytes].
Tensor bytes_of_counts(const Tensor& counts) {
  const auto shift = torch::arange(0, 8 * count_bytes, 8, counts.options());
  return counts.unsqueeze(1).bitwise_right_shift(shift).bitwise_and(255);
}

}  // namespace

// The input as the model reads it: what is wanted, what the input is, the input; each ended.
std::vector<int64_t> Pointer::input_of(const Document& d) const {
  std::vector<int64_t> input;
  add_ended(input, d.extension);
  if (d.context_extension) add_ended(input, *d.context_extension);
  if (d.context.empty()) return input;
  if (config_.from_end) {
    add_ended(input, std::views::reverse(d.context));
  } else {
    add_ended(input, d.context);
  }
  return input;
}

// What stands before the first byte that is written, then the output.
std::vector<int64_t> Pointer::output_of(const Document& d) const {
  std::vector<int64_t> output;
  add_ended(output, d.extension);
  if (config_.from_end) {
    add_bytes(output, std::views::reverse(d.steps));
  } else {
    add_bytes(output, d.steps);
  }
  return output;
}

Pointer::Pointer(const ModelConfig& config) : ByteModel(config) {
  const auto& c = config_;
  const int64_t width = c.byte_width, pointers = c.memory_heads;
  const auto matrix = [&](const std::string& name, int64_t in, int64_t out, double gain) {
    return register_module(name, Matrix(in, out, gain));
  };
  input_symbol_ = register_module("input_symbol", Table(symbols, table_width, 0.3));
  symbol_ = register_module("symbol", Table(symbols, table_width, 0.3));
  input_in_ = matrix("input_in", input_window * table_width, width, 1.0);
  in_ = matrix("in", output_window * table_width, width, 1.0);
  // The last one is behind the recurrence.
  for (int i = 0; i <= c.encoder_layers; ++i) encoder_->push_back(PlainBlock(width, 0, c.encoder_mlp));
  register_module("encoder", encoder_);
  scan_in_ = matrix("scan_in", width, 2 * width, 1.0);
  scan_out_ = matrix("scan_out", width, width, 0.0);
  // At the start some channels remember a byte or two, some hundreds, some all.
  scan_bias_ = register_parameter(
      "scan_bias", torch::cat({torch::linspace(0, 6, width / 4).repeat({4}), torch::zeros({width})}));
  if (c.from_end) copy_ = matrix("copy", width, count_bytes, 0.0);
  query_ = matrix("query", width, pointers * key_width, 0.3);
  key_ = matrix("key", width, pointers * key_width, 0.3);
  value_ = matrix("value", width, width, 1.0);
  found_ = matrix("found", width, width, 0.0);
  place_ = matrix("place", width, 2 * pointers, 0.0);
  move_ = matrix("move", width, 2 * pointers, 0.0);
  for (int i = 0; i <= c.byte_layers; ++i) mlps_->push_back(PlainBlock(width, 0, c.byte_mlp));
  for (int i = 1; i < c.byte_layers; ++i) {
    queries_->push_back(Matrix(width, width, 1.0));
    keys_values_->push_back(Matrix(width, 2 * width, 1.0));
    outs_->push_back(Matrix(width, width, 0.0));
  }
  register_module("mlp", mlps_);
  register_module("attention_query", queries_);
  register_module("attention_key_value", keys_values_);
  register_module("attention_out", outs_);
  head_ = register_module("head", Table(symbols, width, 0.015));
  // At the start some pointers move on by less than a place a byte, some by about one, some by several, as an input is
  // shorter than the output, or longer. None jumps.
  const auto bias = [&](const std::string& name, std::vector<float> first) {
    auto start = torch::zeros({2, pointers});
    for (int64_t h = 0; h < pointers; ++h) start[0][h] = first[static_cast<size_t>(h) % first.size()];
    return register_parameter(name, start.flatten());
  };
  place_bias_ = bias("place_bias", {2.0F, 0.0F, -1.5F, 0.0F});
  move_bias_ = bias("move_bias", {-1.5F, 0.0F, 2.0F, -1.5F});
  torch::NoGradGuard no_grad;
  move_bias_.slice(0, pointers).fill_(-6);
  if (c.byte_init == "structured") {
    const auto features = symbol_features();
    const int64_t shared = std::min(structured_features, width);
    for (auto& table : {input_symbol_, symbol_})
      table->weight.slice(1, 0, structured_features) = features * 0.7;
    head_->weight.slice(1, 0, shared) = features.slice(1, 0, shared) * 0.1;
  }
}

Tensor Pointer::embed(const Tensor& windows, const Table& table, Matrix& in) const {
  const auto none = torch::zeros({windows.size(1), table_width}, table->weight.options());
  return in(bytecpu::embed(windows, table->weight, none, precision_).flatten(1));
}

std::vector<Pointer::Input> Pointer::read(std::span<const Document> documents) {
  const int64_t pointers = config_.memory_heads;
  std::vector<int64_t> counts;
  ByteWindows windows(input_window);
  for (const auto& d : documents) {
    const auto input = input_of(d);
    windows.add(input, 0, std::ssize(input), input_window / 2);
    counts.push_back(std::ssize(input));
  }
  auto x =
      embed(upload(windows.padded(next_common_size(windows.rows())), device()), input_symbol_, input_in_);
  const auto mlp = [&](int64_t i) { return encoder_->at<PlainBlockImpl>(static_cast<size_t>(i)).mlp(x); };
  for (int i = 0; i < config_.encoder_layers; ++i) x = mlp(i);
  // Where a pointer goes depends on what is near a place alone: with all of the input in its keys it finds no way.
  const auto local = layer_norm(x);
  auto sequences = counts;
  sequences.push_back(x.size(0) - windows.rows());
  x = scan_out_->add_to(x, scan(scan_in_(local) + scan_bias_.to(precision_), sequences));
  x = layer_norm(mlp(config_.encoder_layers));
  const auto keys = split(key_(local).to(wide()), counts), values = split(value_(x).to(wide()), counts);
  const auto places = split(torch::addmm(place_bias_, local.to(wide()), place_->weight), counts);
  std::vector<Input> inputs;
  for (size_t b = 0; b < counts.size(); ++b) {
    const auto of_places = places[b].t().contiguous();  // [2 · H, I]
    inputs.push_back({.keys = by_head(keys[b], pointers).transpose(1, 2),
                      .values = by_head(values[b], pointers),
                      .stops = of_places.slice(0, 0, pointers).sigmoid(),
                      .targets = of_places.slice(0, pointers).softmax(1)});
  }
  for (size_t i = 0; i < keys_values_->size(); ++i) {
    const auto of_layer = split(keys_values_->at<MatrixImpl>(i).forward(x), counts);
    for (size_t b = 0; b < counts.size(); ++b) inputs[b].keys_values.push_back(of_layer[b].unsqueeze(0));
  }
  return inputs;
}

Tensor Pointer::write(const Written& written, const std::vector<Input>& inputs, std::vector<Tensor>& places) {
  const int64_t pointers = config_.memory_heads;
  const auto& counts = written.counts;
  auto x = mlps_->at<PlainBlockImpl>(0).mlp(embed(written.windows, symbol_, in_));
  const auto normal = layer_norm(x);
  const auto queries = split(query_(normal).to(wide()), counts);
  const auto moves = split(torch::addmm(move_bias_, normal.to(wide()), move_->weight).sigmoid(), counts);
  std::vector<Tensor> found;
  for (size_t b = 0; b < counts.size(); ++b) {
    const auto of_moves = moves[b].t().contiguous();  // [2 · H, T]
    const auto at = move_pointers({.scores = torch::bmm(by_head(queries[b], pointers), inputs[b].keys) * 0.5,
                                   .stops = inputs[b].stops,
                                   .targets = inputs[b].targets,
                                   .advances = of_moves.slice(0, 0, pointers),
                                   .jumps = of_moves.slice(0, pointers),
                                   .start = places[b]});
    if (counts[b] > 0) places[b] = at.select(1, counts[b] - 1).detach();
    found.push_back(torch::bmm(at, inputs[b].values).transpose(0, 1).flatten(1).to(precision_));
  }
  x = found_->add_to(x, join(std::move(found), x));
  for (size_t i = 0; i < queries_->size(); ++i) {
    x = mlps_->at<PlainBlockImpl>(i + 1).mlp(x);
    std::vector<Tensor> keys_values;
    for (const auto& input : inputs) keys_values.push_back(input.keys_values[i]);
    const auto q = queries_->at<MatrixImpl>(i).forward(layer_norm(x));
    x = outs_->at<MatrixImpl>(i).add_to(x, attend(q, counts, keys_values, config_.byte_heads));
  }
  x = mlps_->at<PlainBlockImpl>(mlps_->size() - 1).mlp(x);
  return config_.from_end ? torch::cat({x, bytes_of_counts(written.bytes).to(x)}, 1) : x;
}

namespace {

// Before the first byte every pointer is at the input's first place.
Tensor first_place(const Tensor& stops) {
  auto start = torch::zeros_like(stops.detach());
  start.select(1, 0).fill_(1);
  return start;
}

}  // namespace

Rows Pointer::rows(std::span<const Document> documents, Targets targets, const Tensor& chosen) {
  if (targets == Targets::all) throw Error("family pointer predicts outputs only: loss must be states");
  std::vector<int64_t> counts, bytes, step, document, symbols_;
  ByteWindows windows(output_window);
  for (int64_t b = 0; b < std::ssize(documents); ++b) {
    const auto& d = documents[static_cast<size_t>(b)];
    if (length(d) > config_.patch_length) {
      throw Error(
          "a file and its input are {} bytes, the model takes {}: raise patch-length or take shorter files",
          length(d), config_.patch_length);
    }
    const int64_t count = bytes_and_end(d), before = std::ssize(d.extension);
    const auto output = output_of(d);
    windows.add(output, before, count, 0);
    counts.push_back(count);
    for (int64_t i = 0; i < count; ++i) {
      const bool end = i == std::ssize(d.steps);
      const int64_t place = config_.from_end ? std::ssize(d.steps) - 1 - i : i;
      symbols_.push_back(end ? nothing : output[static_cast<size_t>(before + 1 + i)]);
      bytes.push_back(i);
      step.push_back(end ? d.count() : place / frame().step_bytes);
      document.push_back(b);
    }
  }
  const int64_t rows = windows.rows();
  Rows result{.condition = {},
              .patches = upload(torch::tensor(symbols_, torch::kLong).unsqueeze(1), device()),
              .step = torch::tensor(step, torch::kLong),
              .document = torch::tensor(document, torch::kLong)};
  if (rows > 0) {
    const auto inputs = read(documents);
    std::vector<Tensor> places;
    for (const auto& input : inputs) places.push_back(first_place(input.stops));
    const int64_t padded = next_common_size(rows);
    bytes.resize(static_cast<size_t>(padded));
    const Written written{upload(windows.padded(padded), device()),
                          upload(torch::tensor(bytes, torch::kLong), device()), counts};
    result.condition = write(written, inputs, places).slice(0, 0, rows);
  }
  if (!chosen.defined() || rows == 0) return result;
  const auto index = chosen.nonzero().flatten(), there = index.to(device());
  return {.condition = result.condition.index_select(0, there),
          .patches = result.patches.index_select(0, there),
          .step = result.step.index_select(0, index),
          .document = result.document.index_select(0, index)};
}

Tensor Pointer::logits(const Tensor& condition, const Tensor&, int64_t end, ByteCache* cache) {
  if (cache) cache->positions = end;
  const int64_t width = config_.byte_width;
  const auto x = layer_norm(condition.slice(1, 0, width).contiguous());
  const auto logits = symbol_logits(x.unsqueeze(1), head_->weight.to(precision_));
  if (!config_.from_end) return logits;
  const auto bytes = condition.slice(1, width).to(torch::kLong).unsqueeze(1);
  return logits.scatter_add(2, bytes, copy_(x).unsqueeze(1).to(logits));
}

class PointerHistory final : public History {
 public:
  PointerHistory(Pointer& model, std::span<const Document> starts)
      : model_(model), inputs_(model.read(starts)) {
    std::vector<int64_t> counts, bytes, last;
    ByteWindows windows(output_window);
    for (const auto& d : starts) {
      windows.add(model.output_of(d), std::ssize(d.extension), std::ssize(d.steps) + 1, 0);
      counts.push_back(std::ssize(d.steps) + 1);
      for (int64_t i = 0; i < counts.back(); ++i) bytes.push_back(i);
      last.push_back(windows.rows() - 1);
    }
    for (const auto& input : inputs_) places_.push_back(first_place(input.stops));
    const auto index = torch::tensor(last, torch::kLong).to(model.device());
    const Pointer::Written all{windows.padded(windows.rows()).to(model.device()),
                               torch::tensor(bytes, torch::kLong).to(model.device()), counts};
    condition_ = model.write(all, inputs_, places_).index_select(0, index);
    written_ = {all.windows.index_select(0, index), all.bytes.index_select(0, index),
                std::vector<int64_t>(starts.size(), 1)};
  }

  Tensor condition() override { return condition_; }
  void append(const Tensor& patches) override {
    written_.windows = torch::cat({written_.windows.slice(1, 1), patches}, 1);
    written_.bytes = written_.bytes + 1;
    condition_ = model_.write(written_, inputs_, places_);
  }
  void keep(const Tensor& index) override {
    const auto of = index.cpu();
    std::vector<Pointer::Input> inputs;
    std::vector<Tensor> places;
    for (int64_t i = 0; i < of.numel(); ++i) {
      const auto at = static_cast<size_t>(of.data_ptr<int64_t>()[i]);
      inputs.push_back(std::move(inputs_[at]));
      places.push_back(std::move(places_[at]));
    }
    inputs_ = std::move(inputs);
    places_ = std::move(places);
    written_ = {written_.windows.index_select(0, index), written_.bytes.index_select(0, index),
                std::vector<int64_t>(inputs_.size(), 1)};
    condition_ = condition_.index_select(0, index);
  }

 private:
  Pointer& model_;
  std::vector<Pointer::Input> inputs_;
  std::vector<Tensor> places_;  // [H, I]
  Pointer::Written written_;
  Tensor condition_;  // [B, width]
};

std::unique_ptr<History> Pointer::begin(std::span<const Document> starts) {
  return std::make_unique<PointerHistory>(*this, starts);
}

int64_t Pointer::most_steps() const { return config_.patch_length / frame().step_bytes; }

int64_t Pointer::length(const Document& document) const {
  return std::ssize(input_of(document)) + std::ssize(document.steps) + 1;
}

int64_t Pointer::predicted(const Document& document, Targets) const { return bytes_and_end(document); }

Tensor Pointer::frozen(const std::string& name, const Tensor& parameter) const {
  // embed() takes tables as they are; what pointers do is not computed in bf16.
  for (const char* as_it_is : {"symbol.", "input_symbol.", "place", "move"}) {
    if (name.starts_with(as_it_is)) return parameter;
  }
  return parameter.to(precision_);
}

double Pointer::forward_flops(std::span<const Document> documents, Targets) const {
  const auto& c = config_;
  const double width = c.byte_width, pointers = c.memory_heads, layers = c.byte_layers - 1;
  const double of_input = 2 * width *
                          (input_window * table_width + (c.encoder_layers + 1) * 2 * c.encoder_mlp * width +
                           3 * width + pointers * key_width + width + 2 * pointers + layers * 2 * width);
  const double of_output =
      2 * width *
      (output_window * table_width + (c.byte_layers + 1) * 2 * c.byte_mlp * width + pointers * key_width +
       2 * pointers + width + layers * 2 * width + symbols + (c.from_end ? count_bytes : 0));
  double flops = 0;
  for (const auto& d : documents) {
    const auto input = static_cast<double>(input_of(d).size()),
               output = static_cast<double>(bytes_and_end(d));
    flops += input * of_input + output * of_output +
             output * input * (2 * pointers * key_width + 2 * width + 20 * pointers + layers * 4 * width);
  }
  return flops;
}

std::vector<TrainedParameter> Pointer::trained_parameters() const {
  std::vector<TrainedParameter> parameters;
  for (const auto& item : named_parameters()) {
    const auto& name = item.key();
    const bool other = item.value().dim() != 2 || name == "place.weight" || name == "move.weight" ||
                       name == "head.weight" || name == "scan_bias" || name == "copy.weight" ||
                       name.find("symbol.") != std::string::npos;
    const int parts = name.starts_with("attention_key_value") || name.starts_with("scan_in") ? 2 : 1;
    parameters.push_back({.name = name, .tensor = item.value(), .hidden_matrix = !other, .parts = parts});
  }
  return parameters;
}

}  // namespace bytecpu
