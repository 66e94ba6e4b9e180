#include "emulator/arm64/table.hpp"

#include <array>

namespace bytecpu::arm64 {
namespace {

using namespace native;

std::vector<Row> make_rows() {
  std::vector<Row> all = {
      {{"add", "arithmetic", plain}, Kind::add_sub, 0x0B000000},
      {{"adds", "arithmetic", plain}, Kind::add_sub, 0x2B000000},
      {{"sub", "arithmetic", plain}, Kind::add_sub, 0x4B000000},
      {{"subs", "arithmetic", plain}, Kind::add_sub, 0x6B000000},
      {{"cmn", "compare", plain}, Kind::add_sub, 0x2B000000, no_d},
      {{"cmp", "compare", plain}, Kind::add_sub, 0x6B000000, no_d},
      {{"neg", "arithmetic", plain}, Kind::three, 0x4B000000, no_n},
      {{"negs", "arithmetic", plain}, Kind::three, 0x6B000000, no_n},
      {{"adc", "arithmetic", plain}, Kind::three, 0x1A000000},
      {{"adcs", "arithmetic", plain}, Kind::three, 0x3A000000},
      {{"sbc", "arithmetic", plain}, Kind::three, 0x5A000000},
      {{"sbcs", "arithmetic", plain}, Kind::three, 0x7A000000},
      {{"ngc", "arithmetic", plain}, Kind::three, 0x5A000000, no_n},
      {{"ngcs", "arithmetic", plain}, Kind::three, 0x7A000000, no_n},
      {{"and", "logic", plain}, Kind::logic, 0x0A000000},
      {{"orr", "logic", plain}, Kind::logic, 0x2A000000},
      {{"eor", "logic", plain}, Kind::logic, 0x4A000000},
      {{"ands", "logic", plain}, Kind::logic, 0x6A000000},
      {{"tst", "compare", plain}, Kind::logic, 0x6A000000, no_d},
      {{"bic", "logic", plain}, Kind::three, 0x0A200000},
      {{"orn", "logic", plain}, Kind::three, 0x2A200000},
      {{"eon", "logic", plain}, Kind::three, 0x4A200000},
      {{"bics", "logic", plain}, Kind::three, 0x6A200000},
      {{"mvn", "logic", plain}, Kind::three, 0x2A200000, no_n},
      {{"mov", "move", plain}, Kind::three, 0x2A000000, no_n},
      {{"movz", "move", plain}, Kind::move_wide, 0x52800000},
      {{"movn", "move", plain}, Kind::move_wide, 0x12800000},
      {{"movk", "move", plain}, Kind::move_wide, 0x72800000},
      {{"lsl", "shift", plain}, Kind::shift, 0x1AC02000},
      {{"lsr", "shift", plain}, Kind::shift, 0x1AC02400},
      {{"asr", "shift", plain}, Kind::shift, 0x1AC02800},
      {{"ror", "shift", plain}, Kind::shift, 0x1AC02C00},
      {{"extr", "shift", plain}, Kind::extract, 0x13800000},
      {{"sbfx", "bits", plain}, Kind::bit_field, 0x13000000},
      {{"ubfx", "bits", plain}, Kind::bit_field, 0x53000000},
      {{"bfxil", "bits", plain}, Kind::bit_field, 0x33000000},
      {{"sbfiz", "bits", plain}, Kind::insert, 0x13000000},
      {{"ubfiz", "bits", plain}, Kind::insert, 0x53000000},
      {{"bfi", "bits", plain}, Kind::insert, 0x33000000},
      {{"sxtb", "extend", plain}, Kind::extend, 0x13001C00},
      {{"sxth", "extend", plain}, Kind::extend, 0x13003C00},
      {{"uxtb", "extend", plain}, Kind::extend, 0x53001C00},
      {{"uxth", "extend", plain}, Kind::extend, 0x53003C00},
      {{"madd", "multiply", plain}, Kind::multiply, 0x1B000000},
      {{"msub", "multiply", plain}, Kind::multiply, 0x1B008000},
      {{"mul", "multiply", plain}, Kind::multiply, 0x1B000000, no_a},
      {{"mneg", "multiply", plain}, Kind::multiply, 0x1B008000, no_a},
      {{"udiv", "divide", plain}, Kind::three, 0x1AC00800},
      {{"sdiv", "divide", plain}, Kind::three, 0x1AC00C00},
      {{"csel", "select", plain}, Kind::select, 0x1A800000},
      {{"csinc", "select", plain}, Kind::select, 0x1A800400},
      {{"csinv", "select", plain}, Kind::select, 0x5A800000},
      {{"csneg", "select", plain}, Kind::select, 0x5A800400},
      {{"cset", "select", plain}, Kind::select, 0x1A800400, no_n | no_m},
      {{"csetm", "select", plain}, Kind::select, 0x5A800000, no_n | no_m},
      {{"cinc", "select", plain}, Kind::select, 0x1A800400, same},
      {{"cinv", "select", plain}, Kind::select, 0x5A800000, same},
      {{"cneg", "select", plain}, Kind::select, 0x5A800400, same},
      {{"ccmp", "compare", plain}, Kind::compare_select, 0x7A400000},
      {{"ccmn", "compare", plain}, Kind::compare_select, 0x3A400000},
      {{"rbit", "bits", plain}, Kind::two, 0x5AC00000},
      {{"rev16", "bits", plain}, Kind::two, 0x5AC00400},
      {{"rev", "bits", plain}, Kind::two, 0x5AC00800},
      {{"clz", "bits", plain}, Kind::two, 0x5AC01000},
      {{"cls", "bits", plain}, Kind::two, 0x5AC01400},
      {{"strb", "memory", memory}, Kind::access, 0x39000000},
      {{"ldrb", "memory", memory}, Kind::access, 0x39400000},
      {{"ldrsb", "memory", memory}, Kind::access, 0x39C00000},
      {{"strh", "memory", memory}, Kind::access, 0x79000000},
      {{"ldrh", "memory", memory}, Kind::access, 0x79400000},
      {{"ldrsh", "memory", memory}, Kind::access, 0x79C00000},
      {{"str", "memory", memory}, Kind::access, 0xB9000000},
      {{"ldr", "memory", memory}, Kind::access, 0xB9400000},
      {{"sturb", "memory", memory}, Kind::unscaled, 0x38000000},
      {{"ldurb", "memory", memory}, Kind::unscaled, 0x38400000},
      {{"ldursb", "memory", memory}, Kind::unscaled, 0x38C00000},
      {{"sturh", "memory", memory}, Kind::unscaled, 0x78000000},
      {{"ldurh", "memory", memory}, Kind::unscaled, 0x78400000},
      {{"ldursh", "memory", memory}, Kind::unscaled, 0x78C00000},
      {{"stur", "memory", memory}, Kind::unscaled, 0xB8000000},
      {{"ldur", "memory", memory}, Kind::unscaled, 0xB8400000},
      {{"stp", "memory", memory}, Kind::pair, 0x29000000},
      {{"ldp", "memory", memory}, Kind::pair, 0x29400000},
      {{"nop", "nop", plain}, Kind::nop, 0xD503201F},
      {{"b", "branch", branch}, Kind::b, 0x14000000},
      {{"cbz", "branch", branch}, Kind::compare_branch, 0x34000000},
      {{"cbnz", "branch", branch}, Kind::compare_branch, 0x35000000},
      {{"tbz", "branch", branch}, Kind::test_branch, 0x36000000},
      {{"tbnz", "branch", branch}, Kind::test_branch, 0x37000000},
      {{"bl", "branch", call}, Kind::call},
      {{"ret", "branch", call}, Kind::call},
      {{"br", "branch"}, Kind::given},
      {{"blr", "branch"}, Kind::given},
      {{"hlt", "halt"}, Kind::given},
      {{"adr", "address"}, Kind::given},
      // Branch targets and pointer authentication do nothing here.
      {{"bti", "nop"}, Kind::given},
      {{"xpaclri", "nop"}, Kind::given},
      {{"pacia1716", "nop"}, Kind::given},
      {{"pacib1716", "nop"}, Kind::given},
      {{"autia1716", "nop"}, Kind::given},
      {{"autib1716", "nop"}, Kind::given},
      {{"paciaz", "nop"}, Kind::given},
      {{"paciasp", "nop"}, Kind::given},
      {{"pacibz", "nop"}, Kind::given},
      {{"pacibsp", "nop"}, Kind::given},
      {{"autiaz", "nop"}, Kind::given},
      {{"autiasp", "nop"}, Kind::given},
      {{"autibz", "nop"}, Kind::given},
      {{"autibsp", "nop"}, Kind::given},
      {{"ldrsw", "memory"}, Kind::given},
      {{"ldursw", "memory"}, Kind::given},
      {{"rev32", "bits"}, Kind::given},
      {{"sxtw", "extend"}, Kind::given},
      {{"smull", "multiply"}, Kind::given},
      {{"umull", "multiply"}, Kind::given},
      {{"smnegl", "multiply"}, Kind::given},
      {{"umnegl", "multiply"}, Kind::given},
      {{"smaddl", "multiply"}, Kind::given},
      {{"umaddl", "multiply"}, Kind::given},
      {{"smsubl", "multiply"}, Kind::given},
      {{"umsubl", "multiply"}, Kind::given},
      {{"smulh", "multiply"}, Kind::given},
      {{"umulh", "multiply"}, Kind::given},
  };
  constexpr std::array conditions = {"b.eq", "b.ne", "b.hs", "b.lo", "b.mi", "b.pl", "b.vs",
                                     "b.vc", "b.hi", "b.ls", "b.ge", "b.lt", "b.gt", "b.le"};
  for (uint32_t cc = 0; cc < conditions.size(); ++cc) {
    all.push_back({{conditions[cc], "branch", branch}, Kind::b_cond, 0x54000000 | cc});
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
    more.push_back({{"adrp", "address"}, Kind::given});
    more.push_back({{"ldpsw", "memory"}, Kind::given});
    return more;
  }();
  return all;
}

}  // namespace bytecpu::arm64
