// Takes compiled code to pieces. Code is read from the start of each section on, one instruction after the other, as
// compilers write it; what is no code in between costs a piece, or makes one that is none: it runs all the same.
#include <elf.h>

#include <algorithm>
#include <optional>

#include "emulator/arm64/arm64.hpp"
#include "emulator/error.hpp"
#include "emulator/harvest.hpp"
#include "emulator/native/elf_function.hpp"
#include "emulator/native/link/elf_object.hpp"
#include "emulator/native/listing.hpp"
#include "emulator/x86_64/x86_64.hpp"

namespace bytecpu {
namespace {

using namespace native;

constexpr size_t least_instructions = 2, most_in_block = 32, most_in_function = 64, most_function_bytes = 512;
constexpr size_t longest_instruction = 16;

std::unique_ptr<InstructionSet> instructions_of(std::string_view machine) {
  if (machine.starts_with("x86_64")) return make_x86_64_instructions(machine != "x86_64");
  if (machine.starts_with("arm64")) return make_arm64_instructions(machine != "arm64");
  throw Error("{} runs no code of ELF files; use x86_64, arm64, or one of them with -full", machine);
}

// Names by which instructions know a register: "eax" and "rax", "w0" and "x0".
std::vector<std::string> names_of(std::string_view field) {
  std::string name;
  for (const char c : field) name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const std::string rest = name.substr(1);
  if (name == "lr") return {"x30", "w30"};
  if (name == "sp") return {"sp", "wsp"};
  if (name[0] == 'w' || name[0] == 'x') return {"x" + rest, "w" + rest};
  if (name[0] == 'e') return {"r" + rest, name};
  if (name.ends_with('d') && rest[0] >= '0' && rest[0] <= '9') return {name.substr(0, name.size() - 1), name};
  if (rest[0] >= '0' && rest[0] <= '9') return {name, name + "d"};
  return {name, "e" + rest};
}

class NativeHarvester final : public Harvester {
 public:
  NativeHarvester(std::string_view machine, int memory_bytes)
      : machine_(make_machine(machine, memory_bytes)),
        layout_(machine_->layout()),
        set_(instructions_of(machine)),
        about_(set_->about()),
        listing_(*set_, layout_) {
    for (const Operation& o : set_->operations()) operations_.emplace(o.mnemonic, &o);
    for (const Register& r : about_.registers) {
      for (auto& name : names_of(r.name)) fields_.emplace(std::move(name), r.name);
    }
    for (const Region& region : machine_->regions()) regions_.emplace(region.name, region);
    most_bytes_ = static_cast<size_t>(regions_.at("code").bytes) - 2 * about_.halt.size();
  }

  bool takes(std::string_view contents) const override {
    if (!is_elf(contents)) return false;
    try {
      check_machine(contents, "", about_.elf_machine);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  Harvest harvest(std::string_view contents, std::string_view name) const override {
    Harvest result;
    for (const ElfSection& section : read_elf(contents, name, about_.elf_machine).sections) {
      if (!section.loaded() || !section.runs() || !section.name.starts_with(".text")) continue;
      const std::span code(reinterpret_cast<const uint8_t*>(section.contents.data()),
                           section.contents.size());
      harvest_section(code, result);
    }
    return result;
  }

  void draw_start(RandomSource& random, const CodePiece& piece, std::span<uint8_t> start) const override;

 private:
  // An instruction; `operation` is null where the machine does not include it.
  struct Step {
    Decoded decoded;
    size_t bytes = 0;
    InstructionText text;
    const Operation* operation = nullptr;
    Flow flow = {};
  };

  std::optional<Step> step(std::span<const uint8_t> code, size_t at) const {
    const auto rest = code.subspan(at, std::min(longest_instruction, code.size() - at));
    const auto text = listing_.disassembler().decode(rest, at);
    if (!text) return std::nullopt;
    Step step{.decoded = set_->decode(rest), .bytes = static_cast<size_t>(text->bytes), .text = *text};
    step.flow = set_->flow(rest);
    const auto found = operations_.find(text->mnemonic);
    if (step.decoded.bytes == text->bytes && found != operations_.end() && step.flow.wrong.empty())
      step.operation = found->second;
    return step;
  }

  // The mnemonic, and the reason without what to do about it.
  std::string why(const Step& step, std::span<const uint8_t> code) const {
    const auto reason =
        set_->why_left_out(to_string(step.text), code.first(std::min(code.size(), longest_instruction)));
    return step.text.mnemonic + (reason.empty() ? "" : ": " + reason.substr(0, reason.find(';')));
  }

  bool branches(const Step& step) const {
    return step.decoded.displacement.width > 0 || !step.flow.goes_on ||
           (step.operation && (step.operation->group == "branch" || step.operation->group == "halt"));
  }
  bool calls(const Step& step) const {
    return step.text.mnemonic.starts_with("call") || step.text.mnemonic == "bl" ||
           step.text.mnemonic == "blr";
  }
  static bool refers_to_pc(const Step& step) { return step.flow.refers_to && step.flow.relative; }

  void harvest_section(std::span<const uint8_t> code, Harvest& result) const {
    std::vector<bool> entered(code.size()), called(code.size());  // by a branch, by a call
    for (size_t at = 0; at < code.size();) {
      const auto here = step(code, at);
      if (!here) {
        at += static_cast<size_t>(about_.alignment);
        continue;
      }
      if (here->decoded.displacement.width > 0) {
        const auto to =
            static_cast<int64_t>(at) + here->decoded.displacement.get(code.subspan(at, here->bytes));
        if (to >= 0 && to < static_cast<int64_t>(code.size()))
          (calls(*here) ? called : entered)[static_cast<size_t>(to)] = true;
      }
      at += here->bytes;
    }
    CodePiece block;
    const auto finish = [&] {
      if (block.mnemonics.size() >= least_instructions && block.code.size() <= most_bytes_)
        result.pieces.push_back(std::move(block));
      block = {};
    };
    for (size_t at = 0; at < code.size();) {
      if (called[at] || entered[at]) finish();
      if (called[at]) add_function(code, at, result);
      const auto here = step(code, at);
      if (!here) {
        finish();
        at += static_cast<size_t>(about_.alignment);
        continue;
      }
      const bool left_out = !here->operation || refers_to_pc(*here);
      if (left_out || branches(*here)) {
        finish();
        if (left_out)
          ++result.left_out[here->operation ? "relative to the PC" : why(*here, code.subspan(at))];
      } else if (!block.mnemonics.empty() || here->text.mnemonic != "nop") {  // else padding
        add(code.subspan(at, here->bytes), *here, block);
        if (block.mnemonics.size() == most_in_block) finish();
      }
      at += here->bytes;
    }
    finish();
  }

  void add(std::span<const uint8_t> code, const Step& step, CodePiece& piece) const {
    piece.code.insert(piece.code.end(), code.begin(), code.end());
    note(step, piece);
  }

  // The mnemonic, and the registers that addresses are made of.
  void note(const Step& step, CodePiece& piece) const {
    piece.mnemonics.push_back(step.text.mnemonic);
    const auto add_to = [](std::vector<std::string>& names, const std::string& name) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    };
    const auto& operands = step.text.operands;
    for (size_t at = operands.find('['); at != operands.npos; at = operands.find('[', at + 1)) {
      bool first = true;
      for (size_t begin = at + 1; begin < operands.size() && operands[begin - 1] != ']';) {
        const size_t end = std::min(operands.find_first_of(" ,]*+-", begin), operands.size());
        const auto found = fields_.find(operands.substr(begin, end - begin));
        const bool scaled = operands.compare(end, 1, "*") == 0;
        if (found != fields_.end()) add_to(first && !scaled ? piece.bases : piece.indices, found->second);
        first = first && found == fields_.end();
        begin = end + 1;
      }
    }
    if (step.text.mnemonic == "leave") add_to(piece.bases, fields_.at("rbp"));
    if (step.text.mnemonic.starts_with("rep")) add_to(piece.indices, fields_.at("rcx"));
  }

  // From where it is called: all that it comes to lies in one stretch of code, calls nothing, and it returns.
  void add_function(std::span<const uint8_t> code, size_t entry, Harvest& result) const {
    const size_t end = std::min(code.size(), entry + std::min(most_function_bytes, most_bytes_));
    CodePiece piece{.kind = CodePiece::Kind::function, .code = {}, .mnemonics = {}};
    std::map<size_t, Step> steps;
    std::vector<size_t> todo = {entry};
    bool returns = false;
    while (!todo.empty()) {
      size_t at = todo.back();
      todo.pop_back();
      while (!steps.contains(at)) {
        if (at < entry || at >= end || steps.size() >= most_in_function) return;
        const auto here = step(code, at);
        if (!here || !here->operation || refers_to_pc(*here) || calls(*here) || here->decoded.halts ||
            at + here->bytes > end) {
          return;
        }
        const bool direct = here->decoded.displacement.width > 0, goes_on = here->flow.goes_on;
        const auto to = static_cast<int64_t>(at) +
                        (direct ? here->decoded.displacement.get(code.subspan(at, here->bytes)) : 0);
        steps.emplace(at, *here);
        if (direct) {
          if (to < static_cast<int64_t>(entry) || to >= static_cast<int64_t>(end)) return;
          todo.push_back(static_cast<size_t>(to));
        } else if (!goes_on) {
          if (!here->text.mnemonic.ends_with("ret")) return;  // a jump by a register
          returns = true;
        }
        if (!goes_on) break;
        at += here->bytes;
      }
    }
    if (!returns || steps.size() < least_instructions) return;
    const auto& [last, last_step] = *steps.rbegin();
    const auto bytes = code.subspan(entry, last + last_step.bytes - entry);
    if (bytes.size() > most_bytes_) return;
    piece.code.assign(bytes.begin(), bytes.end());
    for (const auto& [at, here] : steps) note(here, piece);
    result.pieces.push_back(std::move(piece));
  }

  const std::unique_ptr<Machine> machine_;
  const Layout& layout_;
  const std::unique_ptr<InstructionSet> set_;
  const Description& about_;
  const Listing listing_;
  std::map<std::string_view, const Operation*> operations_;
  std::map<std::string, std::string> fields_;  // by registers' names in instructions
  std::map<std::string_view, Region> regions_;
  size_t most_bytes_ = 0;
};

void NativeHarvester::draw_start(RandomSource& random, const CodePiece& piece,
                                 std::span<uint8_t> start) const {
  const auto image = start.first(static_cast<size_t>(layout_.memory_bytes));
  const auto state = start.subspan(image.size());
  std::ranges::copy(
      machine_->load_program({reinterpret_cast<const char*>(piece.code.data()), piece.code.size()},
                             "a piece of code"),
      image.begin());
  std::ranges::copy(machine_->first_state(), state.begin());
  const Region data = regions_.at("data"), stack = regions_.at("stack");
  const auto bits = [&](int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i += 16) value |= uint64_t{random.below(1 << 16)} << i;
    return value;
  };
  constexpr uint32_t unit = 8;
  // Into the middle half of the data.
  const auto pointer = [&] {
    const auto quarter = static_cast<uint32_t>(data.bytes / 4);
    return data.address + (quarter + random.below(2 * quarter)) / unit * unit;
  };
  const auto number = [&]() -> uint64_t {
    const uint64_t value = bits(64) >> random.below(64);
    return random.below(4) ? value : 0 - value;
  };
  for (const Region& region : {data, stack}) {
    for (int at = 0; at + 8 <= region.bytes; at += 8) {
      const uint64_t value = random.below(2) ? pointer() : number();
      store(&image[static_cast<size_t>(region.offset + at)], value, 8);
    }
  }
  const auto has = [](const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  const Places at(about_);
  for (size_t r = 0; r < about_.registers.size(); ++r) {
    const std::string_view name = about_.registers[r].name;
    const bool is_stack = static_cast<int>(r) == about_.stack, is_link = static_cast<int>(r) == about_.link;
    uint64_t value = has(piece.bases, name)     ? pointer()
                     : has(piece.indices, name) ? random.below(16)
                     : random.below(8)          ? number()
                                                : pointer();
    // A function returns by what lies on the stack, or in the link register.
    if (is_stack || is_link) {
      if (piece.kind == CodePiece::Kind::function) continue;
      if (is_stack) value = stack.address + static_cast<uint64_t>(stack.bytes) / 2 / 16 * 16;
    }
    store(state.data() + at.registers + about_.register_bytes * static_cast<int>(r), value,
          about_.register_bytes);
  }
  state[static_cast<size_t>(at.flags)] =
      set_->pack_flags(set_->unpack_flags(static_cast<uint8_t>(random.below(256))));
}

}  // namespace

std::unique_ptr<Harvester> make_harvester(std::string_view machine, int memory_bytes) {
  return std::make_unique<NativeHarvester>(machine, memory_bytes);
}

}  // namespace bytecpu
