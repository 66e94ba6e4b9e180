#include "model/compute/cuda/backend.hpp"

#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAException.h>

#include "model/compute/cuda/kernels.hpp"
#include "model/compute/cuda/product.hpp"
#include "model/compute/product.hpp"

namespace bytecpu::cuda {
namespace {

using torch::Tensor;

void* stream() { return at::cuda::getCurrentCUDAStream().stream(); }

const Bf16* in(const Tensor& x) { return static_cast<const Bf16*>(x.data_ptr()); }
Bf16* out(const Tensor& x) { return static_cast<Bf16*>(x.data_ptr()); }

// [B, T, width] → [B, heads, T, size], as LibTorch's attention takes it.
Tensor by_head(const Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
}

// [B, heads, T, size] → [B, T, width].
Tensor joined(const Tensor& x) { return x.transpose(1, 2).flatten(2); }

// Bf16 [N, classes], with as many columns of zeros as make it a multiple of 8: products of other sizes are slow.
Tensor one_hot_rows(const Tensor& symbols, int64_t classes) {
  return symbols.unsqueeze(1)
      .eq(torch::arange((classes + 7) / 8 * 8, symbols.options()))
      .to(torch::kBFloat16);
}

class CudaBackend final : public Backend {
 public:
  bool takes_width(int64_t width) const override { return width % 8 == 0 && width <= widest_row; }

  Normalised layer_norm(const Tensor& x) const override {
    const int64_t width = x.size(-1), rows = x.numel() / width;
    auto y = torch::empty_like(x), inverse = torch::empty({rows}, x.options().dtype(torch::kFloat));
    cuda::layer_norm(in(x), out(y), inverse.data_ptr<float>(), rows, width, stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return {y, inverse};
  }

  Tensor layer_norm_backward(const Tensor& dy, const Tensor& y, const Tensor& inverse,
                             const Tensor& add) const override {
    const int64_t width = y.size(-1), rows = y.numel() / width;
    auto dx = torch::empty_like(y);
    cuda::layer_norm_backward(in(dy), in(y), inverse.data_ptr<float>(), add.defined() ? in(add) : nullptr,
                              out(dx), rows, width, stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return dx;
  }

  // Where cuBLASLt has no product with what follows it for a shape, the same is composed of LibTorch's.
  Tensor add_product(const Tensor& residual, const Tensor& x, const Tensor& weight,
                     const Tensor& bias) const override {
    if (!bias.defined()) return bytecpu::add_product(residual, x, weight);
    auto d = torch::empty_like(residual);
    if (cuda::product(d, x, weight, false, residual, {CUBLASLT_EPILOGUE_BIAS, bias, {}})) return d;
    return torch::addmm(residual + bias, x, weight);
  }

  // A pass of its own: cuBLASLt's products that sum a bias's gradient are for large results, but the gradient of a
  // weight is a small result of very long sums.
  Tensor column_sums(const Tensor& dy) const override { return dy.sum(0); }

  Tensor relu_squared(const Tensor& x) const override {
    auto y = torch::empty_like(x);
    cuda::relu_squared(in(x), out(y), x.numel(), stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return y;
  }

  Tensor relu_squared_backward(const Tensor& x, Tensor dy) const override {
    auto dx = torch::empty_like(x);
    cuda::relu_squared_backward(in(x), in(dy), out(dx), x.numel(), stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return dx;
  }

  // hidden: x·weight + bias.
  Activated gelu_product(const Tensor& x, const Tensor& weight, const Tensor& bias) const override {
    auto hidden = torch::empty({x.size(0), weight.size(1)}, x.options()), y = torch::empty_like(hidden);
    if (!cuda::product(y, x, weight, false, {}, {CUBLASLT_EPILOGUE_GELU_AUX_BIAS, bias, hidden})) {
      hidden = torch::addmm(bias, x, weight);
      y = torch::gelu(hidden, "tanh");
    }
    return {hidden, y};
  }

  std::pair<Tensor, Tensor> gelu_product_backward(const Tensor& g, const Tensor& next, const Tensor& hidden,
                                                  const Tensor& /*bias*/) const override {
    auto d = torch::empty_like(hidden), sums = torch::empty({hidden.size(1)}, hidden.options());
    if (!cuda::product(d, g, next, true, {}, {CUBLASLT_EPILOGUE_DGELU_BGRAD, sums, hidden})) {
      d = at::gelu_backward(torch::mm(g, next.t()), hidden, "tanh");
      sums = d.sum(0);
    }
    return {d, sums};
  }

  // LibTorch's flash attention masks the later keys only where there are as many queries as keys.
  bool takes_attention(int64_t size, int64_t queries, int64_t keys, bool causal) const override {
    return size % 8 == 0 && size <= 256 && (!causal || queries == keys);
  }

  Attended self_attention(const Tensor& qkv, int64_t heads, bool causal) const override {
    if (!is_short(qkv, heads)) {
      const auto parts = qkv.chunk(3, 2);
      return flash(parts[0], parts[1], parts[2], heads, causal);
    }
    const int64_t width = qkv.size(2) / 3;
    auto mixed = torch::empty({qkv.size(0), short_length, width}, qkv.options());
    short_attention(in(qkv), out(mixed), qkv.size(0), static_cast<int>(heads),
                    static_cast<int>(width / heads), causal, stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return {mixed, {}};
  }

  Tensor self_attention_backward(const Tensor& qkv, const std::vector<Tensor>& saved, const Tensor& dout,
                                 int64_t heads, bool causal) const override {
    auto dqkv = torch::empty_like(qkv);
    if (!is_short(qkv, heads)) {
      flash_backward(qkv.chunk(3, 2), saved, dout, heads, causal, dqkv.chunk(3, 2));
      return dqkv;
    }
    short_attention_backward(in(qkv), in(dout), out(dqkv), qkv.size(0), static_cast<int>(heads),
                             static_cast<int>(qkv.size(2) / 3 / heads), causal, stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return dqkv;
  }

  Attended cross_attention(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) const override {
    const auto halves = kv.chunk(2, 2);
    return flash(q, halves[0], halves[1], heads, causal);
  }

  std::pair<Tensor, Tensor> cross_attention_backward(const Tensor& q, const Tensor& kv,
                                                     const std::vector<Tensor>& saved, const Tensor& dout,
                                                     int64_t heads, bool causal) const override {
    auto dq = torch::empty_like(q), dkv = torch::empty_like(kv);
    const auto halves = kv.chunk(2, 2), gradients = dkv.chunk(2, 2);
    flash_backward({q, halves[0], halves[1]}, saved, dout, heads, causal, {dq, gradients[0], gradients[1]});
    return {dq, dkv};
  }

  Tensor embed(const Tensor& symbols, const Tensor& table, const Tensor& positions,
               torch::ScalarType type) const override {
    return torch::embedding(table.to(type), symbols) + positions.to(type);
  }

  // The table's gradient is the product one_hot(symbols)ᵀ·dy.
  std::pair<Tensor, Tensor> embed_backward(const Tensor& symbols, const Tensor& table, const Tensor&,
                                           const Tensor& dy) const override {
    const int64_t classes = table.size(0);
    const auto dtable = torch::mm(one_hot_rows(symbols.flatten(), classes).t(), dy.flatten(0, 1));
    return {dtable.slice(0, 0, classes).to(torch::kFloat), dy.sum({0}, false, torch::kFloat)};
  }

  bool takes_classes(const Tensor& logits) const override {
    return logits.size(1) <= most_classes && logits.stride(1) == 1 && logits.stride(0) >= logits.size(1) &&
           logits.stride(0) <= most_classes;
  }

  // The gradient lies in memory as the logits do.
  Classes cross_entropy(const Tensor& logits, const Tensor& targets) const override {
    const int64_t rows = logits.size(0), classes = logits.size(1), stride = logits.stride(0);
    Classes c{.nats = torch::empty({rows}, logits.options().dtype(torch::kFloat)),
              .best = torch::empty({rows}, targets.options()),
              .gradient = torch::empty({rows, stride}, logits.options()).slice(1, 0, classes)};
    cuda::cross_entropy(in(logits), targets.data_ptr<int64_t>(), c.nats.data_ptr<float>(),
                        c.best.data_ptr<int64_t>(), out(c.gradient), rows, classes, stride, stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return c;
  }

  // The processor does not wait for dmean.
  Tensor cross_entropy_backward(const Tensor& gradient, const Tensor& dmean) const override {
    return gradient.mul(dmean / static_cast<double>(gradient.size(0)));
  }

 private:
  // Whether the kernel for 16 positions takes it.
  static bool is_short(const Tensor& qkv, int64_t heads) {
    const int64_t size = qkv.size(2) / 3 / heads;
    return qkv.size(1) == short_length && (size == 32 || size == 64);
  }

  // LibTorch's attention. q, k, v: [B, T, width], parts of larger tensors.
  static Attended flash(const Tensor& q, const Tensor& k, const Tensor& v, int64_t heads, bool causal) {
    const auto result = at::_scaled_dot_product_flash_attention(by_head(q, heads), by_head(k, heads),
                                                                by_head(v, heads), 0.0, causal);
    const auto& attended = std::get<0>(result);
    // Of the rest, what a dense attention's gradient reads: logarithms of sums, seed and offset of its random
    // numbers.
    return {joined(attended), {attended, std::get<1>(result), std::get<6>(result), std::get<7>(result)}};
  }

  // qkv and dqkv: queries, keys and values, and where their gradients go.
  static void flash_backward(const std::vector<Tensor>& qkv, const std::vector<Tensor>& saved,
                             const Tensor& dout, int64_t heads, bool causal,
                             const std::vector<Tensor>& dqkv) {
    const auto gradients = at::_scaled_dot_product_flash_attention_backward(
        by_head(dout, heads), by_head(qkv[0], heads), by_head(qkv[1], heads), by_head(qkv[2], heads),
        saved[0], saved[1], {}, {}, qkv[0].size(1), qkv[1].size(1), 0.0, causal, saved[2], saved[3]);
    by_head(dqkv[0], heads).copy_(std::get<0>(gradients));
    by_head(dqkv[1], heads).copy_(std::get<1>(gradients));
    by_head(dqkv[2], heads).copy_(std::get<2>(gradients));
  }
};

}  // namespace

const Backend* backend() {
  static const CudaBackend backend;
  return &backend;
}

bool built() { return true; }

std::string card() { return at::cuda::getCurrentDeviceProperties()->name; }

}  // namespace bytecpu::cuda
