// The machines that fuzz targets run: small memories, made once.
#pragma once

#include <array>
#include <memory>

#include "emulator/machine.hpp"

namespace bytecpu::fuzz {

// Of the corpora's first bytes: a new machine comes last.
inline constexpr std::array<std::string_view, 4> machine_of_byte = {"toy8", "arm64", "thumb", "x86_64"};

// The machine that a byte stands for. Copies have what earlier inputs left in them, each its own.
inline Machine& machine(uint8_t byte, int copy = 0) {
  static std::array<std::array<std::unique_ptr<Machine>, machine_of_byte.size()>, 2> machines;
  const size_t which = byte % machine_of_byte.size();
  auto& machine = machines.at(static_cast<size_t>(copy))[which];
  if (!machine) machine = make_machine(machine_of_byte[which], which == 0 ? 64 : 256);
  return *machine;
}

}  // namespace bytecpu::fuzz
