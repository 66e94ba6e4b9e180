// A document as text for people: its one-line title, and its figures as aligned tables.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace bytecpu {

// What was evaluated and the headline result: "toy8, 64 bytes: 1 of 665,632 bytes wrong". The headline is that
// of rollouts; without them that of single steps, then that of exhaustive evaluation, and the title says so.
// A model's name is left out; a baseline or files made by another program are named.
std::string title(const nlohmann::ordered_json& document);

// The title, what it is about, and the figures as tables.
std::string summary(const nlohmann::ordered_json& document);

}  // namespace bytecpu
