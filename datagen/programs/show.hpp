// Traces as text for people: the program's listing, and every state with its instruction and what it changed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "emulator/machine.hpp"

namespace bytecpu {

// Value of a field: decimal for one byte, else hexadecimal, most significant digit first.
std::string field_text(std::span<const uint8_t> record, const Field& field);

// Lines of the program's listing, comments included.
std::vector<std::string> program_lines(const Machine& machine, std::span<const uint8_t> image);

// A table of the states, a row each. Values that differ from the state before are marked with *. A layout too
// wide for a table shows these values alone. Why the run ended is said where it is known.
std::string trace_text(const Machine& machine, const Trace& trace);

// {"machine", "memory_bytes", "program": [line …], "states": [{"instruction", "fields": {name: value},
// "changed": [name …]} …], "stop"}; values of more than 8 bytes are hexadecimal strings.
nlohmann::ordered_json trace_json(const Machine& machine, const Trace& trace);

}  // namespace bytecpu
