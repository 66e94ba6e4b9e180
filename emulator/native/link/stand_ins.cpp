#include "emulator/native/link/stand_ins.hpp"

#include <elf.h>

#include <algorithm>
#include <array>

namespace bytecpu::native {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes words(std::initializer_list<uint32_t> instructions) {
  Bytes bytes;
  for (const uint32_t word : instructions) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(word >> 8 * i));
  }
  return bytes;
}

Bytes of_x86_64(std::string_view name) {
  // MOV RAX, RDI; MOV RCX, RDX; REP MOVSB; RET
  if (name == "memcpy") return {0x48, 0x89, 0xF8, 0x48, 0x89, 0xD1, 0xF3, 0xA4, 0xC3};
  // MOV R8, RDI; MOV EAX, ESI; MOV RCX, RDX; REP STOSB; MOV RAX, R8; RET
  if (name == "memset")
    return {0x49, 0x89, 0xF8, 0x89, 0xF0, 0x48, 0x89, 0xD1, 0xF3, 0xAA, 0x4C, 0x89, 0xC0, 0xC3};
  // MOV RAX, RDI; where RDI - RSI < RDX a byte at a time from the end; else as memcpy
  if (name == "memmove")
    return {0x48, 0x89, 0xF8, 0x48, 0x89, 0xF9, 0x48, 0x29, 0xF1, 0x48, 0x39, 0xD1, 0x73,
            0x13, 0x48, 0x85, 0xD2, 0x74, 0x0D, 0x8A, 0x4C, 0x16, 0xFF, 0x88, 0x4C, 0x17,
            0xFF, 0x48, 0xFF, 0xCA, 0x75, 0xF3, 0xC3, 0x48, 0x89, 0xD1, 0xF3, 0xA4, 0xC3};
  // A loop of MOVZX EAX, [RDI]; MOVZX ECX, [RSI]; SUB EAX, ECX; JNE
  if (name == "memcmp")
    return {0x48, 0x85, 0xD2, 0x74, 0x15, 0x0F, 0xB6, 0x07, 0x0F, 0xB6, 0x0E, 0x29, 0xC8, 0x75, 0x0D,
            0x48, 0xFF, 0xC7, 0x48, 0xFF, 0xC6, 0x48, 0xFF, 0xCA, 0x75, 0xEB, 0x31, 0xC0, 0xC3};
  // XOR EAX, EAX; a loop of CMP [RDI + RAX], 0; JNE; INC RAX
  if (name == "strlen")
    return {0x31, 0xC0, 0xEB, 0x03, 0x48, 0xFF, 0xC0, 0x80, 0x3C, 0x07, 0x00, 0x75, 0xF7, 0xC3};
  if (name == "abort") return {0x0F, 0x0B};  // UD2
  return {};
}

Bytes of_arm64(std::string_view name) {
  // Loops of LDRB and STRB with writing back, X3 in X0's place
  if (name == "memcpy")
    return words({0xB40000C2, 0xAA0003E3, 0x38401424, 0x38001464, 0xF1000442, 0x54FFFFA1, 0xD65F03C0});
  if (name == "memset")
    return words({0xB40000A2, 0xAA0003E3, 0x38001461, 0xF1000442, 0x54FFFFC1, 0xD65F03C0});
  // Where X0 - X1 < X2 from the end
  if (name == "memmove")
    return words({0xB4000102, 0xCB010003, 0xEB02007F, 0x540000C2, 0xD1000442, 0x38626824, 0x38226804,
                  0xB5FFFFA2, 0xD65F03C0, 0xAA0003E3, 0x38401424, 0x38001464, 0xF1000442, 0x54FFFFA1,
                  0xD65F03C0});
  if (name == "memcmp")
    return words({0xB40000E2, 0x38401403, 0x38401424, 0x6B040063, 0x54000081, 0xF1000442, 0x54FFFF61,
                  0x52800003, 0x2A0303E0, 0xD65F03C0});
  if (name == "strlen")
    return words({0xAA0003E1, 0x38401422, 0x35FFFFE2, 0xCB000020, 0xD1000400, 0xD65F03C0});
  if (name == "abort") return words({0xD4207D00});  // BRK #0x3E8
  return {};
}

}  // namespace

std::vector<uint8_t> stand_in(std::string_view name, uint16_t machine) {
  return machine == EM_X86_64 ? of_x86_64(name) : machine == EM_AARCH64 ? of_arm64(name) : Bytes();
}

std::string_view how_to_avoid(std::string_view name) {
  const auto begins = [&](std::initializer_list<std::string_view> those) {
    return std::ranges::any_of(those, [&](std::string_view with) { return name.starts_with(with); });
  };
  if (begins({"__stack_chk"})) return "compile with -fno-stack-protector";
  if (begins({"__aarch64_"})) return "compile with -mno-outline-atomics";
  if (begins({"__asan", "__ubsan", "__tsan", "__sanitizer"})) return "compile without -fsanitize";
  if (begins({"mcount", "__fentry__", "__gcov", "__cyg_profile"}))
    return "compile without profiling and coverage";
  if (begins({"_GLOBAL_OFFSET_TABLE_"})) return "compile with -fno-pic";
  if (begins({"__tls", "__emutls"})) return "compile without thread-local variables";
  if (begins({"str", "mem", "bcmp", "bcopy", "bzero", "stpcpy", "putchar", "puts"})) {
    return "compile with -fno-builtin if it is not called by name, or put its code into the same file";
  }
  if (begins({"__div", "__mod", "__udiv", "__umod", "__mul", "__ash", "__lshr", "__pop", "__clz", "__ctz",
              "__bswap"})) {
    return "it is the compiler's own: link with -static -nostdlib … -lgcc and give the executable";
  }
  return "leave it out, or link its code in: ld -r, an archive of both, or an executable of -static -nostdlib";
}

}  // namespace bytecpu::native
