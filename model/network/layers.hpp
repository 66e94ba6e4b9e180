// Layers with GPT-2's names and parameters, shared by the model families. Activations keep the precision that they
// come in; parameters are float and are converted where they are used.
#pragma once

#include <torch/torch.h>

namespace bytecpu {

// y = x·W + b with W stored (in, out), as GPT-2 stores it. x: [..., in].
struct Conv1DImpl : torch::nn::Module {
  Conv1DImpl(int64_t in, int64_t out, double standard_deviation);
  torch::Tensor forward(const torch::Tensor& x) const;
  torch::Tensor weight, bias;
};
TORCH_MODULE(Conv1D);

// Normalises the last dimension; eps 1e-5.
struct LayerNormImpl : torch::nn::Module {
  explicit LayerNormImpl(int64_t width);
  torch::Tensor forward(const torch::Tensor& x) const;
  torch::Tensor weight, bias;
};
TORCH_MODULE(LayerNorm);

// Keys and values of earlier positions, the keys before the values: [B, T, 2 · width]. Memory grows by
// doubling.
class KeyValues {
 public:
  // Joins more positions to them; returns all, a view.
  torch::Tensor append(const torch::Tensor& more);
  // Goes on with the items of `index` (I64) only, and with the first `count` positions.
  void keep(const torch::Tensor& index, int64_t count);

 private:
  torch::Tensor room_;  // [B, positions_ or more, 2 · width]; undefined while empty
  int64_t positions_ = 0;
};

// Causal multi-head self-attention. x: [B, T, width].
struct AttentionImpl : torch::nn::Module {
  AttentionImpl(int64_t width, int64_t heads, double output_deviation);
  // With a cache, x follows the cached positions and joins them.
  torch::Tensor forward(const torch::Tensor& x, KeyValues* cache = nullptr);
  int64_t heads;
  Conv1D c_attn{nullptr}, c_proj{nullptr};
};
TORCH_MODULE(Attention);

struct MlpImpl : torch::nn::Module {
  MlpImpl(int64_t width, double output_deviation);
  torch::Tensor forward(const torch::Tensor& x);
  Conv1D c_fc{nullptr}, c_proj{nullptr};
};
TORCH_MODULE(Mlp);

// Pre-norm transformer block.
struct BlockImpl : torch::nn::Module {
  BlockImpl(int64_t width, int64_t heads, double output_deviation);
  torch::Tensor forward(torch::Tensor x, KeyValues* cache = nullptr);
  LayerNorm ln_1{nullptr}, ln_2{nullptr};
  Attention attn{nullptr};
  Mlp mlp{nullptr};
};
TORCH_MODULE(Block);

// A table of vectors under the name `weight`.
struct TableImpl : torch::nn::Module {
  TableImpl(int64_t rows, int64_t width, double standard_deviation);
  torch::Tensor weight;
};
TORCH_MODULE(Table);

// Learned positions, blocks and a final norm: GPT-2 without its input embedding.
struct Gpt2Impl : torch::nn::Module {
  Gpt2Impl(int64_t positions, int64_t width, int64_t layers, int64_t heads);
  // x: [B, T, width], embedded. With caches (one a layer), x follows `past` cached positions.
  torch::Tensor forward(const torch::Tensor& x, std::vector<KeyValues>* caches = nullptr, int64_t past = 0);
  // The same, positions being in x.
  torch::Tensor blocks(torch::Tensor x, std::vector<KeyValues>* caches = nullptr);
  Table wpe{nullptr};
  torch::nn::ModuleList h;
  LayerNorm ln_f{nullptr};
};
TORCH_MODULE(Gpt2);

// y = x·W, W stored (in, out), at the start normal with standard deviation gain / sqrt(in).
struct MatrixImpl : torch::nn::Module {
  MatrixImpl(int64_t in, int64_t out, double gain);
  torch::Tensor forward(const torch::Tensor& x) const;
  torch::Tensor add_to(const torch::Tensor& residual, const torch::Tensor& x) const;  // residual + x·W
  torch::Tensor weight;
};
TORCH_MODULE(Matrix);

// Transformer block without biases and gains, its MLP with squared rectifiers; what it adds starts at zero.
struct PlainBlockImpl : torch::nn::Module {
  PlainBlockImpl(int64_t width, int64_t heads, int64_t mlp_multiple);  // heads 0: no attention
  // Attention among the positions of each row, x: [N, P, width]. With a cache, causal only, x follows the
  // cached positions and joins them.
  torch::Tensor forward(const torch::Tensor& x, bool causal, KeyValues* cache = nullptr);
  torch::Tensor mlp(const torch::Tensor& x);
  int64_t heads;
  Matrix qkv{nullptr}, out{nullptr}, up{nullptr}, down{nullptr};
};
TORCH_MODULE(PlainBlock);

// The low bits of 0 … count - 1 as -1 and 1, the lowest first: F32 [count, bits].
torch::Tensor in_binary(int64_t count, int64_t bits);
// Cosines, then sines, of 0 … count - 1 at 1, 2 … times the given period: F32 [count, 2 · harmonics].
torch::Tensor sinusoids(int64_t count, double period, int64_t harmonics);

// Features of each symbol 0 … 256, F32 [257, structured_features]: its eight bits as ±1, its value and
// logarithm scaled to ±1, sinusoids of period 16 and 256; the symbol 256 has a coordinate of its own and
// zeros elsewhere.
inline constexpr int64_t structured_features = 8 + 2 + 16 + 16 + 1;
torch::Tensor symbol_features();

}  // namespace bytecpu
