// toy8's assembler: any text. What it takes, disassembled and assembled again, is the same image.
#include "emulator/toy8/assembly.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  constexpr size_t memory_bytes = 64;
  fuzz::Input input(data, size);
  std::vector<uint8_t> image;
  if (!fuzz::accepted([&] { image = toy8::assemble(input.text(), "input", memory_bytes); })) return 0;
  fuzz::expect(image.size() == memory_bytes, "an image is as long as the memory");
  const auto text = toy8::disassemble(image);
  fuzz::expect(toy8::assemble(text, "listing", memory_bytes) == image, "a listing is the same program");
  return 0;
}
