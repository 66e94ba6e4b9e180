// toy8's disassembler: any image has a text that assembles to it.
#include "emulator/toy8/assembly.hpp"
#include "tests/fuzz/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bytecpu;
  std::vector<uint8_t> image(64);
  std::copy_n(data, std::min(size, image.size()), image.begin());
  const auto text = toy8::disassemble(image);
  fuzz::expect(toy8::assemble(text, "listing", image.size()) == image, "a listing is the same program");
  return 0;
}
