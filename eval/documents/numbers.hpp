// Counts and rates as people read them.
#pragma once

#include <cstdint>
#include <string>

#include "eval/measures/metrics.hpp"

namespace bytecpu {

// "1,234,567"
std::string grouped(int64_t number);

// The accuracy in per cent, with as many digits as its distance from 100 % needs; "100 %" only of no error at
// all.
std::string accuracy_text(const Rate& rate);
// Its 95 % interval: "99.78 … 99.95 %".
std::string interval_text(const Rate& rate);

// A share of errors: "0.12 %", "all".
std::string share_text(double share);
// The interval of that share: "0.1 % … 0.3 %"; where there are no errors, the bound that so many allow.
std::string error_interval_text(const Rate& rate);

}  // namespace bytecpu
