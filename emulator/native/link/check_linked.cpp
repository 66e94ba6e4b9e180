#include "emulator/native/link/check_linked.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "emulator/error.hpp"
#include "emulator/native/link/stand_ins.hpp"

namespace bytecpu::native {
namespace {

class Check {
 public:
  Check(const Linked& linked, std::span<const uint8_t> image, const InstructionSet& set,
        const Disassembler& disassembler, std::string_view file)
      : linked_(linked), image_(image), set_(set), disassembler_(disassembler), file_(file) {}

  void follow() {
    code_.push_back(linked_.entry);
    while (!code_.empty() || !data_.empty()) {
      if (!code_.empty()) {
        const size_t at = code_.back();
        code_.pop_back();
        follow_code(at);
      } else {
        const auto part = data_.back();
        data_.pop_back();
        const auto begin = static_cast<size_t>(part->offset);
        follow_references(begin, begin + static_cast<size_t>(part->bytes), false);
      }
    }
  }

 private:
  // Where a jump's register says where it goes, perhaps to anywhere in its function.
  size_t end_of_function(size_t at) const {
    auto next = std::ranges::upper_bound(linked_.functions, at, {}, &std::pair<size_t, size_t>::first);
    return next == linked_.functions.begin() ? at : std::prev(next)->second;
  }

  void follow_code(size_t at) {
    size_t all_until = 0;
    while (at < image_.size() && seen_.insert(at).second) {
      const auto rest = image_.subspan(at);
      const Decoded decoded = set_.decode(rest);
      size_t bytes = static_cast<size_t>(decoded.bytes);
      if (bytes == 0) {
        const auto text = disassembler_.decode(rest.first(std::min<size_t>(rest.size(), 16)), 0);
        if (!text) return;
        bytes = static_cast<size_t>(text->bytes);
      }
      follow_references(at, at + bytes, true);
      const bool past = at + bytes < all_until;                    // other ways lead behind it
      if ((decoded.bytes == 0 || decoded.halts) && !past) return;  // the run ends here
      if (decoded.displacement.width > 0) {
        const auto to = static_cast<int64_t>(at) + decoded.displacement.get(rest.first(bytes));
        if (to >= 0 && to < static_cast<int64_t>(image_.size())) code_.push_back(static_cast<size_t>(to));
      }
      if (!set_.flow(rest).goes_on) {
        if (decoded.displacement.width == 0) all_until = std::max(all_until, end_of_function(at));
        if (at + bytes >= all_until) return;
      }
      at += bytes;
    }
  }

  void follow_references(size_t begin, size_t end, bool in_code) {
    auto r = std::ranges::lower_bound(linked_.references, begin, {}, &Linked::Reference::at);
    for (; r != linked_.references.end() && r->at < end; ++r) {
      if (!r->outside.empty()) refuse(*r, in_code ? begin : r->at, in_code);
      // A distance in the data is a jump table's, from its own beginning: end_of_function() stands for it.
      if (in_code) {
        follow_to(r->relative ? r->to + (end - r->at) : r->to);
      } else if (!r->relative) {
        follow_to(r->to);
      }
    }
  }

  // A function, or all of the part that it lies in: what else of it the program comes to is not known.
  void follow_to(size_t offset) {
    const auto part = std::ranges::find_if(linked_.parts, [&](const Program::Part& p) {
      return offset >= static_cast<size_t>(p.offset) && offset < static_cast<size_t>(p.offset + p.bytes);
    });
    if (part == linked_.parts.end()) return;
    if (part->name == "addresses (GOT)") {
      follow_references(offset, offset + address_bytes, false);
    } else if (is_code(*part)) {
      code_.push_back(offset);
    } else if (reached_.insert(part->offset).second) {
      data_.push_back(&*part);
    }
  }

  static bool is_code(const Program::Part& part) {
    const auto name = std::string_view(part.name);
    const auto section = name.substr(std::min(name.find(':') + 1, name.size()));
    return section.find(".text") != section.npos || section.find("(stand-in)") != section.npos ||
           section.starts_with(".init") || section.starts_with(".fini") || section.starts_with(".plt");
  }

  [[noreturn]] void refuse(const Linked::Reference& reference, size_t at, bool in_code) const {
    std::string where = "an address in its data";
    if (in_code) {
      const auto text =
          disassembler_.decode(image_.subspan(at, std::min<size_t>(16, image_.size() - at)), at);
      where = fmt::format("{} at {:#x}", text ? text->mnemonic : "an instruction", at);
    }
    throw Error("{}: {} needs {}, which is not in the file ({}): {}", file_, linked_.function,
                reference.outside, where, how_to_avoid(reference.outside));
  }

  const Linked& linked_;
  const std::span<const uint8_t> image_;
  const InstructionSet& set_;
  const Disassembler& disassembler_;
  const std::string_view file_;
  std::unordered_set<size_t> seen_;
  std::unordered_set<int> reached_;
  std::vector<size_t> code_;
  std::vector<const Program::Part*> data_;
};

}  // namespace

void check_linked(const Linked& linked, std::span<const uint8_t> image, const InstructionSet& set,
                  const Disassembler& disassembler, std::string_view file) {
  Check(linked, image, set, disassembler, file).follow();
}

}  // namespace bytecpu::native
