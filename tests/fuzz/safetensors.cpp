// A safetensors file. What is taken lies within the file.
#include "datagen/io/safetensors.hpp"

#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  const fuzz::MemoryFile contents(fuzz::Input(data, size).text());
  fuzz::accepted([&] {
    const safetensors::File file(contents.path());
    const auto all = file.file_bytes();
    for (const auto& tensor : file.tensors()) {
      uint64_t bytes = safetensors::bytes_per_element(tensor.dtype);
      for (const int64_t length : tensor.shape) {
        fuzz::expect(!__builtin_mul_overflow(bytes, static_cast<uint64_t>(length), &bytes),
                     "a shape has a size");
      }
      fuzz::expect(bytes == tensor.bytes.size(), "a tensor has the bytes of its shape");
      fuzz::expect(bytes == 0 || (tensor.bytes.data() >= all.data() &&
                                  tensor.bytes.data() + bytes <= all.data() + all.size()),
                   "a tensor lies in its file");
      fuzz::expect(file.find(tensor.name) != nullptr, "a tensor is found by its name");
    }
    file.require("weights", safetensors::Dtype::F32, 2);
  });
  return 0;
}
