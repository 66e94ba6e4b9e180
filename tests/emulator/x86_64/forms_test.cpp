// x86_64 against the processor: every encoding that the machine includes, its operand in a register or in
// memory in every way that there is, with 64 bits in the registers.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#if defined(__x86_64__)

#include <array>
#include <map>

#include "emulator/x86_64/encoding.hpp"
#include "tests/emulator/native/support.hpp"
#include "tests/emulator/x86_64/processor.hpp"
#include "tests/emulator/x86_64/undefined.hpp"

namespace bytecpu {
namespace {

constexpr std::array names = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI", "R8D", "R9D"};
constexpr int count = names.size();
constexpr int cx = 1, sp = 4, bp = 5;
constexpr int hlt = 0xF4;
constexpr size_t states_before = 1 + count;  // the record that has fetched the instruction
constexpr int cases_an_opcode = 700;
using Registers = std::array<uint64_t, count>;

std::array<unsigned long long*, count> registers(user_regs_struct& r) {
  return {&r.rax, &r.rcx, &r.rdx, &r.rbx, &r.rsp, &r.rbp, &r.rsi, &r.rdi, &r.r8, &r.r9};
}

constexpr uint64_t code_address = test::Processor::address, data_address = code_address + 0x1000;
constexpr uint32_t data_bytes = 512;

// How the operand that ModRM's field rm says is addressed.
enum class Way { reg, base, base_8, base_32, index, index_8, index_32, index_alone, absolute, rip, ways };

struct Case {
  std::string code;  // the instruction
  Registers before;  // its operand in memory is within the data
  uint32_t flags;
  std::array<uint8_t, data_bytes> data;
};

std::span<const uint8_t> bytes_of(const std::string& code) {
  return {reinterpret_cast<const uint8_t*>(code.data()), code.size()};
}

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed, 0) {}

  uint32_t below(uint32_t bound) { return random_.below(bound); }
  uint64_t word() {
    uint64_t word = 0;
    for (int i = 0; i < 4; ++i) word = word << 16 | random_.below(1 << 16);
    return word;
  }
  // Of any magnitude, often next to where something carries.
  uint64_t value() {
    switch (below(4)) {
      case 0:
        return (uint64_t{1} << below(64)) + below(3) - 1;
      case 1:
        return 0 - (word() >> below(64));
      default:
        return word() >> below(64);
    }
  }

  // Prefixes, an opcode, operands; the register fields are random.
  Case instruction(bool two, uint8_t opcode, Way way) {
    Case c;
    const bool operand16 = below(3) == 0, f3 = below(6) == 0;
    const int rex = below(2) ? static_cast<int>(0x40 | below(16)) : 0;
    for (uint64_t& r : c.before) r = value();
    for (uint8_t& byte : c.data) byte = static_cast<uint8_t>(below(3) ? below(256) : 0 - below(2));
    c.before[sp] = data_address + 64 + 8 * below(48);
    c.flags = test::pack_flags(test::unpack_flags(below(256)));
    if (below(4) == 0) {  // some are equal
      for (int i = 0; i < 6; ++i) c.before[below(count)] = c.before[below(count)];
    }
    const bool first = below(2);
    if (f3 && first) c.code += '\xF3';
    if (operand16) c.code += '\x66';
    if (f3 && !first) c.code += '\xF3';
    if (rex) c.code += static_cast<char>(rex);
    if (two) c.code += '\x0F';
    c.code += static_cast<char>(opcode);

    const int reg = static_cast<int>(below(8)), high_base = (rex & 1) << 3, high_index = (rex & 2) << 2;
    int rm = static_cast<int>(below(8)), index = static_cast<int>(below(8));
    const int scale = static_cast<int>(below(4));
    const auto put = [&](int mod, bool sib) {
      c.code += static_cast<char>(mod << 6 | reg << 3 | (sib ? 4 : rm));
      if (sib) c.code += static_cast<char>(scale << 6 | index << 3 | rm);
    };
    const auto put_32 = [&](uint64_t value) { c.code.append(reinterpret_cast<const char*>(&value), 4); };
    const auto far = [&] { return static_cast<int32_t>(static_cast<uint32_t>(value())); };
    const uint64_t target = data_address + below(data_bytes - 7);
    // Makes the base, and what the index leaves, lead to the target.
    const auto aim = [&](int64_t displacement, bool indexed) {
      const int base = rm | high_base, with = index | high_index;
      uint64_t offset = 0;
      if (indexed && with != 4 && with < count) {
        c.before[with] = with == base ? 0 : value() >> scale;
        offset = c.before[with] << scale;
      }
      if (base < count) c.before[base] = target - displacement - offset;
    };
    const bool sib = way == Way::index || way == Way::index_8 || way == Way::index_32;
    if (!sib && way != Way::reg && rm == 4) rm = 6;
    if ((way == Way::base || way == Way::index) && rm == 5) rm = 7;
    if ((index | high_index) == (rm | high_base) && sib) index = 4;  // none
    if (sib && rm == 4) index = 4;
    switch (way) {
      case Way::reg:
        put(3, false);
        break;
      case Way::base:
      case Way::index:
        put(0, sib);
        aim(0, sib);
        break;
      case Way::base_8:
      case Way::index_8: {
        const auto displacement = static_cast<int8_t>(below(256));
        put(1, sib);
        c.code += static_cast<char>(displacement);
        aim(displacement, sib);
        break;
      }
      case Way::base_32:
      case Way::index_32: {
        const int32_t displacement = far();
        put(2, sib);
        put_32(displacement);
        aim(displacement, sib);
        break;
      }
      case Way::index_alone:
      case Way::absolute: {
        rm = 5;
        if (way == Way::absolute) index = 4;
        put(0, true);
        const int with = index | high_index;
        int32_t displacement = static_cast<int32_t>(target);
        if (with != 4 && with < count && with != sp) {
          c.before[with] = value() >> (34 + scale);
          displacement -= static_cast<int32_t>(c.before[with] << scale);
        }
        put_32(displacement);
        break;
      }
      case Way::rip:
        rm = 5;
        put(0, false);
        put_32(0);
        break;
      case Way::ways:
        break;
    }
    const size_t displacement_end = c.code.size();
    for (int i = 0; i < 8; ++i) c.code += static_cast<char>(below(3) ? below(256) : below(34));
    const auto decoded = x86_64::decode(bytes_of(c.code));
    c.code.resize(decoded.bytes);
    if (!two && ((opcode & 0xF0) == 0x50 || opcode == 0x68 || opcode == 0x6A || opcode == 0xE8 ||
                 opcode == 0xC3 || opcode == 0xC9)) {
      for (const int r : {sp, bp}) c.before[r] = data_address + 64 + 8 * below(48);
      const uint64_t back = code_address + code_before + c.code.size() + 3 * count + below(60);
      std::memcpy(&c.data[c.before[sp] - data_address], &back, 8);
    } else if (below(4) == 0 && way != Way::reg) {  // the operand equals the accumulator
      std::memcpy(&c.data[target - data_address], &c.before[0], 8);
    }
    if (decoded.displacement.width > 0) {
      decoded.displacement.set(std::span(reinterpret_cast<uint8_t*>(c.code.data()), c.code.size()),
                               static_cast<int64_t>(c.code.size() + 3 * count + below(60)));
    }
    if (way == Way::rip && x86_64::flow(bytes_of(c.code)).refers_to) {
      const int32_t displacement = static_cast<int32_t>(target - code_address - code_before - c.code.size());
      std::memcpy(&c.code[displacement_end - 4], &displacement, 4);
    }
    return c;
  }

  static constexpr size_t code_before = 10 * count;  // MOVABS of all registers

 private:
  NativeRandom random_;
};

class FormsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!processor_.problem().empty()) GTEST_SKIP() << processor_.problem();
  }

  // The machine runs MOVABS of all registers, the instruction, BSWAP of all registers.
  std::vector<uint8_t> start_of(const Case& c) const {
    std::string code;
    for (int r = 0; r < count; ++r) {
      code += static_cast<char>(r > 7 ? 0x49 : 0x48);
      code += static_cast<char>(0xB8 | (r & 7));
      code.append(reinterpret_cast<const char*>(&c.before[r]), 8);
    }
    code += c.code;
    for (int r = 0; r < count; ++r) {
      code += static_cast<char>(r > 7 ? 0x49 : 0x48);
      code += '\x0F';
      code += static_cast<char>(0xC8 | (r & 7));
    }
    code.resize(data_bytes, '\xF4');
    return test::raw_start(*machine_, code, {{"FLAGS", c.flags}}, c.data);
  }

  // What differs, in a few words; nothing where nothing does, or the instruction faults.
  std::string compare(const Case& c, const test::OwnedTrace& trace) {
    constexpr size_t before = states_before;
    if (trace.count() <= before) return "did not come so far";
    const bool divides = trace.stop == StopReason::divide_error;
    if (trace.count() == before + 1 && !divides)
      return std::string("stopped: ") + std::string(to_string(trace.stop));
    const auto memory = processor_.memory();
    std::copy_n(trace.image().begin(), data_bytes, memory.begin());
    std::ranges::copy(c.data, memory.begin() + 0x1000);
    user_regs_struct r = processor_.initial();
    for (int i = 0; i < count; ++i) *registers(r)[i] = c.before[i];
    r.eflags = test::unpack_flags(c.flags);
    r.rip = code_address + Draw::code_before;
    r.orig_rax = -1;
    const int signal = processor_.step(r);
    ++steps_;
    if (divides || signal == SIGFPE) return divides == (signal == SIGFPE) ? "" : "divide error";
    if (signal != SIGTRAP) return "signal " + std::to_string(signal);

    const auto text = machine_->describe(trace.record(before)).text;
    const auto bytes = bytes_of(c.code);
    const bool zero = trace.get(before + 1, "FLAGS") & test::zf;
    const auto unknown = test::undefined(bytes, text.substr(0, text.find(' ')), c.before[cx] & 0xFF, zero);
    std::string what;
    if (!unknown.result) {
      for (int i = 0; i < count; ++i) {
        if (trace.get(before + 1, names[i]) != static_cast<uint32_t>(*registers(r)[i])) what += " register";
      }
    }
    const bool on = r.rip == code_address + Draw::code_before + c.code.size();
    // What a given program may not have for its upper halves; random programs have none.
    const bool whole = x86_64::flow(bytes).wrong.empty();
    if (!unknown.result && on && whole && trace.count() > before + 1 + count) {
      for (int i = 0; i < count; ++i) {
        const auto high = static_cast<uint32_t>(*registers(r)[i] >> 32);
        if (trace.get(trace.count() - 1, names[i]) != __builtin_bswap32(high)) what += " high-half";
      }
    }
    const uint32_t flags = (trace.get(before + 1, "FLAGS") ^ test::pack_flags(r.eflags)) & ~unknown.flags;
    for (const auto& [bit, name] : {std::pair{test::cf, " CF"},
                                    {test::of, " OF"},
                                    {test::zf, " ZF"},
                                    {test::sf, " SF"},
                                    {test::pf, " PF"}}) {
      if (flags & bit) what += name;
    }
    if (trace.get(before + 1, "PC") != r.rip - code_address) what += " PC";
    auto data = c.data;
    const uint64_t offset = trace.get(before + 1, "ACCESS_OFFSET"),
                   size = trace.get(before + 1, "WRITE_SIZE"), value = trace.get(before + 1, "WRITE_VALUE");
    if (size && (offset < data_bytes || offset + size > 2 * data_bytes)) return "a write outside";
    if (size) std::memcpy(&data[offset - data_bytes], &value, size);
    if (!std::equal(data.begin(), data.end(), memory.begin() + 0x1000)) what += " memory";
    return what;
  }

  test::Processor processor_;
  std::unique_ptr<Machine> machine_ = make_machine("x86_64", 1024);
  int64_t steps_ = 0;
};

TEST_F(FormsTest, EveryEncodingDoesAsTheProcessorDoes) {
  Draw draw(3);
  std::map<std::string, int> seen, in_memory;
  const auto is_prefix = [](int byte) {
    return byte == 0x0F || byte == 0x66 || byte == 0xF3 || byte >> 4 == 4;
  };
  for (int opcode = 0; opcode < 0x200; ++opcode) {
    const bool two = opcode > 0xFF;
    if (!two && (is_prefix(opcode) || opcode == hlt)) continue;
    std::vector<Case> cases;
    std::vector<uint8_t> starts;
    for (int i = 0; i < cases_an_opcode; ++i) {
      const auto way = static_cast<Way>(i % static_cast<int>(Way::ways));
      const auto c = draw.instruction(two, static_cast<uint8_t>(opcode), way);
      if (c.code.empty()) continue;
      const auto start = start_of(c);
      starts.insert(starts.end(), start.begin(), start.end());
      cases.push_back(c);
    }
    const auto traces = test::run(*machine_, starts, {.steps = 2 * count + 4});
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto record = traces[i].record(std::min(traces[i].count() - 1, states_before));
      const auto form = machine_->describe(record).form;
      EXPECT_EQ(compare(cases[i], traces[i]), "")
          << machine_->describe(record).text
          << fmt::format(": {:02x}", fmt::join(bytes_of(cases[i].code), " "));
      if (HasFailure()) return;
      ++seen[form.substr(0, form.find(' '))];
      in_memory[form.substr(0, form.find(' '))] += form.find(" m") != form.npos;
    }
  }
  EXPECT_GE(steps_, 55'000);
  EXPECT_GE(seen.size(), 105u);
  EXPECT_GE(std::ranges::count_if(in_memory, [](const auto& entry) { return entry.second >= 20; }), 60);
}

}  // namespace
}  // namespace bytecpu

#else

TEST(FormsTest, NeedsAnX86Processor) { GTEST_SKIP() << "this processor is not x86-64"; }

#endif
