#include "eval/documents/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace bytecpu {
namespace {

// Decimals of a percentage that show an error rate's two leading digits.
int decimals(double error) {
  return error <= 0 ? 2 : std::clamp(1 - static_cast<int>(std::floor(std::log10(error * 100))), 2, 12);
}

std::string percent(double accuracy, double error) {
  return error <= 0 ? "100 %" : fmt::format("{:.{}f} %", accuracy * 100, decimals(error));
}

}  // namespace

std::string grouped(int64_t number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), 1, ',');
  return text;
}

std::string accuracy_text(const Rate& rate) {
  const double error = rate.total ? static_cast<double>(rate.wrong()) / static_cast<double>(rate.total) : 1;
  return percent(rate.accuracy(), error);
}

std::string interval_text(const Rate& rate) {
  const auto [low, high] = rate.interval();
  return fmt::format("{:.{}f} … {}", low * 100, decimals(1 - low),
                     percent(high, rate.wrong() ? 1 - high : 0));
}

std::string share_text(double share) {
  if (share >= 1) return "all";
  return share > 0.995 ? "> 99.5 %" : fmt::format("{:.2g} %", 100 * share);
}

std::string error_interval_text(const Rate& rate) {
  const auto [low, high] = rate.interval();
  return rate.wrong() == 0 ? "< " + share_text(1 - low) : share_text(1 - high) + " … " + share_text(1 - low);
}

}  // namespace bytecpu
