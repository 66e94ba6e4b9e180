// The machines that fuzz targets run: small memories, made once.
#pragma once

#include <array>
#include <memory>

#include "emulator/machine.hpp"

namespace bytecpu::fuzz {

// Of the corpora's first bytes: a new machine comes last.
inline constexpr std::array<std::string_view, 6> machine_of_byte = {"toy8",   "arm64",       "thumb",
                                                                    "x86_64", "x86_64-full", "arm64-full"};

// The machine that a byte stands for. Copies have what earlier inputs left in them, each its own.
inline Machine& machine(uint8_t byte, int copy = 0) {
  static std::array<std::array<std::unique_ptr<Machine>, machine_of_byte.size()>, 2> machines;
  const size_t which = byte % machine_of_byte.size();
  auto& machine = machines.at(static_cast<size_t>(copy))[which];
  const std::string_view name = machine_of_byte[which];
  if (!machine) machine = make_machine(name, name == "toy8" ? 64 : name.ends_with("-full") ? 4096 : 256);
  return *machine;
}

}  // namespace bytecpu::fuzz
