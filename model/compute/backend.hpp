// Who computes the operations of this folder. Each operation has a file, with its gradient (layer_norm, mlp,
// attention, embedding, class_loss, greedy, pointer, adamw, product), and asks once for the backend that has kernels for
// its tensors:
//   cpu/    float and bf16 on the processor; kernels.hpp lists the kernels, backend.cpp calls them on tensors
//   cuda/   bf16 on a GPU; the same files but for pointer, and none.cpp where LibTorch is no CUDA build
// Where there is none, as in double, the operation is composed of LibTorch's own operations. That is the plain
// version against which the kernels are tested.
#pragma once

#include <torch/torch.h>

#include <optional>
#include <utility>
#include <vector>

#include "model/compute/adamw.hpp"
#include "model/compute/greedy.hpp"
#include "model/compute/pointer.hpp"

namespace bytecpu {

// Those of words of bits: windows.hpp, arithmetic.hpp, scan.hpp.
class WordBackend {
 public:
  using Tensor = torch::Tensor;
  virtual ~WordBackend() = default;
  virtual Tensor mix_words(const Tensor& weights, const Tensor& planes, const Tensor& item,
                           const Tensor& shift) const = 0;
  // The gradient of the weights of so many words.
  virtual Tensor mix_words_backward(const Tensor& dout, const Tensor& planes, const Tensor& item,
                                    const Tensor& shift, int64_t words) const = 0;
  virtual Tensor rotate_words(const Tensor& weights, const Tensor& words) const = 0;
  // The gradients of weights and words.
  virtual std::pair<Tensor, Tensor> rotate_words_backward(const Tensor& weights, const Tensor& words,
                                                          const Tensor& dout) const = 0;
  virtual Tensor sum_words(const Tensor& weights, const Tensor& words) const = 0;
  // The gradients of weights and words.
  virtual std::pair<Tensor, Tensor> sum_words_backward(const Tensor& weights, const Tensor& words,
                                                       const Tensor& dout) const = 0;
  virtual Tensor arithmetic(const Tensor& bits, int64_t words) const = 0;
  virtual Tensor mix_numbers(const Tensor& weights, const Tensor& numbers) const = 0;
  // The gradient of the weights.
  virtual Tensor mix_numbers_backward(const Tensor& dout, const Tensor& numbers) const = 0;
  // bounds: I64 [M + 1] on the CPU, where each sequence begins, and the end of the last.
  virtual Tensor scan(const Tensor& gates, const Tensor& bounds, const Tensor& start) const = 0;
  // The gradients of gates and start; h is scan's.
  virtual std::pair<Tensor, Tensor> scan_backward(const Tensor& gates, const Tensor& bounds,
                                                  const Tensor& start, const Tensor& h,
                                                  const Tensor& dout) const = 0;
};

// The pieces of operations that a backend has kernels for, without gradients of their own: the operations call
// them in their forward and backward passes. Tensors are contiguous unless said otherwise.
class Backend {
 public:
  using Tensor = torch::Tensor;
  virtual ~Backend() = default;

  // Whether it takes rows of this width: layer norm, MLP, attention.
  virtual bool takes_width(int64_t width) const = 0;
  struct Normalised {
    Tensor y, inverse;  // inverse: F32, 1 / standard deviation of each row
  };
  virtual Normalised layer_norm(const Tensor& x) const = 0;
  // `add`, if defined, is added to the gradient.
  virtual Tensor layer_norm_backward(const Tensor& dy, const Tensor& y, const Tensor& inverse,
                                     const Tensor& add) const = 0;

  // residual + x·weight + bias, the bias if it is defined. residual [rows, out], x [rows, in].
  virtual Tensor add_product(const Tensor& residual, const Tensor& x, const Tensor& weight,
                             const Tensor& bias) const = 0;
  // The gradient of a bias: sums over the rows of dy [rows, width].
  virtual Tensor column_sums(const Tensor& dy) const = 0;

  virtual Tensor relu_squared(const Tensor& x) const = 0;
  virtual Tensor relu_squared_backward(const Tensor& x, Tensor dy) const = 0;  // may overwrite dy
  struct Activated {
    Tensor hidden;  // what the gradient needs
    Tensor y;
  };
  // y = GELU(x·weight + bias).
  virtual Activated gelu_product(const Tensor& x, const Tensor& weight, const Tensor& bias) const = 0;
  // The gradients of x·weight and of the bias for dy = g·nextᵀ, `next` being the weight that y is multiplied by.
  virtual std::pair<Tensor, Tensor> gelu_product_backward(const Tensor& g, const Tensor& next,
                                                          const Tensor& hidden, const Tensor& bias) const = 0;

  // Whether it takes heads of this size, with so many queries and keys.
  virtual bool takes_attention(int64_t size, int64_t queries, int64_t keys, bool causal) const = 0;
  struct Attended {
    Tensor out;                 // [N, queries, width]
    std::vector<Tensor> saved;  // what the gradient needs besides the inputs
  };
  // qkv: [N, P, 3 · width], the query, key and value of each position.
  virtual Attended self_attention(const Tensor& qkv, int64_t heads, bool causal) const = 0;
  virtual Tensor self_attention_backward(const Tensor& qkv, const std::vector<Tensor>& saved,
                                         const Tensor& dout, int64_t heads, bool causal) const = 0;
  // q: [N, Tq, width], kv: [N, Tk, 2 · width]; any strides but for the last dimension, which has no gaps.
  virtual Attended cross_attention(const Tensor& q, const Tensor& kv, int64_t heads, bool causal) const = 0;
  // The gradients of q and kv; both contiguous.
  virtual std::pair<Tensor, Tensor> cross_attention_backward(const Tensor& q, const Tensor& kv,
                                                             const std::vector<Tensor>& saved,
                                                             const Tensor& dout, int64_t heads,
                                                             bool causal) const = 0;

  // table[symbols] + positions, as `type`; the tables are F32.
  virtual Tensor embed(const Tensor& symbols, const Tensor& table, const Tensor& positions,
                       torch::ScalarType type) const = 0;
  // The gradients of table and positions.
  virtual std::pair<Tensor, Tensor> embed_backward(const Tensor& symbols, const Tensor& table,
                                                   const Tensor& positions, const Tensor& dy) const = 0;

  // Whether it takes logits [N, classes] that lie in memory as these do.
  virtual bool takes_classes(const Tensor& logits) const = 0;
  struct Classes {
    Tensor nats, best;  // [N], as in ClassLoss
    Tensor gradient;    // [N, classes], of the sum of nats
  };
  virtual Classes cross_entropy(const Tensor& logits, const Tensor& targets) const = 0;
  // The gradient of the logits for that of the mean of nats, a scalar.
  virtual Tensor cross_entropy_backward(const Tensor& gradient, const Tensor& dmean) const = 0;

  // Whether it has kernels for pointers (pointer.hpp), in float.
  virtual bool moves_pointers() const { return false; }
  struct Pointed {
    Tensor places;  // [N, T, I]
    Tensor sums;    // [N, T], what the rows were divided by
  };
  virtual Pointed move_pointers(const PointerMoves& /*moves*/) const {
    TORCH_CHECK(false, "moves no pointers");
  }
  // The gradients of all but the start.
  virtual PointerMoves move_pointers_backward(const PointerMoves& /*moves*/, const Pointed& /*pointed*/,
                                              const Tensor& /*dplaces*/) const {
    TORCH_CHECK(false, "moves no pointers");
  }

  // Its kernels for words of bits; null where it has none.
  virtual const WordBackend* words() const { return nullptr; }

  // Nothing, and nothing done, where the backend has no kernel for these.
  virtual std::optional<Greedy> greedy(const Tensor& /*logits*/, const Tensor& /*given*/) const { return {}; }
  virtual bool adamw(const AdamWTensors& /*tensors*/, const Tensor& /*divisor*/,
                     const AdamWSettings& /*settings*/) const {
    return false;
  }
};

// The backend with kernels for tensors of this type on this device, null where there is none or use_kernels() is
// off.
const Backend* backend_for(torch::Device device, torch::ScalarType type);
// For x, its rows as wide as they are.
const Backend* backend_for_rows(const torch::Tensor& x);
// That for words of bits, null where there is none or use_kernels() is off.
const WordBackend* word_backend_for(const torch::Tensor& x);
// The backend of a device, for an operation that has found it by backend_for(): in its backward pass, for one.
const Backend& backend_on(torch::Device device);

// Whether this thread's operations use the kernels where they can; for tests and benchmarks.
bool& use_kernels();

}  // namespace bytecpu
