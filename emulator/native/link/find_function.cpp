#include "emulator/native/link/find_function.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "emulator/error.hpp"

namespace bytecpu::native {

SymbolPlace find_function(std::span<const ElfObject> objects, std::string_view name,
                          std::string_view wanted) {
  std::vector<std::string> names;
  std::vector<SymbolPlace> found;
  for (size_t o = 0; o < objects.size(); ++o) {
    for (size_t s = 0; s < objects[o].symbols.size(); ++s) {
      const ElfSymbol& symbol = objects[o].symbols[s];
      // Assembly seldom says what is a function.
      const bool label = symbol.type == STT_NOTYPE && symbol.section > SHN_UNDEF &&
                         symbol.section < SHN_LORESERVE && !symbol.name.empty() && !wanted.empty() &&
                         objects[o].sections[symbol.section].runs();
      if (!symbol.is_function() && !label) continue;
      if (symbol.is_function()) names.emplace_back(symbol.name);
      if (wanted.empty() ? symbol.is_function() : symbol.name == wanted) found.push_back({o, s});
    }
  }
  if (found.size() == 1) return found[0];
  if (found.size() > 1 && !wanted.empty()) {
    const auto global = [&](const SymbolPlace& e) { return !objects[e.object].symbols[e.symbol].is_local(); };
    if (const auto first = std::ranges::find_if(found, global); first != found.end()) return *first;
  }
  if (names.empty()) throw Error("{}: it names no function", name);
  throw Error("{}: {} function {}; there are: {}", name, found.empty() ? "no" : "more than one",
              wanted.empty() ? "is named: give --function" : wanted, listed(names));
}

std::string listed(std::vector<std::string> names) {
  constexpr size_t most = 20;
  const bool more = names.size() > most;
  names.resize(std::min(names.size(), most));
  return fmt::format("{}{}", fmt::join(names, ", "), more ? ", …" : "");
}

}  // namespace bytecpu::native
