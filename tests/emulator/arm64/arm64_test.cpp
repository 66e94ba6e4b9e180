// arm64 against cases worked out by hand from the Arm Architecture Reference Manual: at least one for every
// mnemonic that the machine includes.
#include <gtest/gtest.h>

#include <set>

#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

struct Case {
  const char* assembly;  // instructions, separated by ";"
  std::vector<uint32_t> code;
  test::Values before, after;  // after the last instruction; fields that are not named are free
};

// Fields are 0 before unless named, but W7, which holds the data's address; the data are 80 81 82 … 9F.
const std::vector<Case> cases = {
    {"add w0, w1, w2", {0x0B020020}, {{"W1", 0xFFFFFFFF}, {"W2", 2}, {"NZCV", 5}}, {{"W0", 1}, {"NZCV", 5}}},
    {"add w0, w1, w2, lsl #4", {0x0B021020}, {{"W1", 1}, {"W2", 3}}, {{"W0", 0x31}}},
    {"add w0, w1, w2, asr #4", {0x0B821020}, {{"W1", 1}, {"W2", 0x80000000}}, {{"W0", 0xF8000001}}},
    {"add w0, w1, w2, sxtb #1", {0x0B228420}, {{"W1", 1}, {"W2", 0xFF}}, {{"W0", 0xFFFFFFFF}}},
    {"add w0, w1, #4095, lsl #12", {0x117FFC20}, {{"W1", 1}}, {{"W0", 0xFFF001}}},
    {"adds w0, w1, w2", {0x2B020020}, {{"W1", 0x7FFFFFFF}, {"W2", 1}}, {{"W0", 0x80000000}, {"NZCV", 9}}},
    {"adds w0, w1, #1", {0x31000420}, {{"W1", 0xFFFFFFFF}}, {{"W0", 0}, {"NZCV", 6}}},
    {"sub w0, w1, w2", {0x4B020020}, {{"W1", 5}, {"W2", 7}, {"NZCV", 6}}, {{"W0", 0xFFFFFFFE}, {"NZCV", 6}}},
    {"sub w0, w1, #1", {0x51000420}, {{"W1", 0}}, {{"W0", 0xFFFFFFFF}}},
    {"subs w0, w1, w2", {0x6B020020}, {{"W1", 5}, {"W2", 5}}, {{"W0", 0}, {"NZCV", 6}}},
    {"subs w0, w1, #1", {0x71000420}, {{"W1", 0x80000000}}, {{"W0", 0x7FFFFFFF}, {"NZCV", 3}}},
    {"cmp w1, w2", {0x6B02003F}, {{"W1", 3}, {"W2", 5}}, {{"W1", 3}, {"W2", 5}, {"NZCV", 8}}},
    {"cmp w1, #3", {0x71000C3F}, {{"W1", 3}}, {{"NZCV", 6}}},
    {"cmn w1, w2", {0x2B02003F}, {{"W1", 0x80000000}, {"W2", 0x80000000}}, {{"NZCV", 7}}},
    {"neg w0, w1", {0x4B0103E0}, {{"W1", 1}}, {{"W0", 0xFFFFFFFF}}},
    {"negs w0, w1", {0x6B0103E0}, {{"W1", 0}}, {{"W0", 0}, {"NZCV", 6}}},
    {"negs w0, w1", {0x6B0103E0}, {{"W1", 0x80000000}}, {{"W0", 0x80000000}, {"NZCV", 9}}},
    {"adc w0, w1, w2", {0x1A020020}, {{"W1", 1}, {"W2", 2}, {"NZCV", 2}}, {{"W0", 4}, {"NZCV", 2}}},
    {"adc w0, w1, w2", {0x1A020020}, {{"W1", 1}, {"W2", 2}, {"NZCV", 13}}, {{"W0", 3}, {"NZCV", 13}}},
    {"adcs w0, w1, w2", {0x3A020020}, {{"W1", 0xFFFFFFFF}, {"W2", 0}, {"NZCV", 2}}, {{"W0", 0}, {"NZCV", 6}}},
    {"sbc w0, w1, w2", {0x5A020020}, {{"W1", 5}, {"W2", 3}, {"NZCV", 0}}, {{"W0", 1}, {"NZCV", 0}}},
    {"sbc w0, w1, w2", {0x5A020020}, {{"W1", 5}, {"W2", 3}, {"NZCV", 2}}, {{"W0", 2}, {"NZCV", 2}}},
    {"sbcs w0, w1, w2", {0x7A020020}, {{"W1", 3}, {"W2", 3}, {"NZCV", 0}}, {{"W0", 0xFFFFFFFF}, {"NZCV", 8}}},
    {"ngc w0, w1", {0x5A0103E0}, {{"W1", 1}, {"NZCV", 0}}, {{"W0", 0xFFFFFFFE}}},
    {"ngcs w0, w1", {0x7A0103E0}, {{"W1", 0}, {"NZCV", 2}}, {{"W0", 0}, {"NZCV", 6}}},
    {"and w0, w1, w2", {0x0A020020}, {{"W1", 0xF0F0}, {"W2", 0xFF00}}, {{"W0", 0xF000}}},
    {"and w0, w1, #0xff", {0x12001C20}, {{"W1", 0x12345678}}, {{"W0", 0x78}}},
    {"orr w0, w1, w2", {0x2A020020}, {{"W1", 0xF0}, {"W2", 0x0F}}, {{"W0", 0xFF}}},
    {"orr w0, w1, #0x80000001", {0x32010420}, {{"W1", 2}}, {{"W0", 0x80000003}}},
    {"eor w0, w1, w2", {0x4A020020}, {{"W1", 0xFF}, {"W2", 0x0F}}, {{"W0", 0xF0}}},
    {"eor w0, w1, #0x55555555", {0x5200F020}, {{"W1", 0xFFFFFFFF}}, {{"W0", 0xAAAAAAAA}}},
    {"ands w0, w1, w2",
     {0x6A020020},
     {{"W1", 0x80000001}, {"W2", 0x80000000}, {"NZCV", 3}},
     {{"W0", 0x80000000}, {"NZCV", 8}}},
    {"tst w1, w2", {0x6A02003F}, {{"W1", 1}, {"W2", 2}, {"NZCV", 11}}, {{"NZCV", 4}}},
    {"bic w0, w1, w2", {0x0A220020}, {{"W1", 0xFF}, {"W2", 0x0F}}, {{"W0", 0xF0}}},
    {"bics w0, w1, w2", {0x6A220020}, {{"W1", 0xF}, {"W2", 0xF}, {"NZCV", 11}}, {{"W0", 0}, {"NZCV", 4}}},
    {"orn w0, w1, w2", {0x2A220020}, {{"W1", 0}, {"W2", 0xFFFF0000}}, {{"W0", 0xFFFF}}},
    {"eon w0, w1, w2", {0x4A220020}, {{"W1", 0xFFFFFFFF}, {"W2", 1}}, {{"W0", 1}}},
    {"mvn w0, w1", {0x2A2103E0}, {{"W1", 0xFFFF}}, {{"W0", 0xFFFF0000}}},
    {"mov w0, w1", {0x2A0103E0}, {{"W1", 0xDEADBEEF}}, {{"W0", 0xDEADBEEF}}},
    {"movz w0, #0x1234, lsl #16", {0x52A24680}, {{"W0", 0xFFFFFFFF}}, {{"W0", 0x12340000}}},
    {"movn w0, #5", {0x128000A0}, {}, {{"W0", 0xFFFFFFFA}}},
    {"movk w0, #0xBEEF", {0x7297DDE0}, {{"W0", 0x12345678}}, {{"W0", 0x1234BEEF}}},
    {"lsl w0, w1, #4", {0x531C6C20}, {{"W1", 0x12345678}}, {{"W0", 0x23456780}}},
    {"lsl w0, w1, w2", {0x1AC22020}, {{"W1", 0x80000001}, {"W2", 33}}, {{"W0", 2}}},
    {"lsr w0, w1, #31", {0x531F7C20}, {{"W1", 0x80000000}}, {{"W0", 1}}},
    {"lsr w0, w1, w2", {0x1AC22420}, {{"W1", 0xFF00}, {"W2", 40}}, {{"W0", 0xFF}}},
    {"asr w0, w1, #4", {0x13047C20}, {{"W1", 0x80000000}}, {{"W0", 0xF8000000}}},
    {"asr w0, w1, w2", {0x1AC22820}, {{"W1", 0x80000000}, {"W2", 31}}, {{"W0", 0xFFFFFFFF}}},
    {"ror w0, w1, #8", {0x13812020}, {{"W1", 0x12345678}}, {{"W0", 0x78123456}}},
    {"ror w0, w1, w2", {0x1AC22C20}, {{"W1", 0x12345678}, {"W2", 4}}, {{"W0", 0x81234567}}},
    {"extr w0, w1, w2, #8", {0x13822020}, {{"W1", 0x11223344}, {"W2", 0x55667788}}, {{"W0", 0x44556677}}},
    {"sbfx w0, w1, #4, #4", {0x13041C20}, {{"W1", 0x80}}, {{"W0", 0xFFFFFFF8}}},
    {"ubfx w0, w1, #8, #8", {0x53083C20}, {{"W1", 0x12345678}}, {{"W0", 0x56}}},
    {"bfxil w0, w1, #8, #8", {0x33083C20}, {{"W0", 0xAAAAAAAA}, {"W1", 0x12345678}}, {{"W0", 0xAAAAAA56}}},
    {"sbfiz w0, w1, #8, #4", {0x13180C20}, {{"W1", 0xF}}, {{"W0", 0xFFFFFF00}}},
    {"ubfiz w0, w1, #8, #4", {0x53180C20}, {{"W1", 0xFF}}, {{"W0", 0xF00}}},
    {"bfi w0, w1, #8, #8", {0x33181C20}, {{"W0", 0xFFFFFFFF}, {"W1", 0x100}}, {{"W0", 0xFFFF00FF}}},
    {"sxtb w0, w1", {0x13001C20}, {{"W1", 0x180}}, {{"W0", 0xFFFFFF80}}},
    {"sxth w0, w1", {0x13003C20}, {{"W1", 0x18000}}, {{"W0", 0xFFFF8000}}},
    {"uxtb w0, w1", {0x53001C20}, {{"W1", 0x1FF}}, {{"W0", 0xFF}}},
    {"uxth w0, w1", {0x53003C20}, {{"W1", 0x1FFFF}}, {{"W0", 0xFFFF}}},
    {"madd w0, w1, w2, w3", {0x1B020C20}, {{"W1", 3}, {"W2", 4}, {"W3", 5}}, {{"W0", 17}}},
    {"msub w0, w1, w2, w3", {0x1B028C20}, {{"W1", 3}, {"W2", 4}, {"W3", 5}}, {{"W0", 0xFFFFFFF9}}},
    {"mul w0, w1, w2", {0x1B027C20}, {{"W1", 0x10001}, {"W2", 0x10001}}, {{"W0", 0x20001}}},
    {"mneg w0, w1, w2", {0x1B02FC20}, {{"W1", 3}, {"W2", 4}}, {{"W0", 0xFFFFFFF4}}},
    {"udiv w0, w1, w2", {0x1AC20820}, {{"W1", 0xFFFFFFFF}, {"W2", 2}}, {{"W0", 0x7FFFFFFF}}},
    {"udiv w0, w1, w2", {0x1AC20820}, {{"W1", 7}, {"W2", 0}}, {{"W0", 0}}},
    {"sdiv w0, w1, w2", {0x1AC20C20}, {{"W1", 0xFFFFFFF9}, {"W2", 2}}, {{"W0", 0xFFFFFFFD}}},
    {"sdiv w0, w1, w2", {0x1AC20C20}, {{"W1", 0x80000000}, {"W2", 0xFFFFFFFF}}, {{"W0", 0x80000000}}},
    {"sdiv w0, w1, w2", {0x1AC20C20}, {{"W1", 0xFFFFFFF9}, {"W2", 0}}, {{"W0", 0}}},
    {"csel w0, w1, w2, eq", {0x1A820020}, {{"W1", 1}, {"W2", 2}, {"NZCV", 4}}, {{"W0", 1}}},
    {"csel w0, w1, w2, eq", {0x1A820020}, {{"W1", 1}, {"W2", 2}, {"NZCV", 11}}, {{"W0", 2}}},
    {"csinc w0, w1, w2, eq", {0x1A820420}, {{"W1", 1}, {"W2", 7}, {"NZCV", 0}}, {{"W0", 8}}},
    {"csinc w0, w1, w2, eq", {0x1A820420}, {{"W1", 1}, {"W2", 7}, {"NZCV", 4}}, {{"W0", 1}}},
    {"csinv w0, w1, w2, ge", {0x5A82A020}, {{"W1", 1}, {"W2", 7}, {"NZCV", 8}}, {{"W0", 0xFFFFFFF8}}},
    {"csneg w0, w1, w2, hi", {0x5A828420}, {{"W1", 1}, {"W2", 7}, {"NZCV", 6}}, {{"W0", 0xFFFFFFF9}}},
    {"cset w0, gt", {0x1A9FD7E0}, {{"NZCV", 9}}, {{"W0", 1}}},
    {"cset w0, gt", {0x1A9FD7E0}, {{"NZCV", 4}}, {{"W0", 0}}},
    {"csetm w0, ne", {0x5A9F03E0}, {{"NZCV", 0}}, {{"W0", 0xFFFFFFFF}}},
    {"cinc w0, w1, lo", {0x1A812420}, {{"W1", 9}, {"NZCV", 0}}, {{"W0", 10}}},
    {"cinc w0, w1, lo", {0x1A812420}, {{"W1", 9}, {"NZCV", 2}}, {{"W0", 9}}},
    {"cinv w0, w1, mi", {0x5A815020}, {{"W1", 9}, {"NZCV", 8}}, {{"W0", 0xFFFFFFF6}}},
    {"cneg w0, w1, vs", {0x5A817420}, {{"W1", 9}, {"NZCV", 1}}, {{"W0", 0xFFFFFFF7}}},
    {"ccmp w1, w2, #0, eq", {0x7A420020}, {{"W1", 1}, {"W2", 1}, {"NZCV", 4}}, {{"NZCV", 6}}},
    {"ccmp w1, w2, #10, eq", {0x7A42002A}, {{"W1", 1}, {"W2", 1}, {"NZCV", 0}}, {{"NZCV", 10}}},
    {"ccmp w1, #31, #0, ne", {0x7A5F1820}, {{"W1", 1}, {"NZCV", 0}}, {{"NZCV", 8}}},
    {"ccmn w1, #1, #3, hs", {0x3A412823}, {{"W1", 0xFFFFFFFF}, {"NZCV", 2}}, {{"NZCV", 6}}},
    {"ccmn w1, w2, #3, hs", {0x3A422023}, {{"W1", 1}, {"W2", 1}, {"NZCV", 0}}, {{"NZCV", 3}}},
    {"rbit w0, w1", {0x5AC00020}, {{"W1", 1}}, {{"W0", 0x80000000}}},
    {"rev16 w0, w1", {0x5AC00420}, {{"W1", 0x11223344}}, {{"W0", 0x22114433}}},
    {"rev w0, w1", {0x5AC00820}, {{"W1", 0x11223344}}, {{"W0", 0x44332211}}},
    {"clz w0, w1", {0x5AC01020}, {{"W1", 0x10000}}, {{"W0", 15}}},
    {"clz w0, w1", {0x5AC01020}, {{"W1", 0}}, {{"W0", 32}}},
    {"cls w0, w1", {0x5AC01420}, {{"W1", 0xFFFF0000}}, {{"W0", 15}}},
    {"cls w0, w1", {0x5AC01420}, {{"W1", 0}}, {{"W0", 31}}},
    {"ldrb w0, [x7, #3]", {0x39400CE0}, {}, {{"W0", 0x83}}},
    {"ldrsb w0, [x7, #3]", {0x39C00CE0}, {}, {{"W0", 0xFFFFFF83}}},
    {"ldrh w0, [x7, #2]",
     {0x794004E0},
     {},
     {{"W0", 0x8382}, {"ACCESS_OFFSET", 0x202}, {"READ_SIZE", 2}, {"WRITE_SIZE", 0}}},
    {"ldrsh w0, [x7, #2]",
     {0x79C004E0},
     {},
     {{"W0", 0xFFFF8382}, {"ACCESS_OFFSET", 0x202}, {"READ_SIZE", 2}, {"WRITE_SIZE", 0}}},
    {"ldr w0, [x7, #4]",
     {0xB94004E0},
     {},
     {{"W0", 0x87868584}, {"ACCESS_OFFSET", 0x204}, {"READ_SIZE", 4}, {"WRITE_SIZE", 0}}},
    {"ldr w0, [x7, w1, uxtw #2]",
     {0xB86158E0},
     {{"W1", 1}},
     {{"W0", 0x87868584}, {"ACCESS_OFFSET", 0x204}, {"READ_SIZE", 4}, {"WRITE_SIZE", 0}}},
    {"ldr w0, [x7], #4",
     {0xB84044E0},
     {},
     {{"W0", 0x83828180}, {"W7", 0x11004}, {"ACCESS_OFFSET", 0x200}, {"READ_SIZE", 4}, {"WRITE_SIZE", 0}}},
    {"ldr w0, [x7, #4]!",
     {0xB8404CE0},
     {},
     {{"W0", 0x87868584}, {"W7", 0x11004}, {"ACCESS_OFFSET", 0x204}, {"READ_SIZE", 4}, {"WRITE_SIZE", 0}}},
    {"ldrsw x0, [x7, #4]; lsr x0, x0, #32", {0xB98004E0, 0xD360FC00}, {}, {{"W0", 0xFFFFFFFF}}},
    {"ldr x0, [x7]; lsr x0, x0, #32", {0xF94000E0, 0xD360FC00}, {}, {{"W0", 0x87868584}}},
    {"ldurb w0, [x7, #1]",
     {0x384010E0},
     {},
     {{"W0", 0x81}, {"ACCESS_OFFSET", 0x201}, {"READ_SIZE", 1}, {"WRITE_SIZE", 0}}},
    {"ldursb w0, [x7, #1]",
     {0x38C010E0},
     {},
     {{"W0", 0xFFFFFF81}, {"ACCESS_OFFSET", 0x201}, {"READ_SIZE", 1}, {"WRITE_SIZE", 0}}},
    {"ldurh w0, [x7, #1]",
     {0x784010E0},
     {},
     {{"W0", 0x8281}, {"ACCESS_OFFSET", 0x201}, {"READ_SIZE", 2}, {"WRITE_SIZE", 0}}},
    {"ldursh w0, [x7, #1]",
     {0x78C010E0},
     {},
     {{"W0", 0xFFFF8281}, {"ACCESS_OFFSET", 0x201}, {"READ_SIZE", 2}, {"WRITE_SIZE", 0}}},
    {"ldur w0, [x7, #1]",
     {0xB84010E0},
     {},
     {{"W0", 0x84838281}, {"ACCESS_OFFSET", 0x201}, {"READ_SIZE", 4}, {"WRITE_SIZE", 0}}},
    {"ldursw x0, [x7, #1]; lsr x0, x0, #32", {0xB88010E0, 0xD360FC00}, {}, {{"W0", 0xFFFFFFFF}}},
    {"ldp w0, w1, [x7, #4]",
     {0x294084E0},
     {},
     {{"W0", 0x87868584}, {"W1", 0x8B8A8988}, {"ACCESS_OFFSET", 0x204}, {"READ_SIZE", 8}, {"WRITE_SIZE", 0}}},
    {"ldp x0, x1, [x7]",
     {0xA94004E0},
     {},
     {{"W0", 0x83828180},
      {"W1", 0x8B8A8988},
      {"ACCESS_OFFSET", 0x200},
      {"READ_SIZE", 16},
      {"WRITE_SIZE", 0}}},
    {"strb w0, [x7, #3]",
     {0x39000CE0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x203}, {"READ_SIZE", 0}, {"WRITE_SIZE", 1}, {"WRITE_VALUE", 0x44}}},
    {"strh w0, [x7, #6]",
     {0x79000CE0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x206}, {"READ_SIZE", 0}, {"WRITE_SIZE", 2}, {"WRITE_VALUE", 0x3344}}},
    {"str w0, [x7, #8]",
     {0xB90008E0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x208}, {"READ_SIZE", 0}, {"WRITE_SIZE", 4}, {"WRITE_VALUE", 0x11223344}}},
    {"str x0, [x7, #8]",
     {0xF90004E0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x208}, {"READ_SIZE", 0}, {"WRITE_SIZE", 8}, {"WRITE_VALUE", 0x11223344}}},
    {"str w0, [x7, #8]!",
     {0xB8008CE0},
     {{"W0", 0x11223344}},
     {{"W7", 0x11008},
      {"ACCESS_OFFSET", 0x208},
      {"READ_SIZE", 0},
      {"WRITE_SIZE", 4},
      {"WRITE_VALUE", 0x11223344}}},
    {"sturb w0, [x7, #5]",
     {0x380050E0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x205}, {"READ_SIZE", 0}, {"WRITE_SIZE", 1}, {"WRITE_VALUE", 0x44}}},
    {"sturh w0, [x7, #5]",
     {0x780050E0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x205}, {"READ_SIZE", 0}, {"WRITE_SIZE", 2}, {"WRITE_VALUE", 0x3344}}},
    {"stur w0, [x7, #5]",
     {0xB80050E0},
     {{"W0", 0x11223344}},
     {{"ACCESS_OFFSET", 0x205}, {"READ_SIZE", 0}, {"WRITE_SIZE", 4}, {"WRITE_VALUE", 0x11223344}}},
    {"stp w0, w1, [x7, #8]",
     {0x290104E0},
     {{"W0", 0x11223344}, {"W1", 0x55667788}},
     {{"ACCESS_OFFSET", 0x208}, {"READ_SIZE", 0}, {"WRITE_SIZE", 8}, {"WRITE_VALUE", 0x5566778811223344}}},
    {"stp w0, w1, [sp, #-8]!",
     {0x29BF07E0},
     {{"W0", 1}, {"W1", 2}},
     {{"SP", 0x111F8},
      {"ACCESS_OFFSET", 0x3F8},
      {"READ_SIZE", 0},
      {"WRITE_SIZE", 8},
      {"WRITE_VALUE", 0x200000001}}},
    {"nop", {0xD503201F}, {{"W0", 1}, {"NZCV", 5}}, {{"W0", 1}, {"NZCV", 5}}},
    {"b . + 8; movz w0, #9", {0x14000002, 0x52800120}, {{"W0", 1}}, {{"W0", 1}}},
    {"cbz w1, . + 8; movz w0, #9", {0x34000041, 0x52800120}, {{"W0", 1}, {"W1", 0}}, {{"W0", 1}}},
    {"cbz w1, . + 8; movz w0, #9", {0x34000041, 0x52800120}, {{"W0", 1}, {"W1", 5}}, {{"W0", 9}}},
    {"cbnz w1, . + 8; movz w0, #9", {0x35000041, 0x52800120}, {{"W0", 1}, {"W1", 5}}, {{"W0", 1}}},
    {"cbnz w1, . + 8; movz w0, #9", {0x35000041, 0x52800120}, {{"W0", 1}, {"W1", 0}}, {{"W0", 9}}},
    {"tbz w1, #31, . + 8; movz w0, #9",
     {0x36F80041, 0x52800120},
     {{"W0", 1}, {"W1", 0x7FFFFFFF}},
     {{"W0", 1}}},
    {"tbz w1, #31, . + 8; movz w0, #9",
     {0x36F80041, 0x52800120},
     {{"W0", 1}, {"W1", 0x80000000}},
     {{"W0", 9}}},
    {"tbnz w1, #3, . + 8; movz w0, #9", {0x37180041, 0x52800120}, {{"W0", 1}, {"W1", 8}}, {{"W0", 1}}},
    {"tbnz w1, #3, . + 8; movz w0, #9", {0x37180041, 0x52800120}, {{"W0", 1}, {"W1", 7}}, {{"W0", 9}}},
    {"bl . + 8; movz w0, #9; nop",
     {0x94000002, 0x52800120, 0xD503201F},
     {{"W0", 1}},
     {{"W0", 1}, {"LR", 0x10004}}},
    {"ret; movz w0, #9", {0xD65F03C0, 0x52800120}, {{"W0", 1}}, {{"W0", 1}}},
    {"br x1; movz w0, #9", {0xD61F0020, 0x52800120}, {{"W0", 1}, {"W1", 0x10008}}, {{"W0", 1}}},
    {"blr x1; movz w0, #9",
     {0xD63F0020, 0x52800120},
     {{"W0", 1}, {"W1", 0x10008}},
     {{"W0", 1}, {"LR", 0x10004}}},
    {"adr x0, . + 12", {0x10000060}, {}, {{"W0", 0x1000C}}},
    {"rev32 x0, x1", {0xDAC00820}, {{"W1", 0x11223344}}, {{"W0", 0x44332211}}},
    {"sxtw x0, w1; lsr x0, x0, #32", {0x93407C20, 0xD360FC00}, {{"W1", 0x80000000}}, {{"W0", 0xFFFFFFFF}}},
    {"smull x0, w1, w2; lsr x0, x0, #32",
     {0x9B227C20, 0xD360FC00},
     {{"W1", 0xFFFFFFFF}, {"W2", 0x10000}},
     {{"W0", 0xFFFFFFFF}}},
    {"umull x0, w1, w2; lsr x0, x0, #32",
     {0x9BA27C20, 0xD360FC00},
     {{"W1", 0xFFFFFFFF}, {"W2", 0x10000}},
     {{"W0", 0xFFFF}}},
    {"smnegl x0, w1, w2", {0x9B22FC20}, {{"W1", 3}, {"W2", 4}}, {{"W0", 0xFFFFFFF4}}},
    {"umnegl x0, w1, w2; lsr x0, x0, #32",
     {0x9BA2FC20, 0xD360FC00},
     {{"W1", 3}, {"W2", 4}},
     {{"W0", 0xFFFFFFFF}}},
    {"smaddl x0, w1, w2, x3", {0x9B220C20}, {{"W1", 0xFFFFFFFF}, {"W2", 5}, {"W3", 7}}, {{"W0", 2}}},
    {"umaddl x0, w1, w2, x3; lsr x0, x0, #32",
     {0x9BA20C20, 0xD360FC00},
     {{"W1", 0xFFFFFFFF}, {"W2", 2}, {"W3", 2}},
     {{"W0", 2}}},
    {"smsubl x0, w1, w2, x3", {0x9B228C20}, {{"W1", 0xFFFFFFFF}, {"W2", 5}, {"W3", 7}}, {{"W0", 12}}},
    {"umsubl x0, w1, w2, x3; lsr x0, x0, #32",
     {0x9BA28C20, 0xD360FC00},
     {{"W1", 0xFFFFFFFF}, {"W2", 1}, {"W3", 0}},
     {{"W0", 0xFFFFFFFF}}},
    {"smulh x0, x1, x2", {0x9B427C20}, {{"W1", 3}, {"W2", 4}}, {{"W0", 0}}},
    {"lsl x1, x1, #32; smulh x0, x1, x2",
     {0xD3607C21, 0x9B427C20},
     {{"W1", 0x80000000}, {"W2", 2}},
     {{"W0", 0xFFFFFFFF}}},
    {"lsl x1, x1, #32; umulh x0, x1, x2",
     {0xD3607C21, 0x9BC27C20},
     {{"W1", 0x80000000}, {"W2", 2}},
     {{"W0", 1}}},
};

std::string bytes_of(const std::vector<uint32_t>& words) {
  return {reinterpret_cast<const char*>(words.data()), 4 * words.size()};
}

std::string mnemonic(const std::string& text) { return text.substr(0, text.find_first_of(" ;")); }

class Arm64Test : public testing::Test {
 protected:
  test::OwnedTrace run(const std::vector<uint32_t>& code, const test::Values& before) {
    std::vector<uint8_t> data(32);
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(0x80 + i);
    test::Values values = {{"W7", 0x11000}};
    values.insert(values.end(), before.begin(), before.end());
    return test::run_code(*machine_, bytes_of(code), values, data);
  }

  std::unique_ptr<Machine> machine_ = make_machine("arm64", 1024);
};

TEST_F(Arm64Test, InstructionsDoWhatTheManualSays) {
  for (const Case& c : cases) {
    const auto trace = run(c.code, c.before);
    EXPECT_EQ(trace.stop, StopReason::halted) << c.assembly;
    for (const auto& [name, value] : c.after) {
      EXPECT_EQ(trace.get(trace.count() - 1, name), value) << c.assembly << ": " << name;
    }
    EXPECT_EQ(mnemonic(machine_->describe(trace.record(1)).text), mnemonic(c.assembly));
  }
}

// Chapter C1.2.4, "Condition code".
TEST_F(Arm64Test, BranchesFollowTheirConditionForAllFlags) {
  const std::vector<std::pair<std::string, bool (*)(bool, bool, bool, bool)>> conditions = {
      {"b.eq", [](bool, bool z, bool, bool) { return z; }},
      {"b.ne", [](bool, bool z, bool, bool) { return !z; }},
      {"b.hs", [](bool, bool, bool c, bool) { return c; }},
      {"b.lo", [](bool, bool, bool c, bool) { return !c; }},
      {"b.mi", [](bool n, bool, bool, bool) { return n; }},
      {"b.pl", [](bool n, bool, bool, bool) { return !n; }},
      {"b.vs", [](bool, bool, bool, bool v) { return v; }},
      {"b.vc", [](bool, bool, bool, bool v) { return !v; }},
      {"b.hi", [](bool, bool z, bool c, bool) { return c && !z; }},
      {"b.ls", [](bool, bool z, bool c, bool) { return !c || z; }},
      {"b.ge", [](bool n, bool, bool, bool v) { return n == v; }},
      {"b.lt", [](bool n, bool, bool, bool v) { return n != v; }},
      {"b.gt", [](bool n, bool z, bool, bool v) { return !z && n == v; }},
      {"b.le", [](bool n, bool z, bool, bool v) { return z || n != v; }}};
  for (uint32_t cc = 0; cc < conditions.size(); ++cc) {
    for (uint32_t nzcv = 0; nzcv < 16; ++nzcv) {
      // B.cond past one instruction, which sets W0.
      const auto trace = run({0x54000040 | cc, 0x52800020}, {{"NZCV", nzcv}});
      const bool taken = conditions[cc].second(nzcv & 8, nzcv & 4, nzcv & 2, nzcv & 1);
      EXPECT_EQ(trace.get(trace.count() - 1, "W0"), !taken) << conditions[cc].first << ' ' << nzcv;
      EXPECT_EQ(mnemonic(machine_->describe(trace.record(1)).text), conditions[cc].first);
    }
  }
}

TEST_F(Arm64Test, EveryOperationOfRandomProgramsHasACase) {
  std::set<std::string> covered;
  for (const Case& c : cases) covered.insert(mnemonic(c.assembly));
  for (const auto operation : machine_->operations()) {
    EXPECT_TRUE(covered.contains(std::string(operation)) || operation.starts_with("b.")) << operation;
  }
}

TEST_F(Arm64Test, WhatIsNotIncludedIsIllegal) {
  run({0x54000040u}, {});  // B.EQ: what is like it in shape alone stays illegal
  for (const uint32_t word :
       {0x00000000u, 0xD4000001u /* SVC */, 0x1E604020u /* FMOV */, 0x0B09002Au /* W9, W10 */,
        0x4E208400u /* vector ADD */, 0xD5033FDFu /* ISB */, 0xA9000440u /* STP of 16 bytes */,
        0xD4400020u /* HLT #1 */, 0x5400004Eu /* B.AL */}) {
    const auto trace = run({word}, {});
    EXPECT_EQ(trace.stop, StopReason::illegal_instruction) << std::hex << word;
    EXPECT_EQ(trace.count(), 2u);
    EXPECT_EQ(trace.get(1, "INSN"), word);
    EXPECT_EQ(machine_->describe(trace.record(1)).form, "???");
  }
}

}  // namespace
}  // namespace bytecpu
