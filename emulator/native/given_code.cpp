#include "emulator/native/given_code.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "emulator/error.hpp"

namespace bytecpu::native {
namespace {

class Check {
 public:
  Check(std::span<const uint8_t> code, const InstructionSet& set, const Disassembler& disassembler,
        std::string_view file, const ElfFunction* function)
      : code_(code),
        set_(set),
        disassembler_(disassembler),
        name_(function ? fmt::format("{}: {}", file, function->name) : std::string(file)),
        function_(function),
        seen_(code.size()) {}

  void follow() {
    todo_.push_back(0);
    while (!todo_.empty()) {
      const size_t at = todo_.back();
      todo_.pop_back();
      follow_from(at);
    }
  }

 private:
  // As far as it goes on without a jump.
  void follow_from(size_t at) {
    while (at < code_.size() && !seen_[at]) {
      seen_[at] = true;
      const auto rest = code_.subspan(at);
      const Decoded decoded = set_.decode(rest);
      if (decoded.bytes == 0 && ends_inside(rest)) {
        throw Error("{}: the code ends inside of an instruction, at +{:#x} of {:#x} bytes", name_, at,
                    code_.size());
      }
      const Flow flow = set_.flow(rest);
      if (flow.refers_to && function_) check_reference(at, *flow.refers_to, flow.relative);
      if (!flow.wrong.empty()) {
        throw Error("{}: {} at +{:#x}: {}; it is in random programs only", name_, text_at(at), at,
                    flow.wrong);
      }
      if (decoded.bytes == 0 || decoded.halts) return;  // the run ends here
      if (decoded.displacement.width > 0) {
        const int64_t to = static_cast<int64_t>(at) + decoded.displacement.get(rest.first(decoded.bytes));
        if (within(to)) {
          todo_.push_back(static_cast<size_t>(to));
        } else if (function_) {
          refuse(at, "leads to", to);
        }
      }
      if (!flow.goes_on) return;
      at += decoded.bytes;
    }
  }

  // Whether zeros behind it would make an instruction of what is none.
  bool ends_inside(std::span<const uint8_t> rest) const {
    if (rest.size() < static_cast<size_t>(set_.about().alignment)) return true;
    constexpr size_t longest = 15;
    if (rest.size() >= longest || disassembler_.decode(rest, 0)) return false;
    std::vector<uint8_t> padded(rest.begin(), rest.end());
    padded.resize(longest);
    return disassembler_.decode(padded, 0).has_value();
  }

  bool within(int64_t offset) const { return offset >= 0 && offset < static_cast<int64_t>(code_.size()); }

  void check_reference(size_t at, int64_t value, bool relative) const {
    if (relative) {
      const int64_t to = static_cast<int64_t>(at) + value;
      if (!within(to)) refuse(at, "refers to", to);
    } else if (function_->address) {
      const auto to = static_cast<int64_t>(static_cast<uint64_t>(value) - *function_->address);
      if (place_of(to)) refuse(at, "refers to", to);
    }
  }

  const ElfFunction::Place* place_of(int64_t offset) const {
    const auto found = std::ranges::find_if(function_->places, [&](const ElfFunction::Place& place) {
      return offset == place.offset ||
             (offset > place.offset && static_cast<uint64_t>(offset - place.offset) < place.bytes);
    });
    return found == function_->places.end() ? nullptr : &*found;
  }

  std::string text_at(size_t at) const {
    const auto text = disassembler_.decode(code_.subspan(at), 0);
    return std::string(text ? text->mnemonic : "an instruction");
  }

  [[noreturn]] void refuse(size_t at, std::string_view how, int64_t to) const {
    const auto* place = place_of(to);
    throw Error("{}: {} at +{:#x} {} {}, outside of it: only functions that stand alone can be run", name_,
                text_at(at), at, how,
                place ? place->name : fmt::format("{}{:#x}", to < 0 ? "-" : "+", to < 0 ? -to : to));
  }

  const std::span<const uint8_t> code_;
  const InstructionSet& set_;
  const Disassembler& disassembler_;
  const std::string name_;
  const ElfFunction* const function_;
  std::vector<bool> seen_;
  std::vector<size_t> todo_;
};

}  // namespace

void check_given(std::span<const uint8_t> code, const InstructionSet& set, const Disassembler& disassembler,
                 std::string_view file, const ElfFunction* function) {
  Check(code, set, disassembler, file, function).follow();
}

}  // namespace bytecpu::native
