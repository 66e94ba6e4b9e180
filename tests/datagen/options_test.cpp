#include "datagen/io/options.hpp"

#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;
using test::contains;

enum class Colour { red, blue };

struct Values {
  int count = 1;
  uint64_t seed = 0;
  double share = 0.5;
  bool flag = false;
  std::string kind = "plain", file;
  Colour colour = Colour::blue;
  std::optional<double> rate;
  std::vector<std::string> sets, modes = {"a"};
};

OptionList options(Values& v) {
  OptionList field;
  field(v.count, "count", at_least(1), "");
  field(v.seed, "seed", at_least(0), "");
  field(v.share, "share", in_below(0, 1), "");
  field(v.flag, "flag", "");
  field(v.kind, "kind", one_of({"plain", "fancy", "odd"}), "");
  field(v.file, "file", text("FILE"), "");
  field(v.colour, "colour", Names<Colour>{{"red", Colour::red}, {"blue", Colour::blue}}, "");
  field(v.rate, "rate", above(0), "");
  field(v.sets, "set", text("X"), "");
  field(v.modes, "modes", one_of({"a", "b"}), "");
  return field;
}

std::string error(const std::string& name, const std::string& value) {
  Values v;
  auto list = options(v);
  try {
    list.find(name)->set(value, "--" + name);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "";
}

TEST(Options, AFieldTakesWhatItMayBeAndTheMessageForTheRestNamesFlagRangeAndValue) {
  EXPECT_EQ(error("count", "0"), "--count 0: use a whole number, 1 or more");
  EXPECT_EQ(error("count", "1.5"), "--count 1.5: use a whole number, 1 or more");
  EXPECT_EQ(error("count", ""), "--count \"\": use a whole number, 1 or more");
  EXPECT_EQ(error("count", "99999999999"), "--count 99999999999: use a whole number from 1 to 2147483647");
  EXPECT_EQ(error("seed", "-1"), "--seed -1: use a whole number, 0 or more");
  EXPECT_EQ(error("seed", "18446744073709551615"), "");
  EXPECT_EQ(error("share", "1"), "--share 1: use a number from 0 to below 1");
  EXPECT_EQ(error("share", "nan"), "--share nan: use a number from 0 to below 1");
  EXPECT_EQ(error("share", "1e-3"), "");
  EXPECT_EQ(error("rate", "0"), "--rate 0: use a number above 0");
  EXPECT_EQ(error("rate", "inf"), "--rate inf: use a number above 0");
  EXPECT_EQ(error("flag", "maybe"), "--flag maybe: use true or false");
  EXPECT_EQ(error("kind", "%value%"), "--kind %value%: use plain, fancy or odd");
  EXPECT_EQ(error("colour", "green"), "--colour green: use red or blue");
  EXPECT_EQ(error("modes", "a,c"), "--modes a,c: use a or b, with commas between several");
}

TEST(Options, JsonHoldsEveryFieldAndGivesItBack) {
  Values v;
  v.seed = 18446744073709551615u;
  v.share = 0.30000000000000004;
  v.colour = Colour::red;
  v.sets = {"x", "y"};
  v.modes = {"b", "a"};
  const auto json = options(v).json();
  EXPECT_EQ(
      json.dump(),
      R"({"count":1,"seed":18446744073709551615,"share":0.30000000000000004,"flag":false,"kind":"plain",)"
      R"("file":"","colour":"red","set":["x","y"],"modes":"b,a"})");
  Values read;
  options(read).from_json(json);
  EXPECT_EQ(options(read).json(), json);
  EXPECT_FALSE(read.rate);
}

TEST(Options, ReadingJsonKeepsDefaultsAndNamesWhatIsUnknownOrUnfit) {
  Values v;
  options(v).from_json({{"count", 7}});
  EXPECT_EQ(v.count, 7);
  EXPECT_EQ(v.share, 0.5);
  const auto message = [](const ordered_json& json) -> std::string {
    Values into;
    try {
      options(into).from_json(json, {"layout"});
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message({{"layout", 1}}), "");
  EXPECT_TRUE(contains(message({{"cuont", 7}}), "\"cuont\""));
  EXPECT_EQ(message({{"count", 0}}), "the setting count is 0: use a whole number, 1 or more");
  EXPECT_TRUE(contains(message({{"count", "7"}}), "count"));
  EXPECT_TRUE(contains(message({{"kind", 7}}), "kind"));
  EXPECT_TRUE(contains(message({{"flag", nullptr}}), "flag"));
  EXPECT_TRUE(contains(message(ordered_json::array()), "object"));
}

TEST(Options, WhatAProgramHasSetIsCheckedLikeWhatAUserGives) {
  Values v;
  options(v).check();
  v.kind = "strange";
  EXPECT_THROW(options(v).check(), Error);
}

TEST(Options, AFieldKnowsWhetherItWasGivenAndIsRefusedOnlyThen) {
  Values v;
  auto list = options(v);
  list.refuse("why", v.count, v.kind);
  list.find("kind")->set("plain", "c.ini:3: kind");  // the default, given
  EXPECT_TRUE(list.given(v.kind));
  EXPECT_FALSE(list.given(v.count));
  try {
    list.refuse("it has no kind", v.count, v.kind);
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_STREQ(e.what(), "c.ini:3: kind: it has no kind");
  }
}

TEST(Options, IniTextIsReadBackAsTheSame) {
  Values v;
  v.file = " a#b;'c ";
  v.kind = "odd";
  v.rate = 0.1;
  v.sets = {"A=1", "B=\"2\""};
  const auto ini = options(v).ini();
  Values read;
  auto list = options(read);
  for (const auto& line : parse_ini(ini, "c.ini")) list.find(line.name)->set(line.value, line.name);
  EXPECT_EQ(options(read).ini(), ini);
  EXPECT_EQ(read.file, v.file);
  EXPECT_EQ(read.sets, v.sets);
  v.file = "a\nb";
  EXPECT_THROW(options(v).ini(), UsageError);
}

TEST(Options, IniFilesMayHaveAMarkCarriageReturnsCommentsAndQuotes) {
  const auto read = [](std::string_view text) {
    std::string all;
    for (const auto& [name, value, line] : parse_ini(text, "c.ini")) {
      all += fmt::format("{}:{}={}|", line, name, value);
    }
    return all;
  };
  EXPECT_EQ(read("\xEF\xBB\xBFtrain = 4\r\n\r\n; one\n  # two\nseed=0"), "1:train=4|5:seed=0|");
  EXPECT_EQ(read("a = 1 # x\nb = 2 ; x\nc = p;q\nd =\ne = # x\n"), "1:a=1|2:b=2|3:c=p;q|4:d=|5:e=|");
  EXPECT_EQ(read("a = \" # x \" # y\nb = '\"'\nc = \"A\",B\nd = \"\n"),
            "1:a= # x |2:b=\"|3:c=\"A\",B|4:d=\"|");
  for (const std::string line : {"[part]", "no equals", "= 1", "# a\nno # = 1"}) {
    try {
      parse_ini(line, "c.ini");
      ADD_FAILURE() << line;
    } catch (const UsageError& e) {
      EXPECT_TRUE(contains(e.what(), "c.ini:")) << e.what();
    }
  }
}

TEST(Options, JsonTextReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json_text({{"a", "x\xFFy"}}), "{\"a\":\"x\xEF\xBF\xBDy\"}");
}

}  // namespace
}  // namespace bytecpu
