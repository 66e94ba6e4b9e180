#include "emulator/x86_64/table.hpp"

#include <array>

namespace bytecpu::x86_64 {
namespace {

using namespace native;

constexpr uint8_t both = plain | memory;

// As Capstone names them. Conditions are in the order of their codes.
std::vector<Row> make_rows() {
  std::vector<Row> all = {
      {{"add", "arithmetic", both}, Kind::alu, 0},
      {{"or", "logic", both}, Kind::alu, 1},
      {{"adc", "arithmetic", both}, Kind::alu, 2},
      {{"sbb", "arithmetic", both}, Kind::alu, 3},
      {{"and", "logic", both}, Kind::alu, 4},
      {{"sub", "arithmetic", both}, Kind::alu, 5},
      {{"xor", "logic", both}, Kind::alu, 6},
      {{"cmp", "compare", both}, Kind::alu, 7},
      {{"test", "compare", both}, Kind::test},
      {{"mov", "move", both}, Kind::mov},
      {{"movzx", "extend", both}, Kind::extend, 0xB6},
      {{"movsx", "extend", both}, Kind::extend, 0xBE},
      {{"lea", "address", plain}, Kind::lea},
      {{"xchg", "move", plain}, Kind::xchg},
      {{"bswap", "bits", plain}, Kind::bswap},
      {{"inc", "arithmetic", both}, Kind::step, 0},
      {{"dec", "arithmetic", both}, Kind::step, 1},
      {{"not", "logic", both}, Kind::unary, 2},
      {{"neg", "arithmetic", both}, Kind::unary, 3},
      {{"mul", "multiply", both}, Kind::multiply, 4},
      {{"imul", "multiply", both}, Kind::multiply, 5},
      {{"div", "divide", both}, Kind::divide, 6},
      {{"idiv", "divide", both}, Kind::divide, 7},
      {{"rol", "shift", both}, Kind::shift, 0},
      {{"ror", "shift", both}, Kind::shift, 1},
      {{"rcl", "shift", both}, Kind::shift, 2},
      {{"rcr", "shift", both}, Kind::shift, 3},
      {{"shl", "shift", both}, Kind::shift, 4},
      {{"shr", "shift", both}, Kind::shift, 5},
      {{"sar", "shift", both}, Kind::shift, 7},
      {{"shld", "shift", plain}, Kind::double_shift, 0xA4},
      {{"shrd", "shift", plain}, Kind::double_shift, 0xAC},
      {{"bsf", "bits", both}, Kind::bit_scan, 0xBC},
      {{"bsr", "bits", both}, Kind::bit_scan, 0xBD},
      {{"tzcnt", "bits", both}, Kind::count_zeros, 0xBC},
      {{"lzcnt", "bits", both}, Kind::count_zeros, 0xBD},
      {{"xadd", "arithmetic", both}, Kind::exchange, 0xC1},
      {{"cmpxchg", "select", both}, Kind::exchange, 0xB1},
      {{"cwde", "extend", plain}, Kind::simple, 0x98},
      {{"cdq", "extend", plain}, Kind::simple, 0x99},
      {{"cmc", "flags", plain}, Kind::simple, 0xF5},
      {{"clc", "flags", plain}, Kind::simple, 0xF8},
      {{"stc", "flags", plain}, Kind::simple, 0xF9},
      {{"nop", "nop", plain}, Kind::simple, 0x90},
      {{"push", "memory", memory}, Kind::push},
      {{"pop", "memory", memory}, Kind::push},
      {{"jmp", "branch", branch}, Kind::jmp},
      {{"call", "branch", call}, Kind::call},
      {{"ret", "branch", call}, Kind::call},
      {{"hlt", "halt"}, Kind::given},
      // Unicorn's OF after these, which the manual leaves undefined, depends on more than the record.
      {{"bt", "bits"}, Kind::given},
      {{"bts", "bits"}, Kind::given},
      {{"btr", "bits"}, Kind::given},
      {{"btc", "bits"}, Kind::given},
      {{"leave", "memory"}, Kind::given},
      {{"movabs", "move"}, Kind::given},
      {{"movsxd", "extend"}, Kind::given},
      {{"cbw", "extend"}, Kind::given},
      {{"cdqe", "extend"}, Kind::given},
      {{"cwd", "extend"}, Kind::given},
      {{"cqo", "extend"}, Kind::given},
      {{"endbr64", "nop"}, Kind::given},
  };
  constexpr std::array jcc = {"jo", "jno", "jb", "jae", "je", "jne", "jbe", "ja",
                              "js", "jns", "jp", "jnp", "jl", "jge", "jle", "jg"};
  constexpr std::array setcc = {"seto", "setno", "setb", "setae", "sete", "setne", "setbe", "seta",
                                "sets", "setns", "setp", "setnp", "setl", "setge", "setle", "setg"};
  constexpr std::array cmov = {"cmovo", "cmovno", "cmovb", "cmovae", "cmove", "cmovne", "cmovbe", "cmova",
                               "cmovs", "cmovns", "cmovp", "cmovnp", "cmovl", "cmovge", "cmovle", "cmovg"};
  for (uint8_t cc = 0; cc < 16; ++cc) {
    all.push_back({{jcc[cc], "branch", branch}, Kind::jcc, cc});
    all.push_back({{setcc[cc], "select", both}, Kind::setcc, cc});
    all.push_back({{cmov[cc], "select", both}, Kind::cmov, cc});
  }
  return all;
}

}  // namespace

const std::vector<Row>& rows() {
  static const auto all = make_rows();
  return all;
}

const std::vector<Row>& full_rows() {
  static const auto all = [] {
    auto more = make_rows();
    for (Row& row : more) {
      if (row.operation.mnemonic == "cmpxchg")
        row.operation.uses = 0;  // what is drawn is of 32 bits: see flow()
    }
    const auto add = [&](std::string_view mnemonic, std::string_view group) {
      more.push_back({{mnemonic, group}, Kind::given});
    };
    // Strings: one record a repetition.
    for (const auto* name : {"movsb",     "movsw",     "movsd",     "movsq",     "stosb",     "stosw",
                             "stosd",     "stosq",     "lodsb",     "lodsw",     "lodsd",     "lodsq",
                             "rep movsb", "rep movsw", "rep movsd", "rep movsq", "rep stosb", "rep stosw",
                             "rep stosd", "rep stosq", "rep lodsb", "rep lodsw", "rep lodsd", "rep lodsq"}) {
      add(name, "string");
    }
    for (const auto* name :
         {"cmpsb",       "cmpsw",       "cmpsd",       "cmpsq",       "scasb",       "scasw",
          "scasd",       "scasq",       "repe cmpsb",  "repe cmpsw",  "repe cmpsd",  "repe cmpsq",
          "repe scasb",  "repe scasw",  "repe scasd",  "repe scasq",  "repne cmpsb", "repne cmpsw",
          "repne cmpsd", "repne cmpsq", "repne scasb", "repne scasw", "repne scasd", "repne scasq"}) {
      add(name, "string");
    }
    add("cld", "flags");
    for (const auto* name : {"repe ret", "rep ret", "repz ret", "notrack jmp", "notrack call", "jrcxz",
                             "loop", "loope", "loopne"}) {
      add(name, "branch");
    }
    return more;
  }();
  return all;
}

}  // namespace bytecpu::x86_64
